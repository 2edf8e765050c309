//! Settings that belong together, read by the names that they have there. The file is the one beneath the variables, or, where there is
//! none, the one that `TOLLGATE_SETTINGS` names. Each must be declared in [`super::tree`] to be taken from a file at all.
//!
//! A section has a path in the file (`storage.tls`) and a prefix for variables (`TOLLGATE_STORAGE_TLS`): its setting `ca_file` is
//! `storage.tls.ca_file` there and `TOLLGATE_STORAGE_TLS_CA_FILE` here. A list is a list in the file, or text with commas in either.

use std::path::Path;
use std::str::FromStr;

use serde_json::Value;

use super::file::{File, scalar_text};
use super::{ConfigError, Variables};

/// The environment, and the file beneath it if there is one.
pub struct Settings<'a> {
    variables: &'a Variables,
    file: Option<File>,
}

/// One value, and where it stands.
struct Found {
    place: String,
    value: Value,
}

impl<'a> Settings<'a> {
    /// Reads the file that `TOLLGATE_SETTINGS` names. Without that variable there is the environment alone.
    ///
    /// # Errors
    /// [`ConfigError::File`] when it cannot be read, or is not a YAML map.
    pub fn read(variables: &'a Variables) -> Result<Self, ConfigError> {
        if let Some(file) = variables.file() {
            let file = Some(file.clone());
            return Ok(Self { variables, file });
        }
        let Some(name) = variables.text("TOLLGATE_SETTINGS") else {
            return Ok(Self { variables, file: None });
        };
        let text = std::fs::read_to_string(Path::new(&name)).map_err(|error| ConfigError::File {
            file: name.clone(),
            fault: format!("cannot be read: {error}"),
        })?;
        Self::with_file(variables, &name, &text)
    }

    /// The same, with the text of a file of that name.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn with_file(variables: &'a Variables, name: &str, text: &str) -> Result<Self, ConfigError> {
        let file = Some(File::of(name, text)?);
        Ok(Self { variables, file })
    }

    /// A section of settings.
    pub fn section(&'a self, path: &str, prefix: &str) -> Section<'a> {
        Section {
            settings: self,
            path: path.to_owned(),
            prefix: prefix.to_owned(),
        }
    }
}

/// Settings that belong together.
pub struct Section<'a> {
    settings: &'a Settings<'a>,
    path: String,
    prefix: String,
}

impl<'a> Section<'a> {
    /// A section within this one.
    pub fn section(&self, name: &str) -> Section<'a> {
        Section {
            settings: self.settings,
            path: format!("{}.{name}", self.path),
            prefix: variable(&self.prefix, name),
        }
    }

    /// Refuses what the file has in this section and nobody reads: a setting that is misspelt would count as not set.
    ///
    /// # Errors
    /// [`ConfigError::Unknown`]
    pub fn refuse_others(&self, known: &[&str]) -> Result<(), ConfigError> {
        let Some(file) = &self.settings.file else {
            return Ok(());
        };
        let place = |path: &str| format!("{path} in {}", file.name);
        match self.node(file) {
            Value::Null => Ok(()),
            Value::Object(map) => match map.keys().find(|key| !known.contains(&key.as_str())) {
                None => Ok(()),
                Some(key) => Err(ConfigError::Unknown {
                    place: place(&format!("{}.{key}", self.path)),
                    known: known.join(", "),
                }),
            },
            _ => Err(ConfigError::Setting {
                place: place(&self.path),
                fault: WRONG,
                expected: format!("a map of {}", known.join(", ")),
            }),
        }
    }

    /// A setting that may lack.
    ///
    /// # Errors
    /// [`ConfigError::Setting`], naming where it stands and what it must hold.
    pub fn optional<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, ConfigError> {
        let Some(Found { place, value }) = self.find(name) else {
            return Ok(None);
        };
        let parsed = scalar_text(&value).and_then(|text| text.parse().ok());
        parsed.map(Some).ok_or_else(|| wrong(place, expected))
    }

    /// A setting that must be there.
    ///
    /// # Errors
    /// As [`Self::optional`].
    pub fn required<T: FromStr>(&self, name: &str, expected: &str) -> Result<T, ConfigError> {
        self.optional(name, expected)?.ok_or_else(|| ConfigError::Setting {
            place: self.places(name),
            fault: "is not set",
            expected: expected.to_owned(),
        })
    }

    /// A setting that has a default.
    ///
    /// # Errors
    /// As [`Self::optional`].
    pub fn or<T: FromStr>(&self, name: &str, expected: &str, default: T) -> Result<T, ConfigError> {
        Ok(self.optional(name, expected)?.unwrap_or(default))
    }

    /// A list of texts. One that is not set is empty.
    ///
    /// # Errors
    /// As [`Self::optional`].
    pub fn list(&self, name: &str, expected: &str) -> Result<Vec<String>, ConfigError> {
        let Some(Found { place, value }) = self.find(name) else {
            return Ok(Vec::new());
        };
        let items = match &value {
            Value::Array(items) => items.iter().map(scalar_text).collect(),
            one => scalar_text(one).map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>()),
        };
        let items: Vec<_> = items.ok_or_else(|| wrong(place, expected))?;
        let trimmed = items.iter().map(|item| item.trim().to_owned());
        Ok(trimmed.filter(|item| !item.is_empty()).collect())
    }

    /// The error of a setting that was read and is not what it must be.
    pub fn wrong(&self, name: &str, expected: &str) -> ConfigError {
        wrong(
            self.find(name).map_or_else(|| self.places(name), |it| it.place),
            expected,
        )
    }

    /// Where a setting would stand, in words.
    pub fn places(&self, name: &str) -> String {
        let variable = variable(&self.prefix, name);
        match &self.settings.file {
            None => format!("the environment variable {variable}"),
            Some(file) => format!("{}.{name} in {} (or {variable})", self.path, file.name),
        }
    }

    fn find(&self, name: &str) -> Option<Found> {
        let variable = variable(&self.prefix, name);
        if let Some(text) = self.settings.variables.text(&variable) {
            return Some(Found {
                place: self.settings.variables.place(&variable),
                value: Value::String(text),
            });
        }
        let file = self.settings.file.as_ref()?;
        let value = self.node(file).get(name).filter(|value| !value.is_null())?;
        Some(Found {
            place: format!("{}.{name} in {}", self.path, file.name),
            value: value.clone(),
        })
    }

    fn node<'f>(&self, file: &'f File) -> &'f Value {
        file.node(&self.path)
    }
}

const WRONG: &str = "holds a wrong value";

fn wrong(place: String, expected: &str) -> ConfigError {
    let expected = expected.to_owned();
    ConfigError::Setting {
        place,
        fault: WRONG,
        expected,
    }
}

fn variable(prefix: &str, name: &str) -> String {
    format!("{prefix}_{}", name.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "tls:\n  version: 1.3\n  suites: [A, B]\n  on: true\n  deep:\n    name: x\n";

    fn given(list: &[(&'static str, &str)]) -> Variables {
        Variables::Given(list.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let variables = given(&[("T_VERSION", "1.2"), ("T_DEEP_NAME", "y")]);
        let settings = Settings::with_file(&variables, "s.yaml", FILE).unwrap();
        let section = settings.section("tls", "T");
        assert_eq!(section.or("version", "a version", String::new()).unwrap(), "1.2");
        assert!(section.or("on", "true or false", false).unwrap());
        assert_eq!(section.or("more", "a number", 7).unwrap(), 7);
        assert_eq!(section.list("suites", "names").unwrap(), ["A", "B"]);
        assert_eq!(
            section.section("deep").required::<String>("name", "a name").unwrap(),
            "y"
        );
        let nothing = given(&[]);
        let settings = Settings::with_file(&nothing, "s.yaml", FILE).unwrap();
        let section = settings.section("tls", "T");
        assert_eq!(section.required::<String>("version", "a version").unwrap(), "1.3");
        assert_eq!(
            section.section("deep").required::<String>("name", "a name").unwrap(),
            "x"
        );
    }

    #[test]
    fn what_is_wrong_is_named_where_it_stands_and_not_shown() {
        let variables = given(&[("T_ON", "hunter2")]);
        let settings = Settings::with_file(&variables, "s.yaml", FILE).unwrap();
        let section = settings.section("tls", "T");
        let wrong = section.or("on", "true or false", false).unwrap_err().to_string();
        assert_eq!(
            wrong,
            "the environment variable T_ON holds a wrong value; it must hold true or false"
        );
        let wrong = section.or("version", "a whole number", 1).unwrap_err().to_string();
        assert_eq!(
            wrong,
            "tls.version in s.yaml holds a wrong value; it must hold a whole number"
        );
        let wrong = section.or("suites", "one name", 1).unwrap_err().to_string();
        assert!(wrong.starts_with("tls.suites in s.yaml"), "{wrong}");
        let missing = section.required::<String>("more", "a name").unwrap_err().to_string();
        assert_eq!(
            missing,
            "tls.more in s.yaml (or T_MORE) is not set; it must hold a name"
        );
        let wrong = section.list("deep", "names").unwrap_err().to_string();
        assert!(wrong.starts_with("tls.deep in s.yaml"), "{wrong}");
    }

    #[test]
    fn a_setting_that_nobody_reads_is_refused() {
        let variables = given(&[]);
        let settings = Settings::with_file(&variables, "s.yaml", FILE).unwrap();
        let known = ["version", "suites", "on"];
        let unknown = settings.section("tls", "T").refuse_others(&known).unwrap_err();
        let text = unknown.to_string();
        assert_eq!(text, "tls.deep in s.yaml is no setting; there are version, suites, on");
        let no_map = settings.section("tls.on", "T").refuse_others(&known).unwrap_err();
        assert!(no_map.to_string().starts_with("tls.on in s.yaml holds a wrong value"));
        assert_eq!(settings.section("none", "T").refuse_others(&known), Ok(()));
        let without = Settings::read(&variables).unwrap();
        assert_eq!(without.section("tls", "T").refuse_others(&known), Ok(()));
        assert_eq!(
            without.section("tls", "T").places("on"),
            "the environment variable T_ON"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_or_is_no_map_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let name = file.path().to_str().unwrap().to_owned();
        for bad in ["- a", "a: [", "a: 1\n---\nb: 2", "a: !Tag x", "1: 2", "text"] {
            std::fs::write(file.path(), bad).unwrap();
            let variables = given(&[("TOLLGATE_SETTINGS", &name)]);
            let error = Settings::read(&variables).err().unwrap().to_string();
            assert!(error.contains(&name), "{bad:?}: {error}");
        }
        let variables = given(&[("TOLLGATE_SETTINGS", "/nowhere.yaml")]);
        assert!(matches!(Settings::read(&variables), Err(ConfigError::File { .. })));
        assert!(Settings::with_file(&variables, "empty", "").is_ok());
        assert!(Settings::with_file(&variables, "empty", "# nothing\n").is_ok());
    }
}
