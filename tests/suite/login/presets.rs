//! What each make of provider is known for, told by a provider of that shape. Their own pages are named in docs/login.md.

use serde_json::{Value, json};
use tests::provider::{CLIENT_ID, parameter};

use super::desk::{Desk, SECRET, encoded};

const TENANT: &str = "11111111-aaaa-4bbb-8ccc-222222222222";

/// A desk with one provider of this make; `more` gets the mock's URL.
async fn shaped(kind: &str, more: impl Fn(&str) -> Value) -> Desk {
    Desk::made(|url| {
        let mut provider = json!({"id": "idp", "kind": kind, "client_id": CLIENT_ID, "secret": SECRET, "issuer": url});
        provider
            .as_object_mut()
            .unwrap()
            .extend(more(url).as_object().unwrap().clone());
        json!({ "providers": [provider] })
    })
    .await
}

fn says(desk: &Desk, discovery: &Value) {
    desk.oidc.spoilt.lock().unwrap().discovery = discovery.as_object().unwrap().clone();
}

/// What the client is told of somebody with these claims: `code`, or the error. The provider does not name itself in its answer, as few do.
async fn told(desk: &Desk, changes: &Value) -> String {
    match login(desk, changes).await {
        Ok(_) => "code".into(),
        Err(error) => error,
    }
}

/// The code that a person of these claims gets; `null` takes a claim away.
async fn login(desk: &Desk, changes: &Value) -> Result<String, String> {
    let sent = desk.begin("idp", &[]).await;
    let mut claims = desk.claims("ada");
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let code = desk.oidc.code(&sent.location, &claims);
    let state = parameter(&sent.location, "state").unwrap();
    let query = encoded(&[("code", &code), ("state", &state)]);
    let answer = desk.get(&format!("/auth/callback/idp?{query}"), &sent.cookie).await;
    let location = answer.header("location");
    parameter(location, "code").ok_or_else(|| parameter(location, "error").unwrap())
}

/// The team of a person of these claims.
async fn team(desk: &Desk, changes: &Value) -> Value {
    let code = login(desk, changes).await.unwrap();
    let tokens = desk.redeem(&code).await.json();
    let context = desk.authorized(tokens["access_token"].as_str().unwrap()).await.unwrap();
    context["team"].clone()
}

const SILENT: &str = "authorization_response_iss_parameter_supported";

/// Google verified an address once; it answers for it where it keeps the mailbox.
#[tokio::test]
async fn google_answers_for_addresses_of_its_own_and_of_organisations_alone() {
    let rules = json!({"domains": {"example.com": {"roles": ["user"]}, "gmail.com": {"roles": ["user"]}}});
    let desk = shaped("google", |_| json!({ "rules": rules })).await;
    says(&desk, &json!({ SILENT: false }));
    for (changes, right) in [
        (json!({"hd": "example.com"}), "code"),
        (json!({"hd": "example.com", "azp": CLIENT_ID, "at_hash": null}), "code"),
        // Anybody makes an account with an address of another domain, and keeps it when the address is somebody else's.
        (json!({}), "access_denied"),
        (json!({"hd": true}), "access_denied"),
        (json!({"hd": "example.com", "email_verified": false}), "access_denied"),
        (
            json!({"hd": "evil.example", "email": "ada@evil.example"}),
            "access_denied",
        ),
        (json!({"email": "ada@gmail.com"}), "code"),
        (json!({"email": "ada@gmail.com.evil.example"}), "access_denied"),
        // The form of old: the discovery document names the one with https.
        (
            json!({"hd": "example.com", "iss": "accounts.google.com"}),
            "server_error",
        ),
    ] {
        assert_eq!(told(&desk, &changes).await, right, "{changes}");
    }
}

/// Microsoft's addresses are what a directory writes into them; its tokens are of the directory that was configured.
#[tokio::test]
async fn microsofts_people_are_of_one_directory_and_come_by_group_and_never_by_address() {
    let group = "33333333-dddd-4eee-8fff-444444444444";
    let rules = json!({
        "domains": {"example.com": {"team": "all", "roles": ["admin"]}}, "groups": {group: {"team": "ml", "roles": ["user"]}},
    });
    let desk = shaped("microsoft", |_| json!({"tenant": TENANT, "rules": rules})).await;
    says(&desk, &json!({ SILENT: false }));
    let token = |more: Value| {
        let mut token = json!({
            "tid": TENANT, "oid": "55555555-0000-4000-8000-666666666666", "ver": "2.0", "preferred_username": "ada@example.com",
            "email_verified": null, "groups": [group],
        });
        token.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        token
    };
    assert_eq!(team(&desk, &token(json!({}))).await, "ml");
    for (changes, right) in [
        (json!({"tid": "99999999-aaaa-4bbb-8ccc-222222222222"}), "access_denied"),
        (json!({"tid": 1}), "access_denied"),
        (json!({"groups": []}), "access_denied"),
        (json!({"groups": [], "email_verified": true}), "access_denied"),
        (
            json!({"groups": [], "email_verified": true, "xms_edov": true}),
            "access_denied",
        ),
        // Of people in very many groups it tells none, but where they are listed.
        (
            json!({"groups": null, "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example"}}}),
            "access_denied",
        ),
    ] {
        assert_eq!(told(&desk, &token(changes.clone())).await, right, "{changes}");
    }
    // What `common` says of itself: an issuer with a gap, which would be anybody's directory.
    let desk = shaped("microsoft", |_| json!({"tenant": TENANT})).await;
    says(
        &desk,
        &json!({"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"}),
    );
    assert_eq!(desk.get(&super::desk::authorize("idp", &[]), "").await.status, 503);
}

/// GitLab's token lists direct groups; all of them, with those that come by a parent, are told by userinfo.
#[tokio::test]
async fn gitlabs_groups_are_direct_ones_in_the_token_and_all_in_userinfo() {
    let rules =
        json!({"groups": {"acme/ml": {"team": "ml", "roles": ["user"]}, "acme": {"team": "acme", "roles": ["user"]}}});
    let token = json!({"sub": "4711", "email": null, "email_verified": null, "groups_direct": ["acme/ml"]});
    let info = json!({"sub": "4711", "email": "ada@example.com", "email_verified": true, "groups": ["acme"]});
    for (claim, right) in [("groups_direct", "ml"), ("groups", "acme")] {
        let desk = shaped("gitlab", |_| json!({"groups_claim": claim, "rules": rules})).await;
        says(
            &desk,
            &json!({SILENT: false, "userinfo_endpoint": format!("{}/userinfo", desk.oidc.url)}),
        );
        desk.oidc.spoilt.lock().unwrap().userinfo = info.clone();
        assert_eq!(team(&desk, &token).await, right, "{claim}");
    }
}

/// Auth0's issuer ends with a slash, its `updated_at` is a text, and claims of one's own have a namespace.
#[tokio::test]
async fn auth0s_issuer_ends_with_a_slash_and_groups_have_a_namespace() {
    let claim = "https://tollgate.example/groups";
    let rules = json!({"groups": {"ml": {"team": "ml", "roles": ["user"]}}});
    let desk = shaped(
        "auth0",
        |url| json!({"issuer": format!("{url}/"), "groups_claim": claim, "rules": rules}),
    )
    .await;
    let issuer = format!("{}/", desk.oidc.url);
    says(&desk, &json!({SILENT: false, "issuer": issuer}));
    let token = json!({
        "iss": issuer, "sub": "auth0|5f7c8ec7c33c6c004bbafe82", "updated_at": "2026-11-25T12:00:00.000Z", claim: ["ml"],
    });
    assert_eq!(team(&desk, &token).await, "ml");
    for changes in [json!({"iss": desk.oidc.url}), json!({"iss": format!("{issuer}/")})] {
        let mut wrong = token.clone();
        wrong["iss"] = changes["iss"].clone();
        assert_eq!(told(&desk, &wrong).await, "server_error", "{changes}");
    }
    let mut bare = token;
    bare[claim] = Value::Null;
    bare["groups"] = json!(["ml"]);
    assert_eq!(told(&desk, &bare).await, "access_denied");
}

/// Okta's token is thin where an access token comes with it: the rest is told by userinfo, which must be about the same person.
#[tokio::test]
async fn oktas_thin_tokens_are_completed_by_userinfo_at_either_kind_of_server() {
    let rules = json!({"groups": {"ml": {"team": "ml", "roles": ["user"]}}});
    for path in ["", "/oauth2/default"] {
        let desk = shaped(
            "okta",
            |url| json!({"issuer": format!("{url}{path}"), "extra_scopes": ["groups"], "rules": rules}),
        )
        .await;
        let issuer = format!("{}{path}", desk.oidc.url);
        let place = format!("{}/userinfo", desk.oidc.url);
        says(
            &desk,
            &json!({SILENT: false, "issuer": issuer, "userinfo_endpoint": place}),
        );
        let sent = desk.begin("idp", &[]).await;
        assert_eq!(
            parameter(&sent.location, "scope").unwrap(),
            "openid email profile groups"
        );
        let info = |more: Value| {
            let mut info =
                json!({"sub": "ada", "email": "ada@example.com", "email_verified": true, "groups": ["ml", "Everyone"]});
            info.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            desk.oidc.spoilt.lock().unwrap().userinfo = info;
        };
        let thin =
            json!({"iss": issuer, "email": null, "email_verified": null, "ver": 1, "idp": "00o1", "amr": ["pwd"]});
        info(json!({}));
        assert_eq!(team(&desk, &thin).await, "ml");
        for (more, right) in [
            (json!({"sub": "eve"}), "server_error"),
            (json!({"sub": null}), "server_error"),
            (json!({"groups": ["Everyone"]}), "access_denied"),
            (json!({"groups": "ml"}), "access_denied"),
        ] {
            info(more.clone());
            assert_eq!(told(&desk, &thin).await, right, "{more}");
        }
    }
}

/// An address and whether it is verified are of one telling: userinfo does not verify the token's.
#[tokio::test]
async fn an_address_of_the_token_is_not_verified_by_userinfo() {
    let rules = json!({"domains": {"example.com": {"roles": ["user"]}}, "groups": {"none": {"roles": ["user"]}}});
    let desk = shaped("oidc", |_| json!({ "rules": rules })).await;
    says(
        &desk,
        &json!({SILENT: false, "userinfo_endpoint": format!("{}/userinfo", desk.oidc.url)}),
    );
    let info = json!({"sub": "ada", "email": "ada@evil.example", "email_verified": true});
    desk.oidc.spoilt.lock().unwrap().userinfo = info;
    assert_eq!(told(&desk, &json!({"email_verified": null})).await, "access_denied");
    assert_eq!(told(&desk, &json!({})).await, "code");
}
