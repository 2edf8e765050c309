//! What stands in the stack's table and secrets, looked at (and, for what no API makes, written) through the AWS SDK.

use aws_sdk_dynamodb::types::AttributeValue;
use gateway::aws::Aws;
use gateway::config::Variables;
use gateway::jwt::{KeyAlgorithm, KeyRing, Rotation, SigningKey};
use gateway::secrets::Secrets;
use gateway::store::Store;
use jiff::{SignedDuration, Timestamp};
use localstack::aws::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, sdk_config};

use super::Stack;

/// The stack's DynamoDB.
pub fn dynamodb(stack: &Stack) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(&sdk_config(false))
        .endpoint_url(&stack.ready().dynamodb)
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

/// The stack's table, as the functions see it.
pub fn store(stack: &Stack) -> Store {
    Store::new(dynamodb(stack), stack.ready().table.clone())
}

/// Every item of the table in words, for searching.
pub async fn table_text(stack: &Stack) -> String {
    let mut pages = dynamodb(stack)
        .scan()
        .table_name(&stack.ready().table)
        .into_paginator()
        .items()
        .send();
    let mut text = String::new();
    while let Some(item) = pages.next().await {
        text.push_str(&format!("{:?}\n", item.unwrap()));
    }
    text
}

/// Lets the lease of whoever verifies an upload be over, as it is some minutes later. `false`: nobody does.
pub async fn end_lease(stack: &Stack, owner: &str, session_id: &str) -> bool {
    let update = dynamodb(stack).update_item().table_name(&stack.ready().table);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let answer = update
        .key("pk", text(&format!("FILES#{owner}")))
        .key("sk", text(session_id))
        .update_expression("SET verifying_until = :past")
        .condition_expression("attribute_exists(verifying_until)")
        .expression_attribute_values(":past", text("2000-01-01T00:00:00Z"))
        .send()
        .await;
    match answer {
        Ok(_) => true,
        Err(error) => {
            let error = error.into_service_error();
            assert!(error.is_conditional_check_failed_exception(), "{error}");
            false
        }
    }
}

fn secretsmanager(stack: &Stack) -> aws_sdk_secretsmanager::Client {
    let config = aws_sdk_secretsmanager::config::Builder::from(&sdk_config(false))
        .endpoint_url(&stack.ready().secretsmanager)
        .build();
    aws_sdk_secretsmanager::Client::from_conf(config)
}

/// Makes a secret, as whoever deploys makes those of identity providers.
pub async fn make_secret(stack: &Stack, name: &str, value: &str) {
    let made = secretsmanager(stack).create_secret().name(name).secret_string(value);
    made.send().await.unwrap();
}

const SIGNING_SECRET: &str = "tollgate-signing-secret";

/// The stack's secrets, as the functions read them.
fn secrets(stack: &Stack) -> Secrets {
    let variables = [
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
        ("AWS_ENDPOINT_URL", &*stack.ready().secretsmanager),
    ];
    let variables = variables.map(|(name, value)| (name, value.to_owned()));
    Secrets::new(&Aws::from_environment(Variables::Given(variables.to_vec())).unwrap())
}

/// Has a new key sign from now on. Functions that have read the keys already keep theirs for some minutes: this comes first.
pub async fn rotate_signing_key(stack: &Stack, algorithm: KeyAlgorithm) {
    let secrets = secrets(stack);
    let at_once = Rotation {
        algorithm,
        period: SignedDuration::ZERO,
        lead: SignedDuration::ZERO,
    };
    let written = gateway::signing::rotate(&secrets, SIGNING_SECRET, &at_once, Timestamp::now()).await;
    assert!(written.unwrap());
}

/// The stack's secrets, and the name of the one with its signing keys.
pub fn signing_secret(stack: &Stack) -> (Secrets, &'static str) {
    (secrets(stack), SIGNING_SECRET)
}

/// The key that the stack's tokens are signed with.
pub async fn signing_key(stack: &Stack) -> SigningKey {
    let (secrets, id) = signing_secret(stack);
    let stored = secrets.read(id).await.unwrap();
    let ring = KeyRing::from_stored(&stored, KeyAlgorithm::EdDsa).unwrap();
    ring.signing(Timestamp::now()).unwrap().key.clone()
}
