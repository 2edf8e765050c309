//! What a caller says of the work that a call is for stands in its row, and decides nothing; Bedrock is told what the configuration
//! allows.

use serde_json::{Value, json};
use tests::backing::Backing;
use tests::event::{messages, request};
use tests::in_process::Functions;

use super::{ALICE, asking, row, two};

const SESSION: &str = "5f0c9a52-3c5e-4b0c-9a52-0a1b2c3d4e5f";

async fn call(functions: &Functions, session: &str, agent: &str) {
    let request = messages(ALICE, &asking(&json!({})))
        .header("X-Claude-Code-Session-Id", session)
        .header("X-Claude-Code-Agent-Id", agent);
    assert_eq!(functions.ask("stream", &request).await.status, 200);
}

#[tokio::test]
async fn a_session_stands_in_its_rows_and_can_be_looked_for() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    call(&functions, SESSION, "agent-7").await;
    call(&functions, "another", "agent-8").await;
    call(&functions, "<no> id", "agent 9").await;
    let get = async |path: &str| {
        functions
            .call("admin", &request("GET", path).by(ALICE).event())
            .await
            .http()
    };
    let of_it = get(&format!("/api/usage/records?session={SESSION}")).await.json();
    assert_eq!(of_it["records"].as_array().unwrap().len(), 1);
    assert_eq!(of_it["records"][0]["session_id"], SESSION);
    assert_eq!(of_it["records"][0]["agent_id"], "agent-7");
    let all = get("/api/usage/records").await.json();
    let without = all["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["session_id"].is_null());
    assert_eq!(without.count(), 1, "what is no id is left out");
    assert_eq!(get("/api/usage/records?session=%3Cno%3E").await.status, 400);
    let csv = get(&format!("/api/usage/records?session={SESSION}&format=csv")).await;
    let text = String::from_utf8(csv.body.to_vec()).unwrap();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().ends_with(",target,session_id,agent_id"), "{text}");
    assert!(
        lines.next().unwrap().ends_with(&format!(",home,{SESSION},agent-7")),
        "{text}"
    );
    assert_eq!(lines.next(), None);
}

/// The metadata that Bedrock got with the last call.
fn metadata(backing: &Backing) -> Value {
    let request = backing.mock.requests().pop().unwrap();
    serde_json::from_str(&request.headers["x-amzn-bedrock-request-metadata"]).unwrap()
}

#[tokio::test]
async fn bedrock_is_told_of_the_caller_what_the_configuration_allows_and_else_nothing() {
    let backing = Backing::start().await;
    call(&Functions::new(&backing), SESSION, "a").await;
    let id = row(&backing).await.request_id;
    assert_eq!(metadata(&backing), json!({"tollgate_request_id": id}));
    let told = two(&backing, &[("TOLLGATE_UPSTREAM_METADATA", "user,team,key,session")]);
    call(&told, SESSION, "a").await;
    let told = metadata(&backing);
    assert_eq!(
        (&told["tollgate_user"], &told["tollgate_session"]),
        (&json!(ALICE), &json!(SESSION))
    );
    assert!(
        told.get("tollgate_key").is_none() && told.get("tollgate_team").is_none(),
        "{told}"
    );
}
