//! `guard FOLDER PROGRAM [ARGUMENT...]`: runs a program for a test, and sees to it that nothing of it outlives the test.
//!
//! Statics are not dropped at the end of a test binary, and a test binary may be killed; but the kernel closes a dead
//! process's pipes. So when this program's standard input ends, it asks PROGRAM to end itself (SIGTERM). When PROGRAM has
//! ended, whatever it left behind is killed and FOLDER is removed.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// What a program may take to end itself.
const GRACE: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), Some(program)) = (arguments.next(), arguments.next()) else {
        return Err(std::io::Error::other("usage: guard FOLDER PROGRAM [ARGUMENT...]"));
    };
    adopt_orphans()?;
    let status = run(program, arguments).await;
    end_orphans();
    // It may never have been made, or be gone already.
    let _ = std::fs::remove_dir_all(PathBuf::from(folder));
    let code = status?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

async fn run(program: OsString, arguments: impl Iterator<Item = OsString>) -> std::io::Result<ExitStatus> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    tokio::select! {
        status = child.wait() => return status,
        () = input_ended() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    end(&mut child).await
}

/// In a thread of its own, which nobody waits for: reading standard input cannot be taken back.
async fn input_ended() {
    let (said, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = said.send(());
    });
    let _ = ended.await;
}

async fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    let pid = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM);
    }
    if let Ok(status) = tokio::time::timeout(GRACE, child.wait()).await {
        return status;
    }
    child.start_kill()?;
    child.wait().await
}

/// Makes this process the parent of whatever loses its own parent below it.
#[cfg(target_os = "linux")]
fn adopt_orphans() -> std::io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn adopt_orphans() -> std::io::Result<()> {
    Ok(())
}

/// Kills children until there are none: those of a killed one come here next.
fn end_orphans() {
    loop {
        let children = children();
        if children.is_empty() {
            return;
        }
        for pid in children {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
}

/// From `/proc`; where there is none, nobody is known.
fn children() -> Vec<Pid> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| parent(*pid) == Some(own))
        .filter_map(Pid::from_raw)
        .collect()
}

/// `PID (NAME) STATE PARENT …`, where NAME may hold anything.
fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}
