//! Secrets Manager.

use super::*;

#[tokio::test]
async fn a_secret_is_found_by_name_by_arn_and_by_stage() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started(data.path()).await;
    let client = secretsmanager(&endpoints);
    let arn = endpoints.secret_arns[SECRET].clone();
    let partial = arn.rsplit_once('-').unwrap().0.to_owned();
    let first = client.get_secret_value().secret_id(SECRET).send().await.unwrap();
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
    assert_eq!(by_id.send().await.unwrap().secret_string(), first.secret_string());
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
    let current = client.get_secret_value().secret_id(SECRET).send().await.unwrap();
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

    let described = client.describe_secret().secret_id(SECRET).send().await.unwrap();
    let stages = described.version_ids_to_stages().unwrap();
    assert_eq!(stages[current.version_id().unwrap()], ["AWSPREVIOUS"]);
    assert_eq!(stages[&pending], ["AWSPENDING", "AWSCURRENT"]);
}

#[tokio::test]
async fn secrets_refuse_as_aws_does() {
    let data = tempfile::tempdir().unwrap();
    let endpoints = started(data.path()).await;
    let client = secretsmanager(&endpoints);
    let unknown = client.get_secret_value().secret_id("nobody").send().await.unwrap_err();
    assert!(unknown.as_service_error().unwrap().is_resource_not_found_exception());
    let stage = client
        .get_secret_value()
        .secret_id(SECRET)
        .version_stage("AWSPREVIOUS")
        .send()
        .await
        .unwrap_err();
    assert!(stage.as_service_error().unwrap().is_resource_not_found_exception());
    let taken = client
        .create_secret()
        .name(SECRET)
        .secret_string("x")
        .send()
        .await
        .unwrap_err();
    assert!(taken.as_service_error().unwrap().is_resource_exists_exception());

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
    assert!(changed.as_service_error().unwrap().is_resource_exists_exception());

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
