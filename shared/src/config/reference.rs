//! `docs/configuration.md`, made of the declarations.

use std::fmt::Write as _;

use super::setting::{Declared, Function, Need};
use super::tree;

const HEAD: &str = include_str!("reference.md");

/// The page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut section = "";
    for it in tree::ALL {
        let own = section_of(it);
        if own != section || page.ends_with(HEAD) {
            section = own;
            let title = match own {
                "" => "At the top",
                "environment" => "In the environment alone",
                other => other,
            };
            let _ = write!(page, "\n### {title}\n\n{TABLE_HEAD}");
        }
        let _ = writeln!(page, "{}", row(it));
    }
    page
}

const TABLE_HEAD: &str =
    "| setting | variable | what it is | must hold | default | read by |\n|---|---|---|---|---|---|\n";

fn section_of(it: &Declared) -> &'static str {
    match (it.path, it.path.rsplit_once('.')) {
        ("", _) => "environment",
        (_, Some((section, _))) => section,
        (_, None) => "",
    }
}

fn row(it: &Declared) -> String {
    let path = match it.path {
        "" => "—".to_owned(),
        path => format!("`{path}`"),
    };
    let default = match it.need {
        Need::Optional => "—".to_owned(),
        Need::Required => "none: it must be there".to_owned(),
        Need::Default(text) => format!("`{text}`"),
        Need::With(other) => format!("none: it must be there with `{other}`"),
        Need::Unless(other) => format!("none: it must be there without `{other}`"),
        Need::When(other, value) => format!("none: it must be there where `{other}` is `{value}`"),
    };
    let readers = if it.read_by.len() == Function::ALL.len() {
        "all".to_owned()
    } else {
        let names: Vec<_> = it.read_by.iter().map(|by| by.name()).collect();
        names.join(", ")
    };
    let cell = |text: &str| text.trim().replace('|', "\\|");
    let (variable, about, expected) = (it.variable(), cell(it.about), cell(&it.expected()));
    format!("| {path} | `{variable}` | {about} | {expected} | {default} | {readers} |")
}
