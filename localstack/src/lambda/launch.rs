//! Starting a function's process so that it can never outlive this program.
//!
//! On SIGTERM this program ends its functions itself. When it is killed it cannot, so the kernel must: a process may ask to
//! be killed when its parent dies (`PR_SET_PDEATHSIG`), and keeps that wish through `exec`. Asking between `fork` and `exec`
//! would need `unsafe`, which this workspace forbids; therefore this program starts itself as `local run-function`, which
//! asks and then becomes the function, with the same process id. Where the kernel knows no such wish (macOS), a function
//! ends because its Runtime API is gone: `lambda_runtime` returns an error from its next poll.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Becomes the function `program`, to be killed when the process `parent` dies. Returns only if that fails.
#[must_use]
pub fn run_function(parent: u32, program: &Path) -> io::Error {
    match die_with(parent) {
        Ok(()) => Command::new(program).exec(),
        Err(error) => error,
    }
}

#[cfg(target_os = "linux")]
fn die_with(parent: u32) -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before the wish was made; then somebody else is the parent by now.
    let actual = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if actual == Some(parent) {
        Ok(())
    } else {
        Err(io::Error::other("the local stack has ended"))
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with(_parent: u32) -> io::Result<()> {
    Ok(())
}
