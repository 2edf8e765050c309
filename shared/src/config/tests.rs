use super::setting::{Declared, Kind, Need};
use super::tree::ALL;
use super::*;

/// What is right for a setting that must be there, or may.
fn right(it: &Declared) -> &'static str {
    match it.path {
        "issuer" | "mutual_tls.url" => "https://gate.example.com",
        "login" => "{}",
        "trusted_issuers" | "upstream.routes" => "[]",
        "upstream.targets" => r#"[{"name":"a","region":"us-east-1"}]"#,
        "upstream.metadata" => "user",
        "models.application_profiles" => {
            "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a=us.anthropic.claude-sonnet-4-5-20250929-v1:0"
        }
        "models.guardrails" => "gr1=600000",
        "cache.redis.url" => "rediss://cache.example.com",
        "storage.service.base_url" | "storage.service.token.base_url" | "alert.webhook_url" | "otlp.endpoint" => {
            "https://store.example.com"
        }
        _ if it.variable() == "AWS_REGION" => "us-east-1",
        _ if it.variable().starts_with("AWS_ENDPOINT_URL") => "https://aws.example.com",
        _ => match it.kind {
            Kind::Whole(least, ..) => ["0", "1", "5", "100"]
                .into_iter()
                .find(|text| text.parse() == Ok(least))
                .unwrap(),
            Kind::OneOf(words) => words[0],
            Kind::Flag => "true",
            _ => "something",
        },
    }
}

fn wrong(it: &Declared) -> Option<&'static str> {
    let candidates = ["hunter2 ://", "-1", "\u{e9}"];
    candidates.into_iter().find(|text| !it.takes(text))
}

/// A configuration that a function starts with, and no more than it needs.
fn least(function: Function) -> Vec<(&'static str, String)> {
    let needed = ALL.iter().filter(|it| it.read_by.contains(&function));
    let needed = needed.filter(|it| matches!(it.need, Need::Required | Need::Unless(_)));
    needed
        .map(|it| (&*it.variable().leak(), right(it).to_owned()))
        .collect()
}

fn with(mut list: Vec<(&'static str, String)>, variable: &str, text: &str) -> Variables {
    list.retain(|(name, _)| *name != variable);
    list.push((variable.to_owned().leak(), text.to_owned()));
    Variables::Given(list)
}

fn faults(variables: &Variables, function: Option<Function>) -> Vec<String> {
    let faults = variables.check(function).err();
    faults
        .map(|it| it.0.iter().map(ToString::to_string).collect())
        .unwrap_or_default()
}

#[test]
fn the_tree_has_no_setting_twice_and_no_default_that_may_not_be() {
    for (index, it) in ALL.iter().enumerate() {
        for other in &ALL[..index] {
            assert_ne!(it.variable(), other.variable());
            let within = |path: &str, of: &str| {
                path.strip_prefix(of)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let apart = it.path.is_empty() || other.path.is_empty();
            assert!(
                apart || !within(it.path, other.path) && !within(other.path, it.path),
                "{}",
                it.path
            );
        }
        match it.need {
            Need::Default(text) => assert!(it.takes(text), "{}", it.variable()),
            Need::With(path) | Need::Unless(path) | Need::When(path, _) => {
                assert!(ALL.iter().any(|other| other.path == path), "{path}");
            }
            Need::Optional | Need::Required => {}
        }
        assert!(it.takes(right(it)), "{}", it.variable());
        assert!(
            !it.read_by.is_empty() && it.about.trim().ends_with('.'),
            "{}",
            it.variable()
        );
    }
}

/// A-42, A-53, A-54
#[test]
fn each_function_starts_with_what_it_needs_and_names_each_wrong_or_missing_setting() {
    for function in Function::ALL {
        let least = least(function);
        assert_eq!(
            faults(&Variables::Given(least.clone()), Some(function)),
            [""; 0],
            "{function:?}"
        );
        for (name, _) in &least {
            let lacking = with(least.clone(), name, "");
            let told = faults(&lacking, Some(function));
            assert!(
                told.len() == 1 && told[0].contains(name) && told[0].contains("is not set"),
                "{told:?}"
            );
        }
        for it in ALL {
            let variable = it.variable();
            let Some(bad) = wrong(it) else { continue };
            let told = faults(&with(least.clone(), &variable, bad), Some(function));
            let named = |line: &&String| line.contains(&variable) && line.contains(&it.expected());
            assert!(
                told.iter().any(|line| named(&line)),
                "{function:?}, {variable}: {told:?}"
            );
            assert!(!told.concat().contains("hunter2"), "it shows the value: {told:?}");
        }
    }
}

/// A-52
#[test]
fn every_wrong_value_is_told_at_once_with_its_path_and_what_it_must_hold() {
    let file = "table: [a]\ncall_seconds: 901\nusage:\n  retention_days: many\ncache:\n  kind: disk\n  ttl_seconds: 301\nsse: 3\n";
    let variables = Variables::Given(vec![
        ("TOLLGATE_AUDIENCE", "a".into()),
        ("TOLLGATE_SSE_PING_SECONDS", "0".into()),
    ]);
    let variables = variables.over_file("settings.yaml", file).unwrap();
    let told = faults(&variables, None).join("\n");
    let expected = "\
sse in settings.yaml holds a wrong value; it must hold a map of ping_seconds
table in settings.yaml holds a wrong value; it must hold the name of the DynamoDB table
call_seconds in settings.yaml holds a wrong value; it must hold whole seconds, from 1 to 900
usage.retention_days in settings.yaml holds a wrong value; it must hold whole days, from 1 to 36500
the environment variable TOLLGATE_SSE_PING_SECONDS holds a wrong value; it must hold whole seconds, from 1 to 240
cache.kind in settings.yaml holds a wrong value; it must hold none, memory or redis
cache.ttl_seconds in settings.yaml holds a wrong value; it must hold whole seconds, from 1 to 300";
    assert_eq!(told, expected);
}

/// A-51
#[test]
fn a_setting_that_there_is_not_is_refused_in_the_file_and_in_the_environment() {
    let variables = Variables::Given(vec![
        ("TOLLGATE_CALL_SECOND", "1".into()),
        ("TOLLGATE_CACHE", "/tmp".into()),
    ]);
    let variables = variables
        .over_file(
            "s.yaml",
            "tabel: x\ncache:\n  redis:\n    password: x\naws:\n  secret_access_key: x\n",
        )
        .unwrap();
    let told = faults(&variables, None);
    assert_eq!(told.len(), 4, "{told:?}");
    let has = |part: &str| told.iter().any(|line| line.contains(part));
    assert!(
        has("tabel in s.yaml is no setting; there are account, alert,"),
        "{told:?}"
    );
    assert!(
        has("cache.redis.password in s.yaml is no setting; there are ca_file, pause_seconds, secret,"),
        "{told:?}"
    );
    assert!(has("aws.secret_access_key in s.yaml is no setting"), "{told:?}");
    assert!(
        has("the environment variable TOLLGATE_CALL_SECOND is no setting; there are TOLLGATE_CALL_SECONDS"),
        "{told:?}"
    );
}

/// A-49, A-50
#[test]
fn the_environment_counts_before_the_file_and_the_file_before_the_default() {
    let file = "call_seconds: 60\nusage:\n  retention_days: 30\nlogin:\n  users: must_exist\n";
    let environment = Variables::Given(vec![("TOLLGATE_CALL_SECONDS", "90".into())]);
    let variables = environment.over_file("s.yaml", file).unwrap();
    assert_eq!(tree::CALL_SECONDS.get(&variables), Ok(90));
    assert_eq!(tree::USAGE_RETENTION_DAYS.get(&variables), Ok(30));
    assert_eq!(tree::LEAST_ANSWER_TOKENS.get(&variables), Ok(256));
    let login = crate::login::LoginConfig::read(&variables).unwrap();
    assert_eq!(login.users, crate::login::Users::MustExist);
    assert_eq!(faults(&variables, None), [""; 0]);
    let missing = variables.table().unwrap_err().to_string();
    assert_eq!(
        missing,
        "table in s.yaml (or TOLLGATE_TABLE) is not set; it must hold the name of the DynamoDB table"
    );
}

#[test]
fn settings_that_belong_together_are_needed_together() {
    let needed = |file: &str, function| {
        let variables = Variables::Given(least(function)).over_file("s.yaml", file).unwrap();
        faults(&variables, Some(function))
    };
    let told = needed("cache:\n  kind: redis\n", Function::Authorizer);
    assert!(
        told.len() == 2 && told[0].starts_with("cache.redis.url") && told[1].starts_with("cache.redis.secret"),
        "{told:?}"
    );
    let told = needed("alert:\n  webhook_url: https://a.example\n", Function::Sweep);
    assert!(
        told.len() == 1 && told[0].starts_with("alert.webhook_secret"),
        "{told:?}"
    );
    let told = needed(
        "storage:\n  service:\n    tls:\n      key_file: a.pem\n",
        Function::Upload,
    );
    assert!(
        told.len() == 1 && told[0].starts_with("storage.service.tls.certificate_file"),
        "{told:?}"
    );
}

#[test]
fn no_url_holds_a_password_and_redis_speaks_tls_but_on_loopback() {
    use super::values::{HttpUrl, RedisUrl, Region, Source};
    for bad in [
        "rediss://:secret@cache.example",
        "redis://cache.example",
        "rediss://",
        "http://cache.example",
        "rediss://a/16",
    ] {
        assert!(bad.parse::<RedisUrl>().is_err(), "{bad}");
    }
    let url: RedisUrl = "rediss://cache.example:6380/2".parse().unwrap();
    assert_eq!(
        (&*url.host, url.port, url.tls, url.database),
        ("cache.example", 6380, true, 2)
    );
    assert!("redis://127.0.0.1:6379".parse::<RedisUrl>().is_ok_and(|url| !url.tls));
    assert!("https://u:p@a.example".parse::<HttpUrl>().is_err());
    for (text, fits) in [
        ("us-east-1", true),
        ("us-gov-west-1", true),
        ("us", false),
        ("us-east", false),
        ("US-EAST-1", false),
    ] {
        assert_eq!(text.parse::<Region>().is_ok(), fits, "{text}");
    }
    assert_eq!("ssm:/a/b".parse(), Ok(Source::Parameter("/a/b".into())));
    assert!("s3://bucket".parse::<Source>().is_err() && "https://a/b".parse::<Source>().is_err());
}

/// A-42
#[test]
fn a_wrong_value_is_named_with_what_would_be_right_and_not_shown() {
    let variables = Variables::Given(vec![
        ("TOLLGATE_ISSUER", "hunter2".into()),
        ("TOLLGATE_TABLE", String::new()),
    ]);
    let wrong = variables.issuer().unwrap_err().to_string();
    assert!(wrong.contains("TOLLGATE_ISSUER") && wrong.contains("https://") && !wrong.contains("hunter2"));
    assert_eq!(
        variables.table().unwrap_err().to_string(),
        "the environment variable TOLLGATE_TABLE is not set; it must hold the name of the DynamoDB table"
    );
}

#[test]
fn an_issuer_is_a_clean_https_url_or_on_loopback() {
    for good in [
        "https://gate.example.com",
        "https://gate.example.com/a",
        "http://127.0.0.1:8787",
        "http://localhost",
    ] {
        assert!(good.parse::<Issuer>().is_ok(), "{good}");
    }
    for bad in [
        "",
        "gate",
        "http://gate.example.com",
        "http://127.0.0.1.evil.example",
        "https://",
        "https:///a",
        "https://a/",
        "https://a?b",
        "https://a#b",
        "https://u@a",
    ] {
        assert!(bad.parse::<Issuer>().is_err(), "{bad}");
    }
}
