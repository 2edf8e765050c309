//! What a directory says of a person.

use scim_v2::filter::{AttrExp, CompValue, CompareOp, PatchPath, ValFilter};
use serde_json::{Map, Value};

use super::filter::value_matches;
use super::patch::{Op, steps};
use super::{USER, boolean, invalid, member, require_schema, text, wrong};
use crate::error::Error;

/// What is kept, and has one value.
const SINGLE: [&str; 4] = ["userName", "externalId", "active", "displayName"];
/// The parts of `name` (RFC 7643, section 4.1.1).
const NAME_PARTS: [&str; 6] = [
    "formatted",
    "familyName",
    "givenName",
    "middleName",
    "honorificPrefix",
    "honorificSuffix",
];
/// Said by us alone; what a directory says of it is left (RFC 7643, section 2.2).
const READ_ONLY: [&str; 4] = ["id", "meta", "schemas", "groups"];
/// Of RFC 7643's User too, and not kept. `roles` and `entitlements` among them never give anything here.
const LEFT: [&str; 15] = [
    "nickName",
    "profileUrl",
    "title",
    "userType",
    "preferredLanguage",
    "locale",
    "timezone",
    "password",
    "phoneNumbers",
    "ims",
    "photos",
    "addresses",
    "entitlements",
    "roles",
    "x509Certificates",
];
const LONGEST: usize = 256;
const MOST_EMAILS: usize = 20;

/// What is kept of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFields {
    /// The directory's name for them.
    pub user_name: String,
    /// The directory's id of them.
    pub external_id: Option<String>,
    /// Whether they may come in; none where nothing is said.
    pub active: Option<bool>,
    /// `displayName`, `name` and `emails`, as they are shown.
    pub attributes: Map<String, Value>,
}

enum Known {
    Kept(&'static str),
    Left,
}

fn known(name: &str) -> Option<Known> {
    let is = |known: &&&str| known.eq_ignore_ascii_case(name);
    if let Some(kept) = SINGLE.iter().chain(&["name", "emails"]).find(is) {
        return Some(Known::Kept(kept));
    }
    READ_ONLY.iter().chain(&LEFT).find(is).map(|_| Known::Left)
}

/// An extension's members stand under its URN, and are left.
fn is_extension(name: &str) -> bool {
    name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"))
}

impl UserFields {
    /// Reads the body of a POST or a PUT.
    ///
    /// # Errors
    /// A 400 with the name of what is wrong.
    pub fn read(body: &Map<String, Value>) -> Result<Self, Error> {
        require_schema(body, USER)?;
        let mut document = Map::new();
        for (name, value) in body.iter().filter(|(name, _)| !is_extension(name)) {
            match known(name) {
                Some(Known::Kept(kept)) if document.insert(kept.to_owned(), value.clone()).is_some() => {
                    return Err(invalid(wrong::SYNTAX, format!("`{kept}` is named twice.")));
                }
                Some(_) => {}
                None => return Err(invalid(wrong::SYNTAX, "A member is none of RFC 7643's User.")),
            }
        }
        Self::of(&document)
    }

    /// The same after a PATCH.
    ///
    /// # Errors
    /// A 400 with the name of what is wrong; nothing is half done.
    pub fn patched(&self, body: &Map<String, Value>) -> Result<Self, Error> {
        let mut document = self.document();
        for step in steps(body)? {
            let (attribute, filter, sub) = match &step.path {
                PatchPath::Attr(path) => (path, None, path.sub_attr.as_deref()),
                PatchPath::Value(path) => (&path.attr, Some(&path.filter), path.sub_attr.as_deref()),
            };
            if attribute
                .uri
                .as_deref()
                .is_some_and(|uri| !uri.eq_ignore_ascii_case(USER))
            {
                continue;
            }
            let name = match known(&attribute.name) {
                Some(Known::Kept(name)) => name,
                Some(Known::Left) => continue,
                None => return Err(invalid(wrong::PATH, "A path is none of RFC 7643's User.")),
            };
            match (name, filter, sub) {
                ("emails", Some(filter), sub) => some_emails(&mut document, step.op, filter, sub, step.value.as_ref())?,
                ("emails", None, None) => emails(&mut document, step.op, step.value),
                ("name", None, sub) => name_parts(&mut document, step.op, sub, step.value)?,
                (single, None, None) => set(&mut document, step.op, single, step.value),
                _ => return Err(invalid(wrong::PATH, "A path has a part that its attribute has not.")),
            }
        }
        Self::of(&document)
    }

    /// As it is shown and patched.
    pub fn document(&self) -> Map<String, Value> {
        let mut document = self.attributes.clone();
        document.insert("userName".into(), self.user_name.clone().into());
        if let Some(id) = &self.external_id {
            document.insert("externalId".into(), id.clone().into());
        }
        if let Some(active) = self.active {
            document.insert("active".into(), active.into());
        }
        document
    }

    fn of(document: &Map<String, Value>) -> Result<Self, Error> {
        let user_name = text("userName", document.get("userName"), LONGEST)?;
        let user_name = user_name.filter(|name| !name.trim().is_empty());
        let mut attributes = Map::new();
        if let Some(name) = text("displayName", document.get("displayName"), LONGEST)? {
            attributes.insert("displayName".into(), name.into());
        }
        if let Some(name) = read_name(document.get("name"))? {
            attributes.insert("name".into(), name);
        }
        if let Some(emails) = read_emails(document.get("emails"))? {
            attributes.insert("emails".into(), emails);
        }
        Ok(Self {
            user_name: user_name.ok_or_else(|| invalid(wrong::VALUE, "`userName` is missing."))?,
            external_id: text("externalId", document.get("externalId"), 255)?,
            active: boolean("active", document.get("active"))?,
            attributes,
        })
    }

    /// What people call them.
    pub fn shown_name(&self) -> Option<String> {
        let name = self.attributes.get("name");
        let part = |part: &str| name?.get(part)?.as_str().map(str::to_owned);
        let display = self.attributes.get("displayName").and_then(Value::as_str);
        let both = || Some(format!("{} {}", part("givenName")?, part("familyName")?));
        display.map(str::to_owned).or_else(|| part("formatted")).or_else(both)
    }

    /// Where letters reach them: the primary address, or the first.
    pub fn email(&self) -> Option<String> {
        let all = self.attributes.get("emails")?.as_array()?;
        let primary = all.iter().find(|email| email["primary"] == true);
        primary.or(all.first())?["value"].as_str().map(str::to_owned)
    }
}

fn read_name(value: Option<&Value>) -> Result<Option<Value>, Error> {
    let parts = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(parts)) => parts,
        Some(_) => return Err(invalid(wrong::VALUE, "`name` must be an object.")),
    };
    let mut name = Map::new();
    for part in parts.keys() {
        let canonical = name_part(part)?;
        if let Some(text) = text("name", parts.get(part), LONGEST)? {
            name.insert(canonical.to_owned(), text.into());
        }
    }
    Ok((!name.is_empty()).then_some(Value::Object(name)))
}

fn name_part(part: &str) -> Result<&'static str, Error> {
    let found = NAME_PARTS.iter().find(|known| known.eq_ignore_ascii_case(part));
    found
        .copied()
        .ok_or_else(|| invalid(wrong::PATH, "`name` has a part that RFC 7643 does not know."))
}

fn read_emails(value: Option<&Value>) -> Result<Option<Value>, Error> {
    let all = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(all)) if all.len() <= MOST_EMAILS => all,
        Some(_) => {
            return Err(invalid(
                wrong::VALUE,
                format!("`emails` must be a list of at most {MOST_EMAILS}."),
            ));
        }
    };
    let read = all.iter().map(read_email).collect::<Result<Vec<_>, _>>()?;
    Ok((!read.is_empty()).then_some(Value::Array(read)))
}

fn read_email(value: &Value) -> Result<Value, Error> {
    let refused = || invalid(wrong::VALUE, "An email must be an object with a `value`.");
    let parts = value.as_object().ok_or_else(refused)?;
    let known = ["value", "type", "primary", "display"];
    if parts
        .keys()
        .any(|part| !known.iter().any(|known| known.eq_ignore_ascii_case(part)))
    {
        return Err(invalid(
            wrong::VALUE,
            "An email has a part that RFC 7643 does not know.",
        ));
    }
    let mut email = Map::new();
    for part in ["value", "type", "display"] {
        if let Some(text) = text("emails", member(parts, part), LONGEST)? {
            email.insert(part.to_owned(), text.into());
        }
    }
    if let Some(primary) = boolean("primary", member(parts, "primary"))? {
        email.insert("primary".into(), primary.into());
    }
    match email.contains_key("value") {
        true => Ok(Value::Object(email)),
        false => Err(refused()),
    }
}

fn set(document: &mut Map<String, Value>, op: Op, name: &str, value: Option<Value>) {
    match (op, value) {
        (Op::Add | Op::Replace, Some(value)) => document.insert(name.to_owned(), value),
        _ => document.remove(name),
    };
}

/// A whole name is laid over the one that is there; a part alone is that part.
fn name_parts(document: &mut Map<String, Value>, op: Op, sub: Option<&str>, value: Option<Value>) -> Result<(), Error> {
    let name = document.entry("name").or_insert_with(|| Map::new().into());
    let Some(parts) = name.as_object_mut() else {
        return Err(invalid(wrong::VALUE, "`name` must be an object."));
    };
    match (sub, value) {
        (Some(sub), value) => set(parts, op, name_part(sub)?, value),
        (None, Some(Value::Object(more))) if op != Op::Remove => {
            for (part, value) in more {
                set(parts, op, name_part(&part)?, Some(value));
            }
        }
        (None, _) if op == Op::Remove => parts.clear(),
        (None, _) => return Err(invalid(wrong::VALUE, "`name` must be an object.")),
    }
    Ok(())
}

fn emails(document: &mut Map<String, Value>, op: Op, value: Option<Value>) {
    let listed = match value {
        Some(Value::Object(one)) => Some(Value::Array(vec![one.into()])),
        other => other,
    };
    match (op, document.get_mut("emails"), listed) {
        (Op::Add, Some(Value::Array(all)), Some(Value::Array(more))) => {
            let new = more.into_iter().filter(|one| !all.contains(one)).collect::<Vec<_>>();
            all.extend(new);
        }
        (op, _, listed) => set(document, op, "emails", listed),
    }
}

/// `emails[type eq "work"].value` and its like.
fn some_emails(
    document: &mut Map<String, Value>,
    op: Op,
    filter: &ValFilter,
    sub: Option<&str>,
    value: Option<&Value>,
) -> Result<(), Error> {
    let all = document.entry("emails").or_insert_with(|| Value::Array(Vec::new()));
    let Some(all) = all.as_array_mut() else {
        return Err(invalid(wrong::VALUE, "`emails` must be a list."));
    };
    let is = |email: &Value| email.as_object().is_some_and(|parts| value_matches(filter, parts));
    if op == Op::Remove && sub.is_none() {
        all.retain(|email| !is(email));
        return Ok(());
    }
    if !all.iter().any(is) {
        // Entra adds to what is not there yet; to replace it is refused (RFC 7644, section 3.5.2.3).
        match (op, described(filter)) {
            (Op::Add, Some(new)) => all.push(new.into()),
            (Op::Remove, _) => return Ok(()),
            _ => return Err(invalid(wrong::NO_TARGET, "The path's filter finds nothing.")),
        }
    }
    for email in all.iter_mut().filter(|email| is(email)) {
        match (sub, email.as_object_mut(), value) {
            (Some(sub), Some(parts), value) => {
                let known = ["value", "type", "primary", "display"];
                let part = known.iter().find(|known| known.eq_ignore_ascii_case(sub));
                let part = part.ok_or_else(|| invalid(wrong::PATH, "An email has no such part."))?;
                set(parts, op, part, value.cloned());
            }
            (None, Some(parts), Some(Value::Object(more))) => {
                parts.extend(more.iter().map(|(part, value)| (part.clone(), value.clone())));
            }
            _ => return Err(invalid(wrong::VALUE, "An email must be an object.")),
        }
    }
    Ok(())
}

/// The value that a filter of one equality describes.
fn described(filter: &ValFilter) -> Option<Map<String, Value>> {
    match filter {
        ValFilter::Attr(AttrExp::Comparison(path, CompareOp::Eq, value)) if path.sub_attr.is_none() => {
            let value = match value {
                CompValue::Str(text) => text.clone().into(),
                CompValue::True => true.into(),
                _ => return None,
            };
            Some(Map::from_iter([(path.name.clone(), value)]))
        }
        _ => None,
    }
}
