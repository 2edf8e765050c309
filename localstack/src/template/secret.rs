//! `GenerateSecretString`.

use serde_json::{Value, json};

use super::Error;
use super::node::Node;

const LOWERCASE: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPERCASE: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NUMBERS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
/// Secrets Manager's length for a rule that names none.
const DEFAULT_LENGTH: u64 = 32;
const MAX_LENGTH: u64 = 4096;

/// A value by the rule: a password, or the rule's JSON template with the password as one more member.
pub(super) fn generate(rule: &Node) -> Result<String, Error> {
    let password = password(rule)?;
    match (rule.get("SecretStringTemplate"), rule.get("GenerateStringKey")) {
        (None, None) => Ok(password),
        (Some(template), Some(key)) => {
            let mut object: Value =
                serde_json::from_str(&template.text()?).map_err(|error| template.error(error.to_string()))?;
            let members = object
                .as_object_mut()
                .ok_or_else(|| template.error("must be a JSON object"))?;
            members.insert(key.text()?, json!(password));
            Ok(object.to_string())
        }
        _ => Err(rule.error("SecretStringTemplate and GenerateStringKey need each other")),
    }
}

fn password(rule: &Node) -> Result<String, Error> {
    let length = match rule.get("PasswordLength") {
        Some(length) => match length.integer()? {
            characters @ 1..=MAX_LENGTH => characters,
            _ => return Err(length.error("must be from 1 to 4096")),
        },
        None => DEFAULT_LENGTH,
    };
    let alphabet = alphabet(rule)?;
    Ok((0..length).map(|_| alphabet[random_below(alphabet.len())]).collect())
}

fn alphabet(rule: &Node) -> Result<Vec<char>, Error> {
    let flag = |name: &str| rule.get(name).map_or(Ok(false), |node| node.boolean());
    let excluded = rule
        .get("ExcludeCharacters")
        .map_or(Ok(String::new()), |node| node.text())?;
    let mut alphabet = String::new();
    for (exclusion, characters) in [
        ("ExcludeLowercase", LOWERCASE),
        ("ExcludeUppercase", UPPERCASE),
        ("ExcludeNumbers", NUMBERS),
        ("ExcludePunctuation", PUNCTUATION),
    ] {
        if !flag(exclusion)? {
            alphabet.push_str(characters);
        }
    }
    if flag("IncludeSpace")? {
        alphabet.push(' ');
    }
    let alphabet: Vec<char> = alphabet
        .chars()
        .filter(|character| !excluded.contains(*character))
        .collect();
    if alphabet.is_empty() {
        Err(rule.error("leaves no character to choose from"))
    } else {
        Ok(alphabet)
    }
}

/// A random index. Version 4 ids are the randomness at hand: 122 bits of the system's generator each. The low 64 bits hold
/// two fixed ones, so the high half is used, whose four version bits lie low enough to be shifted out.
fn random_below(bound: usize) -> usize {
    let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
    let bound = u64::try_from(bound).unwrap_or(u64::MAX);
    // 48 random bits: the bias of the remainder is below 2^-40 for an alphabet of at most 95.
    usize::try_from((high >> 16) % bound).unwrap_or_default()
}
