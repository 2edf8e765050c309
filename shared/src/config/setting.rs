//! What a setting is: where it stands, what it may hold, who reads it. All of them are declared in [`super::tree`].

use std::str::FromStr;

use super::{ConfigError, Variables};

/// A function of the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Gives tokens, and signs people in.
    Token,
    /// Says who calls.
    Authorizer,
    /// Calls models for one answer.
    Invoke,
    /// Calls models for streams.
    Stream,
    /// Takes files.
    Upload,
    /// Administration.
    Admin,
    /// Sees to what is left behind.
    Sweep,
}

impl Function {
    /// All of them, in the order of the template.
    pub const ALL: [Self; 7] = [
        Self::Token,
        Self::Authorizer,
        Self::Invoke,
        Self::Stream,
        Self::Upload,
        Self::Admin,
        Self::Sweep,
    ];

    /// Its name, which is its program's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Authorizer => "authorizer",
            Self::Invoke => "invoke",
            Self::Stream => "stream",
            Self::Upload => "upload",
            Self::Admin => "admin",
            Self::Sweep => "sweep",
        }
    }
}

impl FromStr for Function {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or(())
    }
}

/// What a setting may hold.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text, described in words; what it is read into says whether it is right.
    Text(&'static str),
    /// A whole number from the first to the second, of this.
    Whole(u64, u64, &'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A list of texts: in a file as such, elsewhere with commas between them.
    List(&'static str),
    /// JSON, or in a file the same as YAML.
    Json(&'static str),
}

/// Whether a setting must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It may lack.
    Optional,
    /// It must be there.
    Required,
    /// It lacks nothing, since this counts then.
    Default(&'static str),
    /// It must be there if the setting at this path is.
    With(&'static str),
    /// It must be there if the setting at this path is not.
    Unless(&'static str),
    /// It must be there if the setting at this path holds this.
    When(&'static str, &'static str),
}

/// A setting as it is declared.
#[derive(Clone, Copy)]
pub struct Declared {
    /// Its path in a file. None stands in a file that has none: credentials, and where the file itself is.
    pub path: &'static str,
    /// Its variable, where that is not the one that follows from the path.
    pub named: Option<&'static str>,
    /// What it may hold.
    pub kind: Kind,
    /// Whether it must be there.
    pub need: Need,
    /// Who reads it.
    pub read_by: &'static [Function],
    /// What it is for.
    pub about: &'static str,
    /// Whether what it is read into takes this text.
    pub fits: fn(&str) -> bool,
}

impl Declared {
    /// Its variable.
    pub fn variable(&self) -> String {
        match self.named {
            Some(name) => name.to_owned(),
            None => format!("TOLLGATE_{}", self.path.replace('.', "_").to_ascii_uppercase()),
        }
    }

    /// What it must hold, in words.
    pub fn expected(&self) -> String {
        match self.kind {
            Kind::Text(words) | Kind::List(words) | Kind::Json(words) => words.to_owned(),
            Kind::Whole(least, most, unit) => format!("{unit}, from {least} to {most}"),
            Kind::OneOf([one]) => (*one).to_owned(),
            Kind::OneOf(words) => match words.split_last() {
                Some((last, others)) => format!("{} or {last}", others.join(", ")),
                None => String::new(),
            },
            Kind::Flag => "true or false".to_owned(),
        }
    }

    /// Whether it may hold this.
    pub fn takes(&self, text: &str) -> bool {
        let of_kind = match self.kind {
            Kind::Text(_) | Kind::List(_) | Kind::Json(_) => true,
            Kind::Whole(least, most, _) => text.parse().is_ok_and(|number| (least..=most).contains(&number)),
            Kind::OneOf(words) => words.contains(&text),
            Kind::Flag => matches!(text, "true" | "false"),
        };
        of_kind && (self.fits)(text)
    }

    /// What it holds, if it is set, or has a default.
    pub(super) fn text(&self, variables: &Variables) -> Option<String> {
        let default = match self.need {
            Need::Default(text) => Some(text.to_owned()),
            _ => None,
        };
        variables.text(&self.variable()).or(default)
    }

    /// That it holds what it may not, without what it holds.
    pub fn wrong(&self, variables: &Variables) -> ConfigError {
        ConfigError::Setting {
            place: variables.place(&self.variable()),
            fault: "holds a wrong value",
            expected: self.expected(),
        }
    }

    /// That it is not there.
    pub(super) fn missing(&self, variables: &Variables) -> ConfigError {
        let variable = self.variable();
        let place = match variables.file_name() {
            Some(file) if !self.path.is_empty() => format!("{} in {file} (or {variable})", self.path),
            _ => format!("the environment variable {variable}"),
        };
        ConfigError::Setting {
            place,
            fault: "is not set",
            expected: self.expected(),
        }
    }
}

/// A setting, and what it is read into.
pub struct Setting<T> {
    /// As it is declared.
    pub declared: Declared,
    pub(super) read: fn(&str) -> Option<T>,
}

impl<T> Setting<T> {
    /// What it holds. `None`: it is not set, and has no default.
    ///
    /// # Errors
    /// [`ConfigError::Setting`], naming where it stands and what it must hold.
    pub fn find(&self, variables: &Variables) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.declared.text(variables) else {
            return Ok(None);
        };
        let fitting = self.declared.takes(&text).then(|| (self.read)(&text)).flatten();
        fitting.map(Some).ok_or_else(|| self.declared.wrong(variables))
    }

    /// What it holds, which must be there.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn get(&self, variables: &Variables) -> Result<T, ConfigError> {
        self.find(variables)?.ok_or_else(|| self.declared.missing(variables))
    }
}
