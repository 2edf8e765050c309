//! API keys with something changed. All fall by their checksum or their form: the table is not asked.

use tests::fixtures::{API_KEY, CLIENT_SECRET};

use super::{Forged, forged};

pub(super) fn corpus() -> Vec<Forged> {
    let changed = |position: usize| {
        let mut bytes = API_KEY.as_bytes().to_vec();
        bytes[position] = if bytes[position] == b'a' { b'b' } else { b'a' };
        forged(
            format!("character {position} changed"),
            String::from_utf8(bytes).unwrap(),
        )
    };
    let mut all: Vec<Forged> = (0..API_KEY.len()).map(changed).collect();
    let swapped = |position: usize| {
        let mut bytes = API_KEY.as_bytes().to_vec();
        bytes.swap(position, position + 1);
        forged(
            format!("characters {position} and the next swapped"),
            String::from_utf8(bytes).unwrap(),
        )
    };
    let differ = |position: &usize| API_KEY.as_bytes()[*position] != API_KEY.as_bytes()[position + 1];
    all.extend((4..API_KEY.len() - 1).filter(differ).map(swapped));
    for (name, text) in [
        ("its prefix", "tgk_".to_owned()),
        ("no prefix", API_KEY[4..].to_owned()),
        ("its digest", gateway::secret::hex(API_KEY.as_bytes())),
        ("without its last character", API_KEY[..API_KEY.len() - 1].to_owned()),
        ("with a character more", format!("{API_KEY}0")),
        ("twice", format!("{API_KEY}{API_KEY}")),
        ("in upper case", API_KEY.to_uppercase()),
        ("in lower case", API_KEY.to_lowercase()),
        ("with the prefix of a client's secret", API_KEY.replace("tgk_", "tgs_")),
        ("a client's secret", CLIENT_SECRET.to_owned()),
        (
            "a client's secret with the prefix of a key",
            CLIENT_SECRET.replace("tgs_", "tgk_"),
        ),
        ("percent-encoded", API_KEY.replace('_', "%5F")),
        ("with a wildcard", format!("{}*", &API_KEY[..20])),
        ("with a NUL", format!("{API_KEY}\0")),
        ("in full-width letters", API_KEY.replace('F', "\u{ff26}")),
    ] {
        all.push(forged(format!("a key {name}"), text));
    }
    all
}
