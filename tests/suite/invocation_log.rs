//! The invocation log of the mock, behind functions in process and in a stack over another AWS.

use gateway::clock::Clock;
use localstack::aws::sdk_config;
use localstack::invocation_log;
use serde_json::json;
use tests::backing::{Backing, Setup};
use tests::event::{bedrock_body, invoke};
use tests::in_process::Functions;
use tests::local::{Route, Stack, marker};
use tests::unreliable::Unreliable;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_a_function_is_in_the_log_at_the_functions_own_time() {
    let backing = Backing::start_with(&Setup {
        invocation_log: true,
        ..Setup::default()
    })
    .await;
    let functions = Functions::new(&backing);
    backing.mock.change_log(|log| log.clock = functions.clock.clone());
    assert!(matches!(functions.clock, Clock::Held(_)));
    let event = invoke("user:alice", &bedrock_body(&json!({ "output_tokens": 3 }))).event();
    assert_eq!(functions.call("invoke", &event).await.http().status, 200);
    backing.mock.flush_log().await.unwrap();
    let listed = backing.s3().list_objects_v2().bucket(invocation_log::BUCKET);
    let listed = listed.send().await.unwrap();
    let keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
    let hour = "bedrock/AWSLogs/000000000000/BedrockModelInvocationLogs/us-east-1/2026/12/01/12/";
    assert!(keys.len() == 1 && keys[0].starts_with(hour), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_over_another_aws_has_its_log_there() {
    let aws = Unreliable::aws().await;
    let stack = Stack::start(&["--aws-endpoint", &aws.url, "--environments", "1"]).await;
    assert_eq!(Route::Messages.call(&stack.user(), &marker()).await.status, 200);
    stack.mock().flush_log().await;
    let config = aws_sdk_s3::config::Builder::from(&sdk_config(false)).endpoint_url(&aws.url);
    let s3 = aws_sdk_s3::Client::from_conf(config.force_path_style(true).build());
    let bucket = stack.ready().invocation_log_bucket.as_deref().unwrap();
    let listed = s3.list_objects_v2().bucket(bucket).send().await.unwrap();
    assert_eq!(listed.contents().len(), 1);
    assert!(aws.counts().of("PutItem") > 0, "{:?}", aws.counts());
}
