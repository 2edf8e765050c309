//! Bodies that must be refused: what they are made of, and what no JSON route takes.

use gateway::wire::dialect::Dialect;
use serde_json::{Value, json};
use tests::local::{MODEL, Route};

use super::{bad_fields, bad_forms};

/// A request that must be refused.
pub(super) struct Bad {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) dialect: Dialect,
}

pub(super) const JSON: &str = "application/json";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// A route that takes a JSON object, with a body that it would take.
pub(super) struct Target {
    pub(super) path: String,
    pub(super) dialect: Dialect,
    pub(super) good: Value,
}

impl Target {
    pub(super) fn of(route: Route, mark: &str) -> Self {
        Self {
            path: route.path(MODEL),
            dialect: if route.is_bedrock() {
                Dialect::Bedrock
            } else {
                Dialect::Anthropic
            },
            good: route.body(MODEL, mark),
        }
    }

    pub(super) fn bad(&self, name: impl Into<String>, body: impl Into<Vec<u8>>) -> Bad {
        Bad {
            name: name.into(),
            path: self.path.clone(),
            content_type: JSON,
            body: body.into(),
            dialect: self.dialect,
        }
    }

    /// The good body with one member changed.
    pub(super) fn with(&self, name: &str, value: Value) -> Bad {
        let mut body = self.good.clone();
        let mut shown = value.to_string();
        body[name] = value;
        shown.truncate(shown.floor_char_boundary(60));
        self.bad(format!("{name}: {shown}"), body.to_string())
    }

    /// The good body with a member in the caller's own writing.
    pub(super) fn with_text(&self, name: &str, text: &str) -> Bad {
        let mut body = self.good.clone();
        body.as_object_mut().unwrap().remove(name);
        let rest = body.to_string();
        let comma = if rest == "{}" { "" } else { "," };
        self.bad(
            format!("{name}: {text}"),
            format!("{{\"{name}\":{text}{comma}{}", &rest[1..]),
        )
    }

    pub(super) fn without(&self, name: &str) -> Bad {
        let mut body = self.good.clone();
        body.as_object_mut().unwrap().remove(name);
        self.bad(format!("no {name}"), body.to_string())
    }
}

/// What is no JSON object, or not only one.
pub(super) fn not_an_object(target: &Target) -> Vec<Bad> {
    let good = target.good.to_string();
    let first = target.good.as_object().unwrap().keys().next().unwrap();
    let utf16 = |bytes: fn(u16) -> [u8; 2]| good.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let inside = |bytes: &[u8]| [&good.as_bytes()[..good.len() - 1], b",\"x\":\"", bytes, b"\"}"].concat();
    let texts = [
        ("a null", "null".to_owned()),
        ("a list", "[]".to_owned()),
        ("a list of one", format!("[{good}]")),
        ("a string", "\"a\"".to_owned()),
        ("a string of JSON", json!(good).to_string()),
        ("a number", "1".to_owned()),
        ("an empty object", "{}".to_owned()),
        ("an open brace", "{".to_owned()),
        ("half of it", good[..good.len() / 2].to_owned()),
        ("all but its end", good[..good.len() - 1].to_owned()),
        ("something behind it", format!("{good}x")),
        ("two of it", format!("{good}{good}")),
        ("two of it in lines", format!("{good}\n{good}")),
        ("a member twice", format!("{{\"{first}\":0,{}", &good[1..])),
        (
            "a member twice, escaped",
            format!("{{\"\\u00{:02x}{}\":0,{}", first.as_bytes()[0], &first[1..], &good[1..]),
        ),
        ("a comma too many", good.replacen('}', ",}", 1)),
        ("a comment", format!("/* */{good}")),
        ("single quotes", good.replace('"', "'")),
        ("a number past all doubles", format!("{{\"x\":1e400,{}", &good[1..])),
        ("a number with a leading zero", format!("{{\"x\":01,{}", &good[1..])),
        ("no number", format!("{{\"x\":NaN,{}", &good[1..])),
        ("a lone surrogate", format!("{{\"x\":\"\\ud800\",{}", &good[1..])),
        ("a byte order mark", format!("\u{feff}{good}")),
        (
            "10,000 lists",
            format!("{{\"x\":{}{},{}", "[".repeat(10_000), "]".repeat(10_000), &good[1..]),
        ),
        (
            "10,000 objects",
            format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)),
        ),
        ("10,000 open lists", "[".repeat(10_000)),
    ];
    let bytes = [
        ("nothing", Vec::new()),
        ("spaces", b" \n\t".to_vec()),
        ("UTF-16, little end first", utf16(u16::to_le_bytes)),
        ("UTF-16, big end first", utf16(u16::to_be_bytes)),
        ("invalid UTF-8", inside(b"\xff\xfe")),
        ("overlong UTF-8", inside(b"\xc0\xaf")),
        ("a surrogate in UTF-8", inside(b"\xed\xa0\x80")),
        ("a NUL", inside(b"\0")),
        ("a NUL behind it", [good.as_bytes(), b"\0"].concat()),
        ("a line break in a string", inside(b"\n")),
        ("random bytes", (0..=255).collect()),
    ];
    let texts = texts.into_iter().map(|(name, text)| target.bad(name, text));
    texts
        .chain(bytes.into_iter().map(|(name, bytes)| target.bad(name, bytes)))
        .collect()
}
pub(super) fn wrong_types(target: &Target) -> Vec<Bad> {
    let types = [
        "text/plain",
        "application/xml",
        "application/jsonx",
        "multipart/form-data; boundary=b",
        FORM,
        "application/json/x",
        "*/*",
    ];
    let of = |content_type| Bad {
        content_type,
        ..target.bad(format!("as {content_type}"), target.good.to_string())
    };
    types.into_iter().map(of).collect()
}

pub(super) fn keys(mark: &str) -> Target {
    Target {
        path: "/api/keys".to_owned(),
        dialect: Dialect::Problem,
        good: json!({ "name": mark }),
    }
}

pub(super) fn clients(mark: &str) -> Target {
    Target {
        path: "/api/admin/clients".to_owned(),
        ..keys(mark)
    }
}

pub(super) fn tokens(id: &str, secret: &str) -> Target {
    Target {
        path: "/api/v1/auth/token".to_owned(),
        dialect: Dialect::OAuth,
        good: json!({ "client_id": id, "client_secret": secret }),
    }
}

pub(super) fn everything(mark: &str) -> Vec<Bad> {
    let mut all = Vec::new();
    for route in Route::ALL {
        let target = Target::of(route, mark);
        all.extend(not_an_object(&target));
        all.extend(bad_fields::model_bodies(&target));
        if !route.is_bedrock() {
            all.extend(bad_fields::messages_bodies(&target));
            all.extend(wrong_types(&target));
        }
    }
    let (keys, clients, tokens) = (keys(mark), clients(mark), tokens("client_x", "tgs_x"));
    for target in [&keys, &clients, &tokens] {
        all.extend(not_an_object(target));
        all.extend(wrong_types(target));
    }
    all.extend(bad_fields::key_bodies(&keys));
    all.extend(bad_fields::name_bodies(&clients));
    all.extend(bad_fields::token_bodies(&tokens));
    all.extend(bad_forms::uploads());
    assert!(all.len() > 600, "{}", all.len());
    all
}
