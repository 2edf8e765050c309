//! Access tokens as a resource server sees them that knows our published keys and nothing else of us.

use gateway::jwt::KeyAlgorithm;
use tests::foreign::Foreign;
use tests::local::rotate_signing_key;
use tests::provider::Oidc;

use crate::end_to_end::login::{stack, tokens};

/// RFC 9068 as oauth4webapi reads it, for a person's token and for a service account's, by each algorithm whose keys are
/// published; what was tampered with is refused.
#[tokio::test(flavor = "multi_thread")]
async fn oauth4webapi_accepts_access_tokens_of_every_algorithm_as_rfc_9068_and_none_that_was_tampered_with() {
    for algorithm in [KeyAlgorithm::EdDsa, KeyAlgorithm::Es256, KeyAlgorithm::Rs256] {
        let oidc = Oidc::start().await;
        let stack = stack(&oidc).await;
        if algorithm != KeyAlgorithm::EdDsa {
            rotate_signing_key(&stack, algorithm).await;
        }
        let (person, machine) = (tokens(&stack, &oidc).await, stack.service_account().await);
        let person = person["access_token"].as_str().unwrap();
        let (gateway, name) = (&stack.ready().gateway, algorithm.name());
        let told = Foreign::node("access_tokens.js", &[gateway, "tollgate", name, person, &machine.key]).await;
        let step = |what: &str| format!("{name}: {what}");
        let steps = [
            step("the token of a person"),
            step("the token of a service account"),
            step("tampered tokens are refused"),
        ];
        told.report(&steps.each_ref().map(String::as_str));
        let me = stack.bearer(person).get("/auth/me").await.json();
        assert_eq!(told.result, serde_json::json!([me["subject"], machine.name]));
    }
}
