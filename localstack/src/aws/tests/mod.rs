//! The services as the AWS SDK meets them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod objects;
mod privileges;
mod secrets;
mod tables;

use std::time::Duration;

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
        secrets: vec![(SECRET.to_owned(), r#"{"alg":"EdDSA","seed":"s"}"#.to_owned())],
    }
}

async fn started(data: &std::path::Path) -> Endpoints {
    let options = Options {
        data: data.to_owned(),
        aws_endpoint: None,
        privileges: None,
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
    aws_sdk_secretsmanager::Client::from_conf(config.endpoint_url(&endpoints.secretsmanager).build())
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

async fn put(client: &aws_sdk_dynamodb::Client, pk: &str, owner: &str) -> Result<(), Option<String>> {
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
