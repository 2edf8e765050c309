//! Starting, restarting, and DynamoDB.

use rusqlite::Connection;

use super::*;

#[tokio::test]
async fn everything_that_was_asked_for_is_there_when_it_has_started() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started(data.path()).await;
    for url in [&endpoints.dynamodb, &endpoints.s3, &endpoints.secretsmanager] {
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
        .map(aws_sdk_dynamodb::types::KeySchemaElement::attribute_name)
        .collect();
    assert_eq!(keys, ["pk", "sk"]);
    let described = client.describe_time_to_live().table_name(TABLE).send().await.unwrap();
    let time_to_live = described.time_to_live_description.unwrap();
    assert_eq!(time_to_live.attribute_name(), Some("expires_at"));
}

#[tokio::test]
async fn a_wrong_table_description_is_an_error_that_names_it() {
    let data = tempfile::tempdir().unwrap();
    let options = Options {
        data: data.path().to_owned(),
        aws_endpoint: None,
        privileges: None,
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
        error.to_string().starts_with("cannot create table Keyless: "),
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
    assert_eq!(read.send().await.unwrap().item.unwrap()["available"], number(2));
}

/// A table as the template describes it, with or without its index.
fn days(indexed: bool) -> serde_json::Value {
    let key = |hash: &str| {
        json!([
            { "AttributeName": hash, "KeyType": "HASH" },
            { "AttributeName": "sk", "KeyType": "RANGE" },
        ])
    };
    let names: &[&str] = if indexed { &["pk", "sk", "day"] } else { &["pk", "sk"] };
    let attribute = |name: &&str| json!({ "AttributeName": name, "AttributeType": "S" });
    let mut table = json!({
        "TableName": "Days", "BillingMode": "PAY_PER_REQUEST", "KeySchema": key("pk"),
        "AttributeDefinitions": names.iter().map(attribute).collect::<Vec<_>>(),
    });
    if indexed {
        let index =
            json!({ "IndexName": "by_day", "KeySchema": key("day"), "Projection": { "ProjectionType": "ALL" } });
        table["GlobalSecondaryIndexes"] = json!([index]);
    }
    table
}

async fn started_with(data: &std::path::Path, table: serde_json::Value) -> Endpoints {
    let options = Options {
        data: data.to_owned(),
        aws_endpoint: None,
        privileges: None,
    };
    let resources = Resources {
        tables: vec![table],
        ..Resources::default()
    };
    start(&options, &resources).await.unwrap()
}

async fn put_days(client: &aws_sdk_dynamodb::Client) {
    let items = [
        ("a", "3", Some("d1")),
        ("b", "1", Some("d1")),
        ("c", "2", Some("d2")),
        ("d", "2", None),
        ("e", "2", Some("d1")),
    ];
    for (pk, sk, day) in items {
        let mut put = client.put_item().table_name("Days");
        put = put.item("pk", text(pk)).item("sk", text(sk)).item("note", text("n"));
        if let Some(day) = day {
            put = put.item("day", text(day));
        }
        put.send().await.unwrap();
    }
}

/// The items of the day `d1`, in pages of two.
async fn of_the_day(client: &aws_sdk_dynamodb::Client) -> Vec<String> {
    let query = client.query().table_name("Days").index_name("by_day").limit(2);
    let query = query
        .key_condition_expression("#d = :d")
        .expression_attribute_names("#d", "day");
    let query = query.expression_attribute_values(":d", text("d1"));
    let first = query.clone().send().await.unwrap();
    let rest = query.set_exclusive_start_key(first.last_evaluated_key.clone());
    let rest = rest.send().await.unwrap();
    assert_eq!((first.items().len(), rest.last_evaluated_key()), (2, None));
    let items = first.items().iter().chain(rest.items());
    items
        .map(|item| format!("{}{}", item["pk"].as_s().unwrap(), item["note"].as_s().unwrap()))
        .collect()
}

#[tokio::test]
async fn an_index_gives_the_items_of_its_key_in_order_and_page_by_page() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started_with(data.path(), days(true)).await;
    let client = dynamodb(&endpoints);
    put_days(&client).await;
    assert_eq!(of_the_day(&client).await, ["bn", "en", "an"]);
}

#[tokio::test]
async fn an_index_that_a_kept_table_has_not_yet_is_added_and_filled() {
    let data = tempfile::tempdir().unwrap();
    let before = started_with(data.path(), days(false)).await;
    put_days(&dynamodb(&before)).await;
    before.stop().await;
    for _ in 0..2 {
        let after = started_with(data.path(), days(true)).await;
        assert_eq!(of_the_day(&dynamodb(&after)).await, ["bn", "en", "an"]);
        after.stop().await;
    }
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
    let object = s3(&after).get_object().bucket(BUCKET).key("kept").send().await.unwrap();
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
        privileges: None,
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

#[tokio::test]
async fn a_parallel_scan_reads_on_from_its_place_and_sorts_nothing() {
    let data = tempfile::tempdir().unwrap();
    let _endpoints = started(data.path()).await;
    let connection = Connection::open(data.path().join(TABLES)).unwrap();
    // As `dynoxide` asks for a page of one.
    let page = format!(
        "EXPLAIN QUERY PLAN SELECT item_json FROM \"{TABLE}\" WHERE (hash_prefix, pk, sk) > ('a', 'b', 'c')
         AND substr(hash_prefix, 1, 3) >= 'aaa' ORDER BY hash_prefix, pk, sk LIMIT 10"
    );
    let mut plan = connection.prepare(&page).unwrap();
    let plan: Vec<String> = plan
        .query_map([], |row| row.get("detail"))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let [step] = plan.as_slice() else { panic!("{plan:?}") };
    assert!(step.starts_with("SEARCH") && step.contains("::hash"), "{step}");
}
