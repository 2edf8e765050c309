//! What may be said of a file besides its bytes, in a form and in an upload session alike.

use std::ops::RangeInclusive;

use gateway::compression::Compression;
use gateway::error::{Error, Kind};
use gateway::wire::json::Object;
use jiff::SignedDuration;
use serde_json::Value;

const LONGEST_TEXT_BYTES: usize = 4096;
const DEEPEST_METADATA: usize = 5;
const LONGEST_CONTENT_TYPE_BYTES: usize = 255;
const DEFAULT_TTL_DAYS: u16 = 30;
const LONGEST_TTL_DAYS: u16 = 365;
const EXPIRES_IN_SECONDS: RangeInclusive<i64> = 3600..=7_776_000;
const UNKNOWN_CONTENT_TYPE: &str = "application/octet-stream";

/// A description: text of at most 4096 bytes without NUL.
pub(crate) fn description(text: String) -> Result<String, Error> {
    bounded(text, "`description`")
}

/// Metadata: the text of a JSON object of at most 4096 bytes and 5 levels.
pub(crate) fn metadata(text: String) -> Result<String, Error> {
    let text = bounded(text, "`metadata`")?;
    let wrong = || Error::invalid("`metadata` must be a JSON object of at most 5 levels.");
    Object::parse(text.as_bytes()).map_err(|_| wrong())?;
    let value: Value = serde_json::from_str(&text).map_err(|_| wrong())?;
    if depth(&value) > DEEPEST_METADATA {
        return Err(wrong());
    }
    Ok(text.trim().to_owned())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn bounded(text: String, what: &str) -> Result<String, Error> {
    if text.len() > LONGEST_TEXT_BYTES {
        Err(Error::new(
            Kind::TooLarge,
            format!("{what} is longer than {LONGEST_TEXT_BYTES} bytes."),
        ))
    } else if text.contains('\0') {
        Err(Error::invalid(format!("{what} holds a NUL.")))
    } else {
        Ok(text)
    }
}

/// The media type that an owner gives a file: a type and a subtype, and what else is printable. It is shown, and decides nothing.
pub(crate) fn content_type(given: Option<&str>) -> Result<String, Error> {
    let Some(given) = given else {
        return Ok(UNKNOWN_CONTENT_TYPE.to_owned());
    };
    let token = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    let essence = given.split(';').next().unwrap_or_default().trim();
    let has_form = essence
        .split_once('/')
        .is_some_and(|(kind, subtype)| token(kind) && token(subtype));
    let is_printable = given.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if has_form && is_printable && given.len() <= LONGEST_CONTENT_TYPE_BYTES {
        Ok(given.to_owned())
    } else {
        Err(Error::invalid(
            "The file's content type must be a media type of at most 255 characters.",
        ))
    }
}

/// How the bytes are to be stored.
pub(crate) fn compression(compress: Option<&str>, algorithm: Option<&str>) -> Result<Option<Compression>, Error> {
    let wanted = match compress {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Error::invalid("`compress` must be `true` or `false`.")),
    };
    match (wanted, algorithm) {
        (false, None) => Ok(None),
        (false, Some(_)) => Err(Error::invalid(
            "`compression_algorithm` counts with `compress` = `true` alone.",
        )),
        (true, None) => Ok(Some(Compression::Gzip)),
        (true, Some(name)) => Compression::named(name)
            .map(Some)
            .ok_or_else(|| Error::invalid("`compression_algorithm` must be one of: gzip, brotli, zstd.")),
    }
}

/// For how many days a file is kept, if it is temporary. The policy has two names, as its callers know it.
pub(crate) fn ttl_days(policy: Option<&str>, mode: Option<&str>, days: Option<&str>) -> Result<Option<u16>, Error> {
    if policy.is_some() && mode.is_some() && policy != mode {
        return Err(Error::invalid(
            "`retention_policy` and `storage_mode` say different things.",
        ));
    }
    let days = days.map(|days| {
        let number = days.parse::<u16>().ok();
        number
            .filter(|number| (1..=LONGEST_TTL_DAYS).contains(number) && days.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| Error::invalid("`ttl_days` must be a whole number from 1 to 365."))
    });
    match (policy.or(mode), days.transpose()?) {
        (Some("temporary"), days) => Ok(Some(days.unwrap_or(DEFAULT_TTL_DAYS))),
        (None | Some("permanent"), None) => Ok(None),
        (None | Some("permanent"), Some(_)) => Err(Error::invalid("`ttl_days` counts for temporary files alone.")),
        (Some(_), _) => Err(Error::invalid(
            "`retention_policy` (or `storage_mode`) must be one of: temporary, permanent.",
        )),
    }
}

/// How long a file of Anthropic's Files API lives: an hour to ninety days.
pub(crate) fn expires_in_seconds(text: &str) -> Result<SignedDuration, Error> {
    let seconds = text
        .parse()
        .ok()
        .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds = seconds.filter(|seconds| EXPIRES_IN_SECONDS.contains(seconds));
    seconds
        .map(SignedDuration::from_secs)
        .ok_or_else(|| Error::invalid("expires_in_seconds: Input should be a whole number from 3600 to 7776000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_anthropics_form_lives_an_hour_to_ninety_days() {
        for (text, seconds) in [("3600", 3600), ("7776000", 7_776_000)] {
            assert_eq!(expires_in_seconds(text).unwrap(), SignedDuration::from_secs(seconds));
        }
        for bad in [
            "",
            "3599",
            "7776001",
            "-3600",
            "+3600",
            "3600.0",
            "1e4",
            " 3600",
            "99999999999999999999",
        ] {
            assert!(expires_in_seconds(bad).is_err(), "{bad:?}");
        }
    }

    /// B-11
    #[test]
    fn metadata_is_an_object_of_bounded_size_and_depth() {
        for good in ["{}", r#" {"a":{"b":[{"c":[1]}]}} "#, r#"{"n":1e300,"t":"\u0000"}"#] {
            assert_eq!(metadata(good.to_owned()).unwrap(), good.trim());
        }
        let deep = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
        for bad in [
            "",
            "null",
            "[]",
            "\"a\"",
            "{",
            "{}{}",
            r#"{"a":1,"a":2}"#,
            r#"{"a":1e400}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":{"b":[{"c":[[1]]}]}}"#,
            "{}\0",
        ] {
            assert_eq!(
                metadata(bad.to_owned()).unwrap_err().kind,
                Kind::InvalidRequest,
                "{bad}"
            );
        }
        assert_eq!(metadata(deep).unwrap_err().kind, Kind::TooLarge);
    }

    /// B-11
    #[test]
    fn a_policy_is_temporary_with_1_to_365_days_or_permanent() {
        let of = |policy, days| ttl_days(policy, None, days).map_err(|error| error.kind);
        assert_eq!(of(None, None), Ok(None));
        assert_eq!(of(Some("permanent"), None), Ok(None));
        assert_eq!(of(Some("temporary"), None), Ok(Some(30)));
        assert_eq!(ttl_days(None, Some("temporary"), Some("1")).unwrap(), Some(1));
        assert_eq!(
            ttl_days(Some("temporary"), Some("temporary"), Some("365")).unwrap(),
            Some(365)
        );
        for days in ["0", "366", "-1", "+5", "1.5", "1e2", "", " 7", "65536", "seven"] {
            assert_eq!(of(Some("temporary"), Some(days)), Err(Kind::InvalidRequest), "{days:?}");
        }
        for policy in ["", "Temporary", "forever"] {
            assert_eq!(of(Some(policy), None), Err(Kind::InvalidRequest), "{policy:?}");
        }
        assert!(of(None, Some("5")).is_err() && of(Some("permanent"), Some("5")).is_err());
        assert!(ttl_days(Some("temporary"), Some("permanent"), None).is_err());
    }

    #[test]
    fn a_compression_is_asked_for_in_one_way() {
        assert_eq!(compression(None, None).unwrap(), None);
        assert_eq!(compression(Some("false"), None).unwrap(), None);
        assert_eq!(compression(Some("true"), None).unwrap(), Some(Compression::Gzip));
        assert_eq!(
            compression(Some("true"), Some("zstd")).unwrap(),
            Some(Compression::Zstd)
        );
        for (compress, algorithm) in [
            (Some("yes"), None),
            (Some(""), None),
            (None, Some("gzip")),
            (Some("false"), Some("gzip")),
            (Some("true"), Some("lzma")),
            (Some("true"), Some("GZIP")),
        ] {
            assert!(compression(compress, algorithm).is_err(), "{compress:?} {algorithm:?}");
        }
    }

    #[test]
    fn a_content_type_is_a_media_type() {
        assert_eq!(content_type(None).unwrap(), "application/octet-stream");
        assert_eq!(
            content_type(Some("text/plain; charset=utf-8")).unwrap(),
            "text/plain; charset=utf-8"
        );
        for bad in [
            "",
            "text",
            "text/",
            "/plain",
            "a/b/c",
            "text/pl ain",
            "text/plain\r\n",
            "é/x",
            &format!("a/{}", "b".repeat(254)),
        ] {
            assert!(content_type(Some(bad)).is_err(), "{bad:?}");
        }
    }
}
