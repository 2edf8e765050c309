//! The invocation log of the mock behind functions in process.

use gateway::clock::Clock;
use localstack::invocation_log;
use serde_json::json;
use tests::backing::{Backing, Setup};
use tests::event::{bedrock_body, invoke};
use tests::in_process::Functions;

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
