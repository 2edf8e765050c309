//! Everything that is wrong with a configuration, found at once and before the first request.

use std::fmt;

use super::setting::{Declared, Function, Need};
use super::{ConfigError, Variables, tree};

/// Variables of the tools and the tests, which are not ours to refuse.
const OF_TOOLS: [&str; 5] = [
    "TOLLGATE_ADVISORIES",
    "TOLLGATE_CACHE",
    "TOLLGATE_MIGRATED_ROWS",
    "TOLLGATE_PICTURES",
    "TOLLGATE_READY_FILE",
];

/// All that is wrong. It tells each on a line of its own, and shows no value.
pub struct Faults(pub Vec<ConfigError>);

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        out.write_str(&lines.join("\n"))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl std::error::Error for Faults {}

impl Variables {
    /// Looks at all of the configuration: every setting that is there must hold what it may, whoever reads it, and those that
    /// `function` needs must be there. Without a function none must: a file alone is looked at.
    ///
    /// # Errors
    /// All [`Faults`].
    pub fn check(&self, function: Option<Function>) -> Result<(), Faults> {
        let mut faults = self.file_faults();
        faults.extend(self.unknown());
        for it in tree::ALL {
            match self.text(&it.variable()) {
                Some(text) if !it.takes(&text) => faults.push(it.wrong(self)),
                None if function.is_some_and(|by| self.needs(it, by)) => faults.push(it.missing(self)),
                _ => {}
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
    }

    fn needs(&self, it: &Declared, function: Function) -> bool {
        it.read_by.contains(&function)
            && match it.need {
                Need::Optional | Need::Default(_) => false,
                Need::Required => true,
                Need::With(path) => self.at(path).is_some(),
                Need::Unless(path) => self.at(path).is_none(),
                Need::When(path, value) => self.at(path).as_deref() == Some(value),
            }
    }

    /// What the setting at this path holds.
    fn at(&self, path: &str) -> Option<String> {
        tree::ALL.iter().find(|it| it.path == path)?.text(self)
    }

    /// Variables that begin as ours do and are none: one that is misspelt would count as not set.
    fn unknown(&self) -> Vec<ConfigError> {
        let known: Vec<String> = tree::ALL.iter().map(|it| it.variable()).collect();
        let ours = self.names().into_iter().filter(|name| name.starts_with("TOLLGATE_"));
        let unknown = ours.filter(|name| !known.contains(name) && !OF_TOOLS.contains(&name.as_str()));
        unknown
            .map(|name| ConfigError::Unknown {
                known: nearest(&name, &known),
                place: format!("the environment variable {name}"),
            })
            .collect()
    }
}

/// Those that share most of their beginning with a name; there are too many to tell all.
fn nearest(name: &str, known: &[String]) -> String {
    let common = |other: &str| name.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let most = known.iter().map(|it| common(it)).max().unwrap_or_default();
    let near = known.iter().filter(|it| common(it) == most).take(8);
    near.map(String::as_str).collect::<Vec<_>>().join(", ")
}
