//! Child processes that cannot outlive the test binary.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A program that runs until this is dropped, or until this process is gone. See `src/bin/guard.rs`.
#[derive(Debug)]
pub struct Guard {
    child: Child,
    log: PathBuf,
}

impl Guard {
    /// Starts `program` at the root of the workspace. `folder` is removed when it has ended; `log` takes what it prints.
    pub fn start(folder: &Path, program: &Path, arguments: &[&str], log: &Path) -> Self {
        Self::start_in(&root(), folder, program, arguments, log)
    }

    /// The same, in another directory.
    pub fn start_in(directory: &Path, folder: &Path, program: &Path, arguments: &[&str], log: &Path) -> Self {
        let output = File::create(log).unwrap();
        let child = Command::new(self::program("guard"))
            .arg(folder)
            .arg(program)
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            // Ctrl-C in a terminal is for the test binary, with whose end this one ends in its own way.
            .process_group(0)
            .spawn()
            .unwrap();
        Self {
            child,
            log: log.to_owned(),
        }
    }

    /// Fails the test, with what the program said, if it has ended by itself.
    pub fn must_be_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} has ended: {status}\n{}", self.log.display(), self.said());
        }
    }

    /// What the program has printed.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A program of the workspace, from the folder that this one was built into.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    // Tests are in a folder below the programs, a benchmark is beside them.
    let beside = own.with_file_name(name);
    let program = if beside.is_file() {
        beside
    } else {
        own.parent().unwrap().with_file_name(name)
    };
    assert!(
        program.is_file(),
        "{} is missing: run `cargo build --workspace` first",
        program.display()
    );
    program
}

/// `cargo-lambda`: the one that `tools/setup` installs, or one on the path.
pub(super) fn cargo_lambda() -> PathBuf {
    let installed = root().join(".tools/venv/bin/cargo-lambda");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_the_path = std::env::split_paths(&path).map(|folder| folder.join("cargo-lambda"));
    let found = [installed]
        .into_iter()
        .chain(on_the_path)
        .find(|program| program.is_file());
    found.expect("cargo-lambda is neither in .tools nor on the path: run `tools/setup venv` first")
}
