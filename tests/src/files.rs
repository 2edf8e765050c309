//! The events in `events/FUNCTION/CASE.json` and their golden answers in `CASE.response.json`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::backing::root;

/// The functions, each a folder of `events/`, in the order in which they are replayed: the sweep before there is anything to sweep.
pub const FUNCTIONS: [&str; 7] = ["sweep", "token", "authorizer", "invoke", "stream", "upload", "admin"];

/// Those of them whose answers stream.
pub const STREAMING: [&str; 3] = ["invoke", "stream", "upload"];

/// One event and where its golden answer is.
#[derive(Clone, Debug)]
pub struct Case {
    /// Whose event it is.
    pub function: String,
    /// What it is about.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
}

impl Case {
    /// Where its golden answer is.
    pub fn golden(&self) -> PathBuf {
        self.file.with_file_name(format!("{}.response.json", self.name))
    }

    /// The event.
    pub fn event(&self) -> Value {
        serde_json::from_slice(&std::fs::read(&self.file).unwrap()).unwrap()
    }
}

/// Every event of a function, by name.
pub fn cases(function: &str) -> Vec<Case> {
    let mut cases: Vec<_> = names(&root().join("events").join(function))
        .filter(|name| !name.ends_with(".response"))
        .map(|name| case(function, name))
        .collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

/// Every event there is.
pub fn all_cases() -> Vec<Case> {
    FUNCTIONS.iter().flat_map(|function| cases(function)).collect()
}

/// Golden answers without an event.
pub fn orphans() -> Vec<PathBuf> {
    let of = |function: &&str| {
        let folder = root().join("events").join(function);
        let goldens = names(&folder).filter_map(|name| name.strip_suffix(".response").map(str::to_owned));
        goldens
            .map(|name| folder.join(format!("{name}.json")))
            .filter(|event| !event.exists())
            .collect::<Vec<_>>()
    };
    FUNCTIONS.iter().flat_map(of).collect()
}

fn case(function: &str, name: String) -> Case {
    let file = root().join("events").join(function).join(format!("{name}.json"));
    Case {
        function: function.to_owned(),
        name,
        file,
    }
}

/// The names of a folder's JSON files, without `.json`.
fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".json").map(str::to_owned)
    })
}
