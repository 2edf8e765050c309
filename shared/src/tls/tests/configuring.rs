//! What may be configured.

use super::*;
use crate::config::{ConfigError, Settings, Variables};

const FILE: &str = "
tls:
  enabled: true
  ca_file: /etc/ca.pem
  certificate_file: /etc/client.pem
  key_file: /etc/client.key
  minimum_version: 1.3
  cipher_suites:
    - TLS_AES_128_GCM_SHA256
    - TLS_AES_256_GCM_SHA384
";

fn read(file: &str, variables: &[(&'static str, &str)]) -> Result<Option<Options>, ConfigError> {
    let list = variables.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let variables = Variables::Given(list.collect());
    let settings = Settings::with_file(&variables, "settings.yaml", file)?;
    Options::read(&settings.section("tls", "T_TLS"))
}

/// B-07
#[test]
fn tls_is_configured_by_a_file_or_the_environment_which_wins() {
    let expected = Options {
        ca_file: Some("/etc/ca.pem".into()),
        certificate_file: Some("/etc/client.pem".into()),
        key_file: Some("/etc/client.key".into()),
        minimum_version: MinimumVersion::Tls13,
        cipher_suites: vec!["TLS_AES_128_GCM_SHA256".into(), "TLS_AES_256_GCM_SHA384".into()],
    };
    assert_eq!(read(FILE, &[]), Ok(Some(expected.clone())));
    let variables = [
        ("T_TLS_ENABLED", "true"),
        ("T_TLS_CA_FILE", "/etc/ca.pem"),
        ("T_TLS_CERTIFICATE_FILE", "/etc/client.pem"),
        ("T_TLS_KEY_FILE", "/etc/client.key"),
        ("T_TLS_MINIMUM_VERSION", "1.3"),
        ("T_TLS_CIPHER_SUITES", "TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384"),
    ];
    assert_eq!(read("", &variables), Ok(Some(expected)));
    let mixed = read(
        FILE,
        &[("T_TLS_MINIMUM_VERSION", "1.2"), ("T_TLS_CA_FILE", "/other.pem")],
    );
    let mixed = mixed.unwrap().unwrap();
    assert_eq!(mixed.minimum_version, MinimumVersion::Tls12);
    assert_eq!(mixed.ca_file, Some("/other.pem".into()));
    assert_eq!(mixed.key_file, Some("/etc/client.key".into()));
}

/// B-07
#[test]
fn disabled_gives_none_and_so_does_nothing_at_all() {
    assert_eq!(read("", &[]), Ok(None));
    assert_eq!(read(FILE, &[("T_TLS_ENABLED", "false")]), Ok(None));
    assert_eq!(read("", &[("T_TLS_ENABLED", "true")]), Ok(Some(Options::default())));
}

/// B-07
#[test]
fn every_wrong_value_is_named_with_what_would_be_right() {
    for (file, place, expected) in [
        ("tls: {enabled: maybe}", "tls.enabled in settings.yaml", "true or false"),
        (
            "tls: {minimum_version: 1.1}",
            "tls.minimum_version in settings.yaml",
            "1.2 or 1.3",
        ),
        ("tls: {ca_file: [a]}", "tls.ca_file in settings.yaml", "PEM file"),
        (
            "tls: {cipher_suites: {a: b}}",
            "tls.cipher_suites in settings.yaml",
            "names of cipher suites",
        ),
        (
            "tls: {minimum_verison: 1.3}",
            "tls.minimum_verison in settings.yaml",
            "minimum_version",
        ),
        (
            "tls: {key_file: k}",
            "tls.certificate_file in settings.yaml",
            "PEM file",
        ),
        (
            "tls: {certificate_file: c}",
            "tls.key_file in settings.yaml",
            "PEM file",
        ),
    ] {
        let error = read(file, &[]).unwrap_err().to_string();
        assert!(error.contains(place) && error.contains(expected), "{file}: {error}");
    }
    for (name, value, expected) in [
        ("T_TLS_ENABLED", "yes please", "true or false"),
        ("T_TLS_MINIMUM_VERSION", "TLSv1.3", "1.2 or 1.3"),
    ] {
        let error = read("", &[(name, value)]).unwrap_err().to_string();
        assert!(
            error.contains(name) && error.contains(expected) && !error.contains(value),
            "{error}"
        );
    }
}
