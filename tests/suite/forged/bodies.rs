//! What can be wrong with what a token says, under a right signature.

use serde_json::{Value, json};

use super::smith::{Forge, Smith, claims};
use super::{Forged, forged};

pub(super) fn corpus(smith: &Smith, trap: &str) -> Vec<Forged> {
    let forge = &smith.forges[0];
    let mut all = wrong_values(forge, trap);
    all.extend(missing(forge));
    all.extend(raw(forge));
    all.extend(other_tokens(smith));
    all
}

fn wrong_values(forge: &Forge, trap: &str) -> Vec<Forged> {
    let past = 1_700_000_000;
    let wrong: Vec<(&str, Value)> = vec![
        ("exp", json!("4102444800")),
        ("exp", json!(4_102_444_800.5)),
        ("exp", json!(null)),
        ("exp", json!(true)),
        ("exp", json!([4_102_444_800_u64])),
        ("exp", json!(u64::MAX)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(past)),
        ("nbf", json!("0")),
        ("nbf", json!(0.5)),
        ("nbf", json!({})),
        ("nbf", json!(4_102_444_800_u64)),
        ("iat", json!("0")),
        ("iat", json!(null)),
        ("iat", json!(4_102_444_800_u64)),
        ("iss", json!(null)),
        ("iss", json!(["https://gateway.example"])),
        ("iss", json!("https://gateway.example/")),
        ("iss", json!("https://gateway.example.net")),
        ("iss", json!("HTTPS://gateway.example")),
        ("iss", json!(trap)),
        ("aud", json!(null)),
        ("aud", json!(1)),
        ("aud", json!({})),
        ("aud", json!([])),
        ("aud", json!([1])),
        ("aud", json!([["tollgate"]])),
        ("aud", json!("tollgat")),
        ("aud", json!("tollgate2")),
        ("aud", json!("tollgate other")),
        ("aud", json!(["tollgat", "ollgate"])),
        ("aud", json!("TOLLGATE")),
        ("sub", json!(null)),
        ("sub", json!(7)),
        ("sub", json!("")),
        ("sub", json!(["client:client_0000fixture"])),
        ("jti", json!(null)),
        ("jti", json!("")),
        ("jti", json!(5)),
        ("client_id", json!(null)),
        ("client_id", json!("")),
        ("client_id", json!(["client_0000fixture"])),
        ("scope", json!(["admin"])),
        ("scope", json!(null)),
        ("team", json!(["a"])),
    ];
    let of = |(name, value): (&str, Value)| {
        let mut claims = claims();
        let label = format!("{name} is {value}");
        claims[name] = value;
        forged(label, forge.signed(&forge.header().to_string(), claims.to_string()))
    };
    wrong.into_iter().map(of).collect()
}

fn missing(forge: &Forge) -> Vec<Forged> {
    let of = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        forged(
            format!("no {name}"),
            forge.signed(&forge.header().to_string(), claims.to_string()),
        )
    };
    ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"].map(of).into()
}

fn raw(forge: &Forge) -> Vec<Forged> {
    let good = claims().to_string();
    let end = |more: &str| good.replacen('}', more, 1).into_bytes();
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let payloads: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a string", b"\"sub\"".to_vec()),
        ("truncated", good[..good.len() - 1].into()),
        ("trailing garbage", format!("{good}x").into()),
        ("two objects", format!("{good}{good}").into()),
        ("a byte order mark", format!("\u{feff}{good}").into()),
        ("UTF-16", utf16),
        ("no UTF-8", [b"{\"sub\":\"", &[0xff, 0xfe][..], b"\"}"].concat()),
        ("10,000 levels deep", "[".repeat(5_000).into()),
        ("exp twice", end(r#","exp":9999999999}"#)),
        ("sub twice", end(r#","sub":"user:admin"}"#)),
        ("scope twice", end(r#","scope":"admin"}"#)),
        ("aud twice", end(r#","aud":"tollgate"}"#)),
        ("exp is 1e400", good.replace("4102444800", "1e400").into()),
        ("exp is 4102444800e0", good.replace("4102444800", "4102444800e0").into()),
        ("exp is NaN", good.replace("4102444800", "NaN").into()),
        ("a lone surrogate", good.replace("jwt_forged", "\\ud800").into()),
        ("over 8 KB", end(&format!(r#","x":"{}"}}"#, "x".repeat(9_000)))),
    ];
    let of = |(name, payload): (&str, Vec<u8>)| {
        forged(
            format!("payload: {name}"),
            forge.signed(&forge.header().to_string(), payload),
        )
    };
    payloads.into_iter().map(of).collect()
}

/// Tokens of our own keys that are no access tokens.
fn other_tokens(smith: &Smith) -> Vec<Forged> {
    let mut all = Vec::new();
    for forge in &smith.forges {
        let mut id_token = claims();
        id_token["nonce"] = "n".into();
        id_token["auth_time"] = 1.into();
        let mut refresh = claims();
        refresh["token_use"] = "refresh".into();
        for (typ, claims) in [("JWT", id_token), ("rt+jwt", refresh), ("secevent+jwt", self::claims())] {
            let mut header = forge.header();
            header["typ"] = typ.into();
            let token = forge.signed(&header.to_string(), claims.to_string());
            all.push(forged(format!("a {typ} of {}", forge.name()), token));
        }
    }
    all
}
