#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;

use super::*;

const TEXT: &str = include_str!("../../tests/stack/template.yaml");

fn values() -> Values {
    Values {
        parameters: BTreeMap::from([("Issuer".to_owned(), "http://127.0.0.1:1".to_owned())]),
        ..Values::default()
    }
}

fn template() -> Template {
    Template::parse(TEXT, &values()).unwrap()
}

/// The error of the test's template with one text in it replaced.
fn broken(from: &str, to: &str) -> Error {
    assert!(TEXT.contains(from), "{from}");
    Template::parse(&TEXT.replacen(from, to, 1), &values()).unwrap_err()
}

fn function(name: &str) -> Function {
    template()
        .functions
        .into_iter()
        .find(|function| function.name == name)
        .unwrap()
}

#[test]
fn a_function_is_named_after_its_binary_or_its_logical_id() {
    let names: Vec<String> = template().functions.into_iter().map(|function| function.name).collect();
    assert_eq!(names, ["authorizer", "buffered", "scheduled", "streamed"]);
}

#[test]
fn a_functions_own_settings_come_before_the_global_ones_and_variables_are_merged() {
    let buffered = function("buffered");
    assert_eq!((buffered.timeout_seconds, buffered.memory_megabytes), (2, 256));
    assert_eq!(buffered.environment["TABLE"], "tollgate-table");
    assert_eq!(buffered.environment["ISSUER"], "http://127.0.0.1:1");
    let streamed = function("streamed");
    assert_eq!(streamed.timeout_seconds, 900);
    assert!(!streamed.environment.contains_key("ISSUER"));
    assert_eq!(function("authorizer").timeout_seconds, 3);
}

#[test]
fn routes_carry_method_function_mode_and_authorizer() {
    let routes = template().api.routes;
    let route = |path: &str| routes.iter().find(|route| route.path == path).unwrap();
    assert_eq!(routes.len(), 4);
    assert!(route("/stream").streamed);
    assert_eq!(route("/stream").authorizer, None);
    let closed = route("/closed");
    assert!(!closed.streamed);
    assert_eq!((closed.method.as_str(), closed.function.as_str()), ("GET", "buffered"));
    let expected = Authorizer {
        name: "Keys".to_owned(),
        function: "authorizer".to_owned(),
        identity_sources: Vec::new(),
        ttl_seconds: 0,
    };
    assert_eq!(closed.authorizer, Some(expected));
    assert_eq!(route("/open/{id}").method, "ANY");
}

#[test]
fn media_types_and_gateway_responses_are_read() {
    let api = template().api;
    assert_eq!(api.binary_media_types, ["*/*"]);
    assert_eq!(api.stage, "live");
    let unauthorized = &api.responses["UNAUTHORIZED"];
    assert_eq!(unauthorized.status, Some(401));
    assert!(
        unauthorized
            .headers
            .contains(&("WWW-Authenticate".to_owned(), "'Bearer realm=\"test\"'".to_owned()))
    );
    assert!(unauthorized.bodies["application/json"].contains("$context.requestId"));
    assert_eq!(api.responses["DEFAULT_5XX"].status, None);
}

#[test]
fn a_table_becomes_the_input_of_create_table_and_a_false_condition_removes_one() {
    let tables = template().tables;
    let expected = json!({
        "TableName": "tollgate-table",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            { "AttributeName": "pk", "AttributeType": "S" },
            { "AttributeName": "sk", "AttributeType": "S" },
            { "AttributeName": "day", "AttributeType": "S" },
        ],
        "GlobalSecondaryIndexes": [{
            "IndexName": "by_day",
            "KeySchema": [
                { "AttributeName": "day", "KeyType": "HASH" },
                { "AttributeName": "sk", "KeyType": "RANGE" },
            ],
            "Projection": { "ProjectionType": "ALL" },
        }],
        "KeySchema": [
            { "AttributeName": "pk", "KeyType": "HASH" },
            { "AttributeName": "sk", "KeyType": "RANGE" },
        ],
        "TimeToLiveSpecification": { "AttributeName": "expires_at", "Enabled": true },
    });
    assert_eq!(tables.len(), 1);
    assert_eq!(tables[0].definition, expected);
    assert_eq!(template().table_name("Table"), Some("tollgate-table"));
    assert_eq!(template().buckets, ["tollgate-live"]);
}

#[test]
fn a_secret_is_generated_by_its_rule_and_anew_each_time() {
    let secret = |template: Template| template.secrets.into_iter().next().unwrap();
    let (first, second) = (secret(template()), secret(template()));
    assert_eq!(first.name, "tollgate-signing-secret");
    assert_ne!(first.value, second.value);
    let value: Value = serde_json::from_str(&first.value).unwrap();
    assert_eq!(value["alg"], "EdDSA");
    let seed = value["seed"].as_str().unwrap();
    assert_eq!(seed.len(), 64);
    assert!(
        seed.chars().all(|character| character.is_ascii_alphanumeric()),
        "{seed}"
    );
}

#[test]
fn a_secret_is_referred_to_by_the_arn_that_it_got() {
    let text = TEXT.replace("ISSUER: !Ref Issuer", "ISSUER: !Ref SigningSecret");
    let mut values = values();
    let issuer = |values: &Values| {
        let template = Template::parse(&text, values).unwrap();
        template.functions[1].environment["ISSUER"].clone()
    };
    let made_up = "arn:aws:secretsmanager:us-east-1:000000000000:secret:tollgate-signing-secret-local0";
    assert_eq!(issuer(&values), made_up);
    values
        .secret_arns
        .insert("tollgate-signing-secret".to_owned(), "arn:actual".to_owned());
    assert_eq!(issuer(&values), "arn:actual");
}

#[test]
fn functions_of_the_template_language_are_evaluated() {
    let evaluated = |expression: &str| {
        let text = TEXT.replace("ISSUER: !Ref Issuer", &format!("ISSUER: {expression}"));
        Template::parse(&text, &values()).unwrap().functions[1].environment["ISSUER"].clone()
    };
    assert_eq!(evaluated("!Sub '${Table.Arn}/${!literal}/${AWS::Region}'"), {
        "arn:aws:dynamodb:us-east-1:000000000000:table/tollgate-table/${literal}/us-east-1"
    });
    assert_eq!(evaluated("!Sub ['${A}-${StageName}', {A: !Ref Seconds}]"), "2-live");
    assert_eq!(evaluated("!If [IsLive, yes-it-is, no]"), "yes-it-is");
    assert_eq!(evaluated("!If [IsTest, !Ref Nowhere, other]"), "other");
    assert_eq!(
        evaluated("!Join ['/', [a, !Ref Bucket, !GetAtt Bucket.Arn]]"),
        "a/tollgate-live/arn:aws:s3:::tollgate-live"
    );
    assert_eq!(evaluated("!Select [1, !Split [',', 'a,b,c']]"), "b");
    assert_eq!(evaluated("!GetAtt AuthorizerFunction.Arn"), {
        "arn:aws:lambda:us-east-1:000000000000:function:tollgate-authorizer-function"
    });
}

#[test]
fn an_error_names_its_place() {
    let place = |from: &str, to: &str| broken(from, to).path;
    let variables = "Resources.BufferedFunction.Properties.Environment.Variables.ISSUER";
    assert_eq!(
        place("ISSUER: !Ref Issuer", "ISSUER: !Ref Isuer"),
        format!("{variables}.Ref")
    );
    let event = "Resources.BufferedFunction.Properties.Events.Closed.Properties";
    assert_eq!(
        place("Path: /closed\n            Method: GET", "Path: /closed"),
        format!("{event}.Method")
    );
    assert_eq!(
        place("Timeout: !Ref Seconds", "Timeout: 901"),
        "Resources.BufferedFunction.Properties.Timeout"
    );
    let stream = "Resources.StreamedFunction.Properties.Events.Stream.Properties";
    assert_eq!(
        place("RESPONSE_STREAM", "STREAM"),
        format!("{stream}.ResponseTransferMode")
    );
    assert_eq!(place("Path: /stream", "Path: stream"), format!("{stream}.Path"));
    assert_eq!(
        place(
            "Path: /also/closed\n            Method: POST",
            "Path: /closed\n            Method: get"
        ),
        { "Resources.BufferedFunction.Properties.Events.Closed.Properties" }
    );
    assert_eq!(
        place("GetAtt AuthorizerFunction.Arn", "GetAtt Table.Arn"),
        "Resources.Gateway.Properties.Auth.Authorizers.Keys.FunctionArn"
    );
    assert_eq!(
        place("StatusCode: 503", "StatusCode: 99"),
        "Resources.Gateway.Properties.GatewayResponses.AUTHORIZER_FAILURE.StatusCode"
    );
    assert_eq!(
        place("ReauthorizeEvery: 0", "ReauthorizeEvery: 60"),
        "Resources.Gateway.Properties.Auth.Authorizers.Keys.Identity"
    );
    let error = broken(
        "Issuer:\n    Type: String",
        "Issuer:\n    Type: String\n  Issuer:\n    Type: String",
    );
    assert!(error.problem.contains("duplicate"), "{error}");
}

#[test]
fn a_parameter_without_a_value_is_an_error_only_where_it_is_used() {
    let error = Template::parse(TEXT, &Values::default()).unwrap_err();
    assert_eq!(error.problem, "the parameter Issuer has no value");
    assert!(Template::parse(&TEXT.replace("ISSUER: !Ref Issuer", "ISSUER: x"), &Values::default()).is_ok());
}

#[test]
fn the_projects_own_template_is_understood_and_every_function_has_its_variables() {
    let template = Template::parse(include_str!("../../../template.yaml"), &values()).unwrap();
    let names: Vec<&str> = template
        .functions
        .iter()
        .map(|function| function.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["admin", "authorizer", "invoke", "stream", "sweep", "token", "upload"]
    );
    for route in &template.api.routes {
        assert_eq!(
            route.streamed,
            ["invoke", "stream", "upload"].contains(&route.function.as_str()),
            "{}",
            route.path
        );
    }
    assert!(
        template
            .functions
            .iter()
            .all(|function| function.environment["TOLLGATE_TABLE"] == "tollgate-table")
    );
    assert_eq!(template.secrets.len(), 1);
}

/// The environment of a function of the project's own template, with some parameters besides.
fn environment(name: &str, parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut values = values();
    let parameters = parameters
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    values.parameters.extend(parameters);
    let template = Template::parse(include_str!("../../../template.yaml"), &values).unwrap();
    let function = template.functions.into_iter().find(|function| function.name == name);
    function.unwrap().environment
}

#[test]
fn a_storage_service_is_told_of_where_there_is_one_and_nowhere_else() {
    let of_service = |all: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        let set = all
            .iter()
            .filter(|(name, value)| name.contains("_STORAGE_SERVICE_") && !value.is_empty());
        set.map(|(name, value)| (name["TOLLGATE_STORAGE_SERVICE_".len()..].to_owned(), value.clone()))
            .collect()
    };
    let parameters = [
        ("StorageServiceUrl", "https://storage.example"),
        ("StorageServiceTokenUrl", "https://tokens.example"),
        ("StorageServiceClientId", "gateway"),
        (
            "StorageServiceClientSecretArn",
            "arn:aws:secretsmanager:us-east-1:000000000000:secret:storage",
        ),
    ];
    let expected = [
        ("BASE_URL", "https://storage.example"),
        ("TLS_CA_FILE", "/opt/storage/ca.pem"),
        ("TLS_CERTIFICATE_FILE", "/opt/storage/gateway.pem"),
        ("TLS_ENABLED", "true"),
        ("TLS_KEY_FILE", "/opt/storage/gateway.key"),
        ("TLS_MINIMUM_VERSION", "1.3"),
        ("TOKEN_BASE_URL", "https://tokens.example"),
        ("TOKEN_CLIENT_ID", "gateway"),
        (
            "TOKEN_CLIENT_SECRET_NAME",
            "arn:aws:secretsmanager:us-east-1:000000000000:secret:storage",
        ),
        ("TOKEN_TLS_CA_FILE", "/opt/storage/ca.pem"),
        ("TOKEN_TLS_CERTIFICATE_FILE", "/opt/storage/gateway.pem"),
        ("TOKEN_TLS_ENABLED", "true"),
        ("TOKEN_TLS_KEY_FILE", "/opt/storage/gateway.key"),
        ("TOKEN_TLS_MINIMUM_VERSION", "1.3"),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    for function in ["upload", "invoke", "stream", "sweep", "admin"] {
        assert_eq!(of_service(&environment(function, &[])), BTreeMap::new(), "{function}");
        assert_eq!(of_service(&environment(function, &parameters)), expected, "{function}");
    }
    for function in ["token", "authorizer"] {
        assert_eq!(
            of_service(&environment(function, &parameters)),
            BTreeMap::new(),
            "{function}"
        );
    }
}

/// Rights and layers, which the local stack has no use for: as text.
#[test]
fn functions_that_reach_files_and_no_others_get_the_storage_services_layer_and_secret() {
    let text = include_str!("../../../template.yaml");
    let resources: Vec<_> = text.split("\n  ").collect();
    let mut found = BTreeMap::new();
    let mut name = "";
    for line in resources {
        if !line.starts_with(' ') && line.ends_with(':') {
            name = line.trim_end_matches(':');
        }
        if line.contains("!If [HasStorageLayer, [!Ref StorageServiceTlsLayerArn]")
            || line.ends_with("Resource: !Ref StorageServiceClientSecretArn")
        {
            *found.entry(name).or_insert(0) += 1;
        }
    }
    let expected =
        ["Admin", "Invoke", "Stream", "Sweep", "Upload"].map(|name| [format!("{name}Function"), format!("{name}Role")]);
    let expected: BTreeMap<_, _> = expected.iter().flatten().map(|name| (&**name, 1)).collect();
    assert_eq!(found, expected);
}

#[test]
fn schedules_are_rates_of_functions_and_disabled_ones_are_left_out() {
    let schedules = template().schedules;
    let schedule = |name: &str| schedules.iter().find(|it| it.name == name).unwrap();
    assert_eq!(schedules.len(), 2);
    let regularly = schedule("tollgate-ScheduledFunctionRegularly");
    let expected = Schedule {
        name: "tollgate-ScheduledFunctionRegularly".to_owned(),
        function: "scheduled".to_owned(),
        period_seconds: 300,
        input: None,
        scheduler: Scheduler::Scheduler,
    };
    assert_eq!(regularly, &expected);
    let rarely = schedule("tollgate-ScheduledFunctionRarely");
    assert_eq!((rarely.period_seconds, rarely.scheduler), (86_400, Scheduler::Rule));
    assert_eq!(rarely.input.as_deref(), Some(r#"{"command":"rarely"}"#));
}

#[test]
fn a_schedule_that_is_no_rate_is_refused_with_its_place() {
    for (expression, problem) in [
        (
            "cron(0/5 * * * ? *)",
            "only rate(...) is understood here, not cron(0/5 * * * ? *)",
        ),
        ("at(2026-11-25T00:00:00)", "only rate(...) is understood"),
        ("rate(5 minute)", "is not a rate"),
        ("rate(1 minutes)", "is not a rate"),
        ("rate(0 minutes)", "is not a rate"),
        ("rate(5 seconds)", "is not a rate"),
        ("rate(5 minutes", "is not a rate"),
    ] {
        let error = broken("rate(5 minutes)", &format!("'{expression}'"));
        let place = "Resources.ScheduledFunction.Properties.Events.Regularly.Properties.ScheduleExpression";
        assert_eq!(error.path, place);
        assert!(error.problem.contains(problem), "{error}");
    }
}
