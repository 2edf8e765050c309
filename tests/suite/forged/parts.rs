//! What can be done to a good token's text: cut, padded, encoded otherwise, put into another serialisation, or signed by tricks.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use super::smith::{Forge, Smith, b64, claims};
use super::{Forged, forged};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(super) fn corpus(smith: &Smith) -> Vec<Forged> {
    let mut all = Vec::new();
    for forge in &smith.forges {
        all.extend(cut_and_padded(&forge.good()));
        all.extend(encoded_otherwise(forge));
        all.extend(serialised(&forge.good()));
        all.extend(signatures(forge));
    }
    all
}

fn cut_and_padded(good: &str) -> Vec<Forged> {
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let mut all: Vec<Forged> = (0..good.len())
        .step_by(good.len() / 12)
        .chain([good.len() - 1, good.len() - 2])
        .map(|end| forged(format!("cut at {end}"), &good[..end]))
        .collect();
    for (name, text) in [
        ("no signature", format!("{header}.{payload}")),
        ("an empty signature", format!("{header}.{payload}.")),
        ("an empty payload", format!("{header}..{signature}")),
        ("an empty header", format!(".{payload}.{signature}")),
        ("four parts", format!("{good}.{signature}")),
        (
            "five parts, as a JWE",
            format!("{header}.{payload}.{signature}.AAAA.AAAA"),
        ),
        ("a dot behind it", format!("{good}.")),
        ("a dot before it", format!(".{good}")),
        ("a space behind it", format!("{good} ")),
        ("a space before it", format!(" {good}")),
        ("a line end behind it", format!("{good}\n")),
        ("a NUL behind it", format!("{good}\0")),
        ("a line end in it", format!("{header}.\n{payload}.{signature}")),
        ("padding behind it", format!("{good}=")),
        ("more padding", format!("{good}==")),
        ("a padded header", format!("{header}=.{payload}.{signature}")),
        ("a padded payload", format!("{header}.{payload}=.{signature}")),
        ("a character more", format!("{good}A")),
        ("twice", format!("{good},{good}")),
        ("parts in another order", format!("{payload}.{header}.{signature}")),
        ("percent-encoded dots", good.replace('.', "%2e")),
        ("full-width dots", good.replace('.', "\u{ff0e}")),
        ("9 KB of signature", format!("{good}{}", "A".repeat(9 * 1024))),
        ("upper case", good.to_uppercase()),
    ] {
        all.push(forged(name, text));
    }
    all
}

/// The same bytes in another base64 than the one of RFC 7515, section 2.
fn encoded_otherwise(forge: &Forge) -> Vec<Forged> {
    let good = forge.good();
    let parts: Vec<&str> = good.split('.').collect();
    let mut all = Vec::new();
    for index in 0..3 {
        let with = |text: &str| {
            let mut parts = parts.clone();
            parts[index] = text;
            parts.join(".")
        };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(parts[index]).unwrap();
        for (name, text) in [
            ("the standard alphabet", BASE64_STANDARD_NO_PAD.encode(&bytes)),
            ("the standard alphabet and padding", BASE64_STANDARD.encode(&bytes)),
            ("padding", BASE64_URL_SAFE.encode(&bytes)),
            (
                "a space inside",
                format!("{} {}", &parts[index][..4], &parts[index][4..]),
            ),
            ("trailing bits", with_trailing_bits(parts[index])),
        ] {
            if text != parts[index] {
                all.push(forged(
                    format!("{}, part {index} with {name}", forge.name()),
                    with(&text),
                ));
            }
        }
    }
    // What is signed is the text, so these carry a right signature over what nobody may decode.
    let (header, payload) = (forge.header().to_string(), claims().to_string());
    for (name, text) in [
        ("a padded header", format!("{}=.{}", b64(&header), b64(&payload))),
        ("a padded payload", format!("{}.{}=", b64(&header), b64(&payload))),
        ("a raw payload", format!("{}.{payload}", b64(&header))),
        ("a raw header", format!("{header}.{}", b64(&payload))),
    ] {
        all.push(forged(
            format!("{}, signed over {name}", forge.name()),
            forge.completed(&text),
        ));
    }
    all
}

/// The same bytes with one of the bits set that the last character has too many; without such bits, the same.
fn with_trailing_bits(part: &str) -> String {
    let last = part.bytes().last().unwrap();
    let value = ALPHABET.iter().position(|it| *it == last).unwrap();
    let spare = usize::from(!part.len().is_multiple_of(4));
    format!("{}{}", &part[..part.len() - 1], char::from(ALPHABET[value | spare]))
}

/// JWS as JSON (RFC 7515, section 7.2).
fn serialised(good: &str) -> Vec<Forged> {
    let parts: Vec<&str> = good.split('.').collect();
    let (protected, payload, signature) = (parts[0], parts[1], parts[2]);
    let flat = json!({ "protected": protected, "payload": payload, "signature": signature });
    let general = json!({ "payload": payload, "signatures": [{ "protected": protected, "signature": signature }] });
    let headed = json!({ "header": { "alg": "none" }, "payload": payload, "signature": "" });
    [flat, general, headed]
        .iter()
        .flat_map(|it| {
            [
                it.to_string(),
                b64(it.to_string()),
                format!("eyJ.{it}."),
                format!("eyJ.{}.", b64(it.to_string())),
            ]
        })
        .map(|text| forged("JSON serialisation", text))
        .collect()
}

/// Signatures that fooled others.
fn signatures(forge: &Forge) -> Vec<Forged> {
    let good = forge.good();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut one = vec![0; bytes.len()];
    *one.last_mut().unwrap() = 1;
    let mut turned = bytes.clone();
    turned.reverse();
    let halves = [&bytes[bytes.len() / 2..], &bytes[..bytes.len() / 2]].concat();
    let der = [&[0x30, 0x44, 2, 0x20][..], &bytes[..32], &[2, 0x20], &bytes[32..64]].concat();
    let of = |(name, bytes): (&str, Vec<u8>)| {
        forged(
            format!("{}, signature {name}", forge.name()),
            format!("{message}.{}", b64(bytes)),
        )
    };
    [
        ("of zeros", vec![0; bytes.len()]),
        ("of ones", vec![0xff; bytes.len()]),
        ("of one", one),
        ("backwards", turned),
        ("with its halves changed", halves),
        ("with a zero before it", [&[0][..], &bytes].concat()),
        ("with a zero behind it", [&bytes[..], &[0]].concat()),
        ("without its last byte", bytes[..bytes.len() - 1].to_vec()),
        ("in DER", der),
        ("in hexadecimal", gateway::secret::hex(&bytes).into_bytes()),
    ]
    .map(of)
    .into()
}
