use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};
use serde_json::{Value, json};

use super::*;

fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Certificate {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    Certificate::from_pem(&params.self_signed(&key).unwrap().pem()).unwrap()
}

fn named(parts: &[(DnType, &str)]) -> Certificate {
    certificate(|params| {
        for (kind, value) in parts {
            params.distinguished_name.push(kind.clone(), *value);
        }
    })
}

fn login(member: &str, value: &str) -> Result<CertificateLogin, serde_json::Error> {
    serde_json::from_value(json!({ member: value }))
}

fn is_of(member: &str, value: &str, certificate: &Certificate) -> bool {
    login(member, value).unwrap().is_of(certificate)
}

const DN: &str = "tls_client_auth_subject_dn";

/// RFC 4514, section 2.1: the string begins with the last part of the name.
#[test]
fn a_distinguished_name_is_compared_by_its_parts_in_their_order() {
    let built = named(&[
        (DnType::CountryName, "DE"),
        (DnType::OrganizationName, "Example, Inc."),
        (DnType::OrganizationalUnitName, "ci"),
        (DnType::CommonName, "build"),
    ]);
    assert!(is_of(DN, r"CN=build,OU=ci,O=Example\, Inc.,C=DE", &built));
    assert!(is_of(DN, r"2.5.4.3=build,OU=ci,O=Example\2c Inc.,C=DE", &built));
    for other in [
        r"C=DE,O=Example\, Inc.,OU=ci,CN=build",
        r"CN=build,OU=ci,O=Example\, Inc.",
        r"CN=build",
        r"CN=build+OU=ci,O=Example\, Inc.,C=DE",
        r"CN=build,OU=ci,O=Example Inc.,C=DE",
        r"CN=build,OU=ci,O=Example\, Inc.,C=DE,DC=x",
        r"OU=build,CN=ci,O=Example\, Inc.,C=DE",
        r"CN=build2,OU=ci,O=Example\, Inc.,C=DE",
        r"CN=*,OU=ci,O=Example\, Inc.,C=DE",
    ] {
        assert!(!is_of(DN, other, &built), "{other}");
    }
}

/// RFC 5280, section 7.1: capitals, spaces and the kind of string mean nothing, and letters are compared in one form.
#[test]
fn capitals_spaces_and_kinds_of_strings_mean_nothing_in_a_distinguished_name() {
    let printable = certificate(|params| {
        let value = DnValue::PrintableString("Build  Agent".try_into().unwrap());
        params.distinguished_name.push(DnType::CommonName, value);
    });
    let utf8 = named(&[(DnType::CommonName, "build agent")]);
    let bmp = certificate(|params| {
        let value = DnValue::BmpString("BUILD AGENT".try_into().unwrap());
        params.distinguished_name.push(DnType::CommonName, value);
    });
    for certificate in [&printable, &utf8, &bmp] {
        for name in ["CN=Build Agent", "cn=BUILD AGENT", r"CN=\ build   agent\ "] {
            assert!(is_of(DN, name, certificate), "{name}");
        }
        assert!(!is_of(DN, "CN=buildagent", certificate));
    }
    let composed = named(&[(DnType::CommonName, "Zo\u{eb}")]);
    assert!(is_of(DN, "CN=ZOE\u{308}", &composed) && !is_of(DN, "CN=Zoe", &composed));
}

#[test]
fn what_is_no_distinguished_name_or_is_read_in_two_ways_is_refused() {
    for bad in [
        "",
        "build",
        "=build",
        "CN=",
        "CN=build, OU=ci",
        "/C=DE/CN=build",
        "CN=build,",
        "NONE=build",
        r"CN=build\",
        r"CN=a\\\,OU=b",
        r"CN=a\x",
        "CN=#zz",
    ] {
        assert!(login(DN, bad).is_err(), "{bad}");
    }
}

/// RFC 8705, section 2.1.2
#[test]
fn each_alternative_name_counts_for_its_own_kind_alone() {
    let ia5 = |text: &str| Ia5String::try_from(text).unwrap();
    let certificate = certificate(|params| {
        params.subject_alt_names = vec![
            SanType::DnsName(ia5("Build.example.com")),
            SanType::DnsName(ia5("*.wild.example.com")),
            SanType::URI(ia5("spiffe://example.com/build")),
            SanType::IpAddress("10.0.0.7".parse().unwrap()),
            SanType::IpAddress("2001:db8::7".parse().unwrap()),
            SanType::Rfc822Name(ia5("Build@Example.com")),
        ];
        params.distinguished_name.push(DnType::CommonName, "cn.example.com");
    });
    let good = [
        ("tls_client_auth_san_dns", "build.EXAMPLE.com"),
        ("tls_client_auth_san_uri", "spiffe://example.com/build"),
        ("tls_client_auth_san_ip", "10.0.0.7"),
        ("tls_client_auth_san_ip", "2001:0DB8:0::7"),
        ("tls_client_auth_san_email", "Build@example.COM"),
    ];
    for (member, value) in good {
        assert!(is_of(member, value, &certificate), "{member} {value}");
    }
    let bad = [
        ("tls_client_auth_san_dns", "other.example.com"),
        ("tls_client_auth_san_dns", "cn.example.com"),
        ("tls_client_auth_san_dns", "a.wild.example.com"),
        ("tls_client_auth_san_dns", "example.com"),
        ("tls_client_auth_san_dns", "10.0.0.7"),
        ("tls_client_auth_san_uri", "spiffe://EXAMPLE.com/build"),
        ("tls_client_auth_san_uri", "spiffe://example.com/build/2"),
        ("tls_client_auth_san_ip", "10.0.0.8"),
        ("tls_client_auth_san_ip", "::ffff:10.0.0.7"),
        ("tls_client_auth_san_email", "build@example.com"),
        (DN, "CN=build.example.com"),
    ];
    for (member, value) in bad {
        assert!(!is_of(member, value, &certificate), "{member} {value}");
    }
    let bare = named(&[(DnType::CommonName, "build.example.com")]);
    assert!(!is_of("tls_client_auth_san_dns", "build.example.com", &bare));
}

#[test]
fn a_client_has_exactly_one_name_or_one_certificate_or_both() {
    let certificate = named(&[(DnType::CommonName, "build")]);
    let pin = certificate.thumbprint().as_str();
    let read = |value: Value| serde_json::from_value::<CertificateLogin>(value).ok();
    let by_pin = read(json!({ "x5t#S256": pin })).unwrap();
    let by_both = read(json!({ DN: "CN=build", "x5t#S256": pin })).unwrap();
    let again = named(&[(DnType::CommonName, "build")]);
    for login in [&by_pin, &by_both] {
        assert!(login.is_of(&certificate) && !login.is_of(&again));
    }
    assert!(
        !read(json!({ DN: "CN=other", "x5t#S256": pin }))
            .unwrap()
            .is_of(&certificate)
    );
    assert_eq!(
        serde_json::to_value(by_both).unwrap(),
        json!({ DN: "CN=build", "x5t#S256": pin })
    );
    for bad in [
        json!({}),
        json!({ DN: "CN=build", "tls_client_auth_san_dns": "build.example" }),
        json!({ "tls_client_auth_san_dns": "" }),
        json!({ "tls_client_auth_san_dns": "*.example.com" }),
        json!({ "tls_client_auth_san_ip": "10.0.0" }),
        json!({ "tls_client_auth_san_email": "build" }),
        json!({ "tls_client_auth_san_uri": "build" }),
        json!({ "x5t#S256": "abc" }),
        json!({ "x5t#S256": format!("{pin}=") }),
        json!({ "subject": "CN=build" }),
        json!("CN=build"),
    ] {
        assert!(read(bad.clone()).is_none(), "{bad}");
    }
}

#[test]
fn a_thumbprint_is_that_of_the_der_whatever_stands_around_the_pem() {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::default().self_signed(&key).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, made.der());
    let expected = BASE64_URL_SAFE_NO_PAD.encode(digest);
    for pem in [
        made.pem(),
        format!("Subject: x\n{}\n\n", made.pem()),
        made.pem().replace('\n', "\r\n"),
    ] {
        assert_eq!(Certificate::from_pem(&pem).unwrap().thumbprint().as_str(), expected);
    }
    for bad in [
        "",
        "CERT_CONTENT",
        &key.serialize_pem(),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert!(Certificate::from_pem(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_certificate_is_valid_from_its_first_second_to_its_last() {
    let certificate = certificate(|params| {
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 2, 1);
    });
    let at = |text: &str| certificate.is_valid_at(text.parse().unwrap());
    assert!(at("2026-01-01T00:00:00Z") && at("2026-02-01T00:00:00Z"));
    assert!(!at("2025-12-31T23:59:59Z") && !at("2026-02-01T00:00:01Z") && !at("1969-01-01T00:00:00Z"));
}
