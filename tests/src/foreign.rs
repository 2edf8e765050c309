//! Clients that are not ours, each in a process of its own: what they did step by step, and what came of it.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::backing::root;
use crate::local::PATIENCE;

/// What such a program has told.
#[derive(Debug)]
pub struct Foreign {
    /// Its name and version.
    pub client: String,
    /// What it has done, in order.
    pub steps: Vec<String>,
    /// What came of it.
    pub result: Value,
}

impl Foreign {
    /// Runs a script of `tests/idp` by Node.
    pub async fn node(script: &str, arguments: &[&str]) -> Self {
        let modules = installed("idp");
        let mut command = Command::new("node");
        command.arg(root().join("tests/idp").join(script)).arg(modules);
        Self::run(command, arguments).await
    }

    /// Runs a script of `tests/authlib`.
    pub async fn authlib(script: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(installed("venv-authlib").join("bin/python"));
        command.arg(root().join("tests/authlib").join(script));
        Self::run(command, arguments).await
    }

    /// # Panics
    /// With all that it said, if it was not content.
    async fn run(mut command: Command, arguments: &[&str]) -> Self {
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // It ends when this ends, also when this process is killed. Waiting would close it.
        let held = child.stdin.take();
        let output = tokio::time::timeout(2 * PATIENCE, child.wait_with_output()).await;
        drop(held);
        let output = output.expect("it does not end").unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{command:?}: {}\n{said}\n{complaint}",
            output.status
        );
        Self::read(&said).unwrap_or_else(|| panic!("{command:?} ended without a result:\n{said}\n{complaint}"))
    }

    /// One JSON object a line: `{"client": NAME}` first, then `{"step": NAME}`, and `{"result": VALUE}` last.
    fn read(said: &str) -> Option<Self> {
        let mut lines: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>().ok()?;
        let result = lines.pop()?.get_mut("result")?.take();
        let text = |line: &Value, name: &str| Some(line.get(name)?.as_str()?.to_owned());
        let client = text(lines.first()?, "client")?;
        let steps = lines[1..]
            .iter()
            .map(|line| text(line, "step"))
            .collect::<Option<_>>()?;
        Some(Self { client, steps, result })
    }

    /// Fails unless these very steps were done, and reports them, past the test's captured output: a line each.
    pub fn report(&self, steps: &[&str]) -> &Self {
        assert_eq!(self.steps, steps, "{}", self.client);
        let lines: String = steps
            .iter()
            .map(|step| format!("  {}: {step}\n", self.client))
            .collect();
        std::io::stderr().write_all(lines.as_bytes()).unwrap();
        self
    }

    /// A text of the result.
    pub fn text(&self, name: &str) -> &str {
        self.result[name].as_str().unwrap()
    }
}

fn installed(tool: &str) -> std::path::PathBuf {
    let folder = root().join(".tools").join(tool);
    assert!(folder.join("complete").exists(), "tools/setup {tool} was not run");
    folder
}

/// The browser that `tools/setup` found or installed.
pub fn browser() -> std::path::PathBuf {
    let program = root().join(".tools/chromium");
    assert!(
        Path::new(&program).exists(),
        "there is no browser: tools/setup chromium was not run"
    );
    program
}
