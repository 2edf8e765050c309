#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::presigning::PresigningConfig;
use serde_json::json;

use super::*;

const TABLE: &str = "Table";
const BUCKET: &str = "tollgate-files";
const SECRET: &str = "tollgate/signing";

fn resources() -> Resources {
    let table = json!({
        "TableName": TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            { "AttributeName": "pk", "AttributeType": "S" },
            { "AttributeName": "sk", "AttributeType": "S" },
        ],
        "KeySchema": [
            { "AttributeName": "pk", "KeyType": "HASH" },
            { "AttributeName": "sk", "KeyType": "RANGE" },
        ],
        "TimeToLiveSpecification": { "AttributeName": "expires_at", "Enabled": true },
    });
    Resources {
        tables: vec![table],
        buckets: vec![BUCKET.to_owned()],
        secrets: vec![(
            SECRET.to_owned(),
            r#"{"alg":"EdDSA","seed":"s"}"#.to_owned(),
        )],
    }
}

async fn started(data: &std::path::Path) -> Endpoints {
    let options = Options {
        data: data.to_owned(),
        aws_endpoint: None,
    };
    start(&options, &resources()).await.unwrap()
}

fn dynamodb(endpoints: &Endpoints) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(&sdk_config(false));
    aws_sdk_dynamodb::Client::from_conf(config.endpoint_url(&endpoints.dynamodb).build())
}

fn s3(endpoints: &Endpoints) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&sdk_config(false));
    aws_sdk_s3::Client::from_conf(config.endpoint_url(&endpoints.s3).build())
}

fn secretsmanager(endpoints: &Endpoints) -> aws_sdk_secretsmanager::Client {
    let config = aws_sdk_secretsmanager::config::Builder::from(&sdk_config(false));
    aws_sdk_secretsmanager::Client::from_conf(
        config.endpoint_url(&endpoints.secretsmanager).build(),
    )
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

async fn put(
    client: &aws_sdk_dynamodb::Client,
    pk: &str,
    owner: &str,
) -> Result<(), Option<String>> {
    let put = client
        .put_item()
        .table_name(TABLE)
        .item("pk", text(pk))
        .item("sk", text("a"));
    let put = put
        .item("owner", text(owner))
        .condition_expression("attribute_not_exists(pk)");
    put.send()
        .await
        .map(|_| ())
        .map_err(|error| error.code().map(str::to_owned))
}

#[tokio::test]
async fn everything_is_ready_within_a_second() {
    let data = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let endpoints = started(data.path()).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    for url in [
        &endpoints.dynamodb,
        &endpoints.s3,
        &endpoints.secretsmanager,
    ] {
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    }
    let arn = &endpoints.secret_arns[SECRET];
    assert!(
        arn.starts_with("arn:aws:secretsmanager:us-east-1:000000000000:secret:tollgate/signing-"),
        "{arn}"
    );
}

#[tokio::test]
async fn the_table_is_as_described_with_its_time_to_live() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started(data.path()).await;
    let client = dynamodb(&endpoints);
    let table = client
        .describe_table()
        .table_name(TABLE)
        .send()
        .await
        .unwrap()
        .table
        .unwrap();
    let keys: Vec<_> = table
        .key_schema()
        .iter()
        .map(|key| key.attribute_name())
        .collect();
    assert_eq!(keys, ["pk", "sk"]);
    let described = client
        .describe_time_to_live()
        .table_name(TABLE)
        .send()
        .await
        .unwrap();
    let time_to_live = described.time_to_live_description.unwrap();
    assert_eq!(time_to_live.attribute_name(), Some("expires_at"));
}

#[tokio::test]
async fn a_wrong_table_description_is_an_error_that_names_it() {
    let data = tempfile::tempdir().unwrap();
    let options = Options {
        data: data.path().to_owned(),
        aws_endpoint: None,
    };
    let tables = vec![json!({ "TableName": "Keyless", "AttributeDefinitions": [] })];
    let error = start(
        &options,
        &Resources {
            tables,
            ..Resources::default()
        },
    )
    .await
    .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot create table Keyless: "),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_conditional_writes_at_once_exactly_one_wins() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started(data.path()).await;
    let client = dynamodb(&endpoints);
    let writers = (0..32).map(|writer| {
        let client = client.clone();
        tokio::spawn(async move { put(&client, "one", &writer.to_string()).await })
    });
    let results: Vec<_> = futures_util::future::join_all(writers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    let refused = Err(Some("ConditionalCheckFailedException".to_owned()));
    assert!(lost.iter().all(|result| *result == refused), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_reservations_never_pass_the_limit() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started(data.path()).await;
    let client = dynamodb(&endpoints);
    let number = |value: u64| AttributeValue::N(value.to_string());
    let item = client
        .put_item()
        .table_name(TABLE)
        .item("pk", text("budget"))
        .item("sk", text("a"));
    item.item("available", number(100)).send().await.unwrap();
    let reservations = (0..40).map(|_| {
        let update = client
            .update_item()
            .table_name(TABLE)
            .key("pk", text("budget"))
            .key("sk", text("a"));
        let update = update
            .update_expression("SET available = available - :r")
            .condition_expression("available >= :r");
        tokio::spawn(update.expression_attribute_values(":r", number(7)).send())
    });
    let results = futures_util::future::join_all(reservations).await;
    assert_eq!(
        results
            .into_iter()
            .filter(|result| result.as_ref().unwrap().is_ok())
            .count(),
        14
    );
    let read = client
        .get_item()
        .table_name(TABLE)
        .key("pk", text("budget"))
        .key("sk", text("a"));
    assert_eq!(
        read.send().await.unwrap().item.unwrap()["available"],
        number(2)
    );
}

#[tokio::test]
async fn objects_are_written_and_read_and_presigned_urls_work() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started(data.path()).await;
    let client = s3(&endpoints);
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key("files/a b.txt")
        .content_type("text/plain");
    put.metadata("owner", "u1")
        .body(b"hello".to_vec().into())
        .send()
        .await
        .unwrap();
    let got = client
        .get_object()
        .bucket(BUCKET)
        .key("files/a b.txt")
        .range("bytes=1-3")
        .send()
        .await
        .unwrap();
    assert_eq!(got.content_type(), Some("text/plain"));
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "ell");

    let hour = || PresigningConfig::expires_in(Duration::from_secs(3600)).unwrap();
    let upload = client
        .put_object()
        .bucket(BUCKET)
        .key("up")
        .presigned(hour())
        .await
        .unwrap();
    let http = reqwest::Client::new();
    let uploaded = http.put(upload.uri()).body("by URL").send().await.unwrap();
    assert_eq!(uploaded.status(), 200);
    let download = client
        .get_object()
        .bucket(BUCKET)
        .key("up")
        .presigned(hour())
        .await
        .unwrap();
    assert_eq!(
        http.get(download.uri())
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        "by URL"
    );
    let other_key = download.uri().replace("/up?", "/files/a%20b.txt?");
    assert_eq!(http.get(other_key).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn s3_refuses_a_wrong_secret_key_and_no_credentials() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started(data.path()).await;
    let wrong = Credentials::new(ACCESS_KEY_ID, "not the key", None, None, "test");
    let config = aws_sdk_s3::config::Builder::from(&sdk_config(false)).credentials_provider(wrong);
    let client = aws_sdk_s3::Client::from_conf(config.endpoint_url(&endpoints.s3).build());
    let error = client
        .list_objects_v2()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
    let anonymous = reqwest::get(format!("{}/{BUCKET}/up", endpoints.s3))
        .await
        .unwrap();
    assert_eq!(anonymous.status(), 403);
}

#[tokio::test]
async fn a_secret_is_found_by_name_by_arn_and_by_stage() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started(data.path()).await;
    let client = secretsmanager(&endpoints);
    let arn = endpoints.secret_arns[SECRET].clone();
    let partial = arn.rsplit_once('-').unwrap().0.to_owned();
    let first = client
        .get_secret_value()
        .secret_id(SECRET)
        .send()
        .await
        .unwrap();
    assert_eq!(first.secret_string(), Some(r#"{"alg":"EdDSA","seed":"s"}"#));
    assert!(first.created_date().is_some());
    for id in [&arn, &partial] {
        let got = client
            .get_secret_value()
            .secret_id(id)
            .version_stage("AWSCURRENT")
            .send()
            .await
            .unwrap();
        assert_eq!(got.version_id(), first.version_id());
    }
    let put = client
        .put_secret_value()
        .secret_id(&arn)
        .secret_string("second")
        .send()
        .await
        .unwrap();
    assert_eq!(put.version_stages(), ["AWSCURRENT"]);
    client
        .put_secret_value()
        .secret_id(&arn)
        .secret_string("third")
        .send()
        .await
        .unwrap();
    for (stage, expected) in [("AWSCURRENT", "third"), ("AWSPREVIOUS", "second")] {
        let got = client
            .get_secret_value()
            .secret_id(&arn)
            .version_stage(stage)
            .send()
            .await
            .unwrap();
        assert_eq!(got.secret_string(), Some(expected));
    }
    let by_id = client
        .get_secret_value()
        .secret_id(&arn)
        .version_id(first.version_id().unwrap());
    assert_eq!(
        by_id.send().await.unwrap().secret_string(),
        first.secret_string()
    );
}

#[tokio::test]
async fn a_pending_version_becomes_current_when_its_label_is_moved() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started(data.path()).await;
    let client = secretsmanager(&endpoints);
    let pending = client
        .put_secret_value()
        .secret_id(SECRET)
        .secret_string("new")
        .version_stages("AWSPENDING");
    let pending = pending.send().await.unwrap().version_id.unwrap();
    let current = client
        .get_secret_value()
        .secret_id(SECRET)
        .send()
        .await
        .unwrap();
    assert_ne!(current.version_id(), Some(pending.as_str()));

    let promote = || {
        let request = client
            .update_secret_version_stage()
            .secret_id(SECRET)
            .version_stage("AWSCURRENT");
        request.move_to_version_id(&pending)
    };
    let unnamed = promote().send().await.unwrap_err();
    assert_eq!(unnamed.code(), Some("InvalidParameterException"));
    promote()
        .remove_from_version_id(current.version_id().unwrap())
        .send()
        .await
        .unwrap();

    let described = client
        .describe_secret()
        .secret_id(SECRET)
        .send()
        .await
        .unwrap();
    let stages = described.version_ids_to_stages().unwrap();
    assert_eq!(stages[current.version_id().unwrap()], ["AWSPREVIOUS"]);
    assert_eq!(stages[&pending], ["AWSPENDING", "AWSCURRENT"]);
}

#[tokio::test]
async fn secrets_refuse_as_aws_does() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started(data.path()).await;
    let client = secretsmanager(&endpoints);
    let unknown = client
        .get_secret_value()
        .secret_id("nobody")
        .send()
        .await
        .unwrap_err();
    assert!(
        unknown
            .as_service_error()
            .unwrap()
            .is_resource_not_found_exception()
    );
    let stage = client
        .get_secret_value()
        .secret_id(SECRET)
        .version_stage("AWSPREVIOUS")
        .send()
        .await
        .unwrap_err();
    assert!(
        stage
            .as_service_error()
            .unwrap()
            .is_resource_not_found_exception()
    );
    let taken = client
        .create_secret()
        .name(SECRET)
        .secret_string("x")
        .send()
        .await
        .unwrap_err();
    assert!(
        taken
            .as_service_error()
            .unwrap()
            .is_resource_exists_exception()
    );

    let token = "0123456789abcdef0123456789abcdef";
    let put = |value: &str| {
        client
            .put_secret_value()
            .secret_id(SECRET)
            .client_request_token(token)
            .secret_string(value)
            .send()
    };
    put("a").await.unwrap();
    put("a").await.unwrap();
    let changed = put("b").await.unwrap_err();
    assert!(
        changed
            .as_service_error()
            .unwrap()
            .is_resource_exists_exception()
    );

    let unsigned = reqwest::Client::new()
        .post(&endpoints.secretsmanager)
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(unsigned.status(), 400);
    assert!(
        unsigned
            .text()
            .await
            .unwrap()
            .contains("MissingAuthenticationTokenException")
    );
}

#[tokio::test]
async fn a_restart_keeps_items_objects_and_secrets() {
    let data = tempfile::tempdir().unwrap();
    let before = started(data.path()).await;
    put(&dynamodb(&before), "kept", "u1").await.unwrap();
    let object = s3(&before).put_object().bucket(BUCKET).key("kept");
    object.body(b"bytes".to_vec().into()).send().await.unwrap();
    let value = secretsmanager(&before)
        .put_secret_value()
        .secret_id(SECRET)
        .secret_string("rotated");
    value.send().await.unwrap();
    let arn = before.secret_arns[SECRET].clone();
    before.stop().await;

    let after = started(data.path()).await;
    assert_eq!(after.secret_arns[SECRET], arn);
    assert_eq!(
        put(&dynamodb(&after), "kept", "u2").await,
        Err(Some("ConditionalCheckFailedException".to_owned()))
    );
    let object = s3(&after)
        .get_object()
        .bucket(BUCKET)
        .key("kept")
        .send()
        .await
        .unwrap();
    assert_eq!(object.body.collect().await.unwrap().into_bytes(), "bytes");
    let value = secretsmanager(&after)
        .get_secret_value()
        .secret_id(&arn)
        .send()
        .await
        .unwrap();
    assert_eq!(value.secret_string(), Some("rotated"));
}

#[tokio::test]
async fn another_endpoint_gets_the_resources_by_the_same_path() {
    let data = tempfile::tempdir().unwrap();
    let embedded = started(data.path()).await;
    // Only Secrets Manager can stand in for "all services at one URL", so only a secret is asked for.
    let url = embedded.secretsmanager.clone();
    let options = Options {
        data: data.path().join("unused"),
        aws_endpoint: Some(format!("{url}/")),
    };
    let secrets = vec![("elsewhere".to_owned(), "v".to_owned())];
    let endpoints = start(
        &options,
        &Resources {
            secrets,
            ..Resources::default()
        },
    )
    .await
    .unwrap();
    assert_eq!((&endpoints.dynamodb, &endpoints.s3), (&url, &url));
    let got = secretsmanager(&embedded)
        .get_secret_value()
        .secret_id("elsewhere")
        .send()
        .await
        .unwrap();
    assert_eq!(got.secret_string(), Some("v"));
    assert!(!data.path().join("unused").exists());
}
