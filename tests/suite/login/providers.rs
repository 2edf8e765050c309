//! What providers say, right and wrong: id tokens, documents, GitHub's ways, and whom their people become here.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use gateway::role::Role;
use gateway::store::Identity;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};
use tests::event::request;
use tests::provider::{ACCESS_TOKEN, CLIENT_SECRET, GITHUB_TOKEN, parameter};

use super::desk::{Desk, encoded};

/// What the client is told of a login by a person of these claims: `code`, or the error.
async fn outcome(desk: &Desk, claims: &Value) -> String {
    let sent = desk.begin("idp", &[]).await;
    let answer = desk.back(&sent, claims).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let location = answer.header("location");
    match parameter(location, "code") {
        Some(_) => "code".into(),
        None => parameter(location, "error").unwrap(),
    }
}

fn with(mut claims: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

/// OpenID Connect Core, section 3.1.3.7
#[tokio::test]
async fn an_id_token_with_any_claim_wrong_lets_nobody_in() {
    let desk = Desk::new().await;
    let good = desk.claims("ada");
    let now = desk.functions.clock.now_seconds();
    assert_eq!(outcome(&desk, &good).await, "code");
    let alone = json!({"aud": ["gateway-at-the-provider"], "azp": "gateway-at-the-provider"});
    assert_eq!(outcome(&desk, &with(good.clone(), &alone)).await, "code");
    // OpenID Connect Core, section 3.1.3.6: the left half of the SHA-256.
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, ACCESS_TOKEN.as_bytes());
    let hash = BASE64_URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]);
    assert_eq!(
        outcome(&desk, &with(good.clone(), &json!({ "at_hash": hash }))).await,
        "code"
    );
    for changes in [
        json!({"iss": "https://evil.example"}),
        json!({"iss": format!("{}/", desk.oidc.url)}),
        json!({"aud": "another"}),
        json!({"aud": "gateway-at-the-provider2"}),
        json!({"aud": ["gateway-at-the-provider", "another"]}),
        json!({"aud": []}),
        json!({"azp": "another"}),
        json!({"azp": 1}),
        json!({"nonce": "another"}),
        json!({"nonce": ""}),
        json!({"exp": now}),
        json!({"exp": "later"}),
        json!({"exp": (now + 300).to_string()}),
        json!({"exp": "2099-01-01T00:00:00Z"}),
        json!({"iat": "2026-01-01T00:00:00Z"}),
        json!({"aud": ["gateway-at-the-provider", "gateway-at-the-provider"]}),
        json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}),
        json!({"at_hash": ""}),
        json!({"iat": now + 61}),
        json!({"sub": ""}),
        json!({"sub": 7}),
        json!({"sub": "x".repeat(256)}),
    ] {
        assert_eq!(
            outcome(&desk, &with(good.clone(), &changes)).await,
            "server_error",
            "{changes}"
        );
    }
}

/// RFC 8725: one key, one algorithm; a token never chooses.
#[tokio::test]
async fn an_id_token_of_another_key_or_algorithm_lets_nobody_in() {
    let desk = Desk::new().await;
    let good = desk.claims("ada");
    let header = |algorithm, kid: Option<&str>| {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        header
    };
    for (header, told) in [
        (header(Algorithm::HS256, Some("one")), "server_error"),
        (header(Algorithm::HS256, None), "server_error"),
        (header(Algorithm::ES256, Some("two")), "server_error"),
        // The only key there is needs no name.
        (header(Algorithm::ES256, None), "code"),
    ] {
        desk.oidc.spoilt.lock().unwrap().header = Some(header.clone());
        assert_eq!(outcome(&desk, &good).await, told, "{header:?}");
    }
    // Neither is a symmetric key that the provider publishes, nor the secret that it gave the gateway.
    let (symmetric, kid) = (b"a symmetric key that anybody has".to_vec(), Some("symmetric"));
    let published = BASE64_URL_SAFE_NO_PAD.encode(&symmetric);
    let published = json!({"kty": "oct", "alg": "HS256", "use": "sig", "kid": "symmetric", "k": published});
    for (secret, kid, keys) in [
        (symmetric, kid, vec![published]),
        (CLIENT_SECRET.as_bytes().to_vec(), None, vec![]),
        (CLIENT_SECRET.as_bytes().to_vec(), Some("one"), vec![]),
    ] {
        let desk = Desk::new().await;
        {
            let mut spoilt = desk.oidc.spoilt.lock().unwrap();
            (spoilt.secret, spoilt.keys) = (Some(secret), keys);
            spoilt.header = Some(header(Algorithm::HS256, kid));
        }
        assert_eq!(outcome(&desk, &desk.claims("ada")).await, "server_error", "{kid:?}");
    }
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.";
    for token in [none, "", "a.b", "a.b.c.d", "{}"] {
        desk.oidc.spoilt.lock().unwrap().id_token = Some(token.into());
        assert_eq!(outcome(&desk, &good).await, "server_error", "{token}");
    }
}

/// Discovery data is hostile input.
#[tokio::test]
async fn a_provider_that_names_another_issuer_or_places_of_ours_begins_no_login() {
    for changes in [
        json!({"issuer": "https://evil.example"}),
        json!({"issuer": null}),
        json!({"token_endpoint": "https://169.254.169.254/latest/meta-data"}),
        json!({"token_endpoint": "file:///etc/passwd"}),
        json!({"jwks_uri": "http://metadata.internal/"}),
        json!({"jwks_uri": 1}),
        json!({"authorization_endpoint": "javascript:alert(1)"}),
        json!({"userinfo_endpoint": "http://10.0.0.1/"}),
        json!({"end_session_endpoint": "javascript:alert(1)"}),
        json!({"end_session_endpoint": "https://169.254.169.254/"}),
        json!({"token_endpoint": null}),
        json!({"response_types_supported": "code"}),
    ] {
        let desk = Desk::new().await;
        desk.oidc.spoilt.lock().unwrap().discovery = changes.as_object().unwrap().clone();
        let answer = desk.get(&super::desk::authorize("idp", &[]), "").await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (503, ""),
            "{changes}: {answer:?}"
        );
    }
}

/// Identity is (issuer, subject): an address, verified or not, makes nobody somebody else.
#[tokio::test]
async fn a_person_is_known_by_issuer_and_subject_and_never_by_an_address() {
    let desk = Desk::new().await;
    let subject = async |claims: &Value| {
        let sent = desk.begin("idp", &[]).await;
        let answer = desk.back(&sent, claims).await;
        let code = parameter(answer.header("location"), "code").unwrap();
        let tokens = desk.redeem(&code).await.json();
        let context = desk.authorized(tokens["access_token"].as_str().unwrap()).await;
        context.unwrap()["sub"].as_str().unwrap().to_owned()
    };
    let ada = subject(&desk.claims("ada")).await;
    let moved = with(desk.claims("ada"), &json!({"email": "countess@example.com"}));
    assert_eq!(subject(&moved).await, ada);
    assert_ne!(subject(&desk.claims("eve")).await, ada, "eve has ada's address");
}

/// what nothing names gives nothing, an unverified address neither; and what was given once is taken away again.
#[tokio::test]
async fn groups_and_verified_domains_make_roles_and_teams() {
    let desk = Desk::new().await;
    let good = desk.claims("ada");
    for changes in [
        json!({"email_verified": false}),
        json!({"email_verified": "true"}),
        json!({"email_verified": null}),
        json!({"email": "ada@evil.example"}),
        json!({"email": "ada@example.com.evil.example"}),
        json!({"email": null, "groups": ["admin", "ADMIN"]}),
    ] {
        assert_eq!(
            outcome(&desk, &with(good.clone(), &changes)).await,
            "access_denied",
            "{changes}"
        );
    }
    let tokens = desk.tokens("ada").await;
    let sent = desk.begin("idp", &[]).await;
    let leads = with(good.clone(), &json!({"groups": ["ml", "others"]}));
    let answer = desk.back(&sent, &leads).await;
    let answer = desk
        .redeem(&parameter(answer.header("location"), "code").unwrap())
        .await;
    let context = desk
        .authorized(answer.json()["access_token"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(context["team"], "ml");
    // The client was not configured to have `team:admin`.
    assert_eq!(context["scopes"], "models:invoke usage:read files keys");
    let gone = with(good, &json!({"email": "ada@evil.example"}));
    assert_eq!(outcome(&desk, &gone).await, "access_denied");
    let refreshed = desk.refresh(tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refreshed.json()["error"], "invalid_grant");
}

///
#[tokio::test]
async fn where_people_must_exist_first_a_login_makes_nobody_and_no_role() {
    let desk = Desk::with(&json!({"users": "must_exist"})).await;
    assert_eq!(outcome(&desk, &desk.claims("ada")).await, "access_denied");
    let wish = json!({"identity": {"provider": "idp", "subject": "ada"}, "roles": ["user"]});
    let make = async || {
        desk.admin("admin", request("POST", "/api/admin/users").json(&wish))
            .await
    };
    let made = make().await;
    assert_eq!((made.status, make().await.status), (201, 409), "{made:?}");
    let user_id = made.json()["user_id"].as_str().unwrap().to_owned();
    assert_eq!(outcome(&desk, &desk.claims("ada")).await, "code");
    let found = desk.store().user(&user_id).await.unwrap().unwrap();
    assert_eq!((found.roles, found.team), (vec![Role::User], None));
    assert_eq!(found.email.as_deref(), Some("ada@example.com"));
}

/// Two first logins of one person at once make one person.
#[tokio::test]
async fn parallel_first_logins_make_one_person() {
    let desk = Desk::new().await;
    let tokens = futures_util::future::join_all((0..8).map(|_| desk.tokens("ada"))).await;
    let mut subjects = Vec::new();
    for tokens in tokens {
        let context = desk.authorized(tokens["access_token"].as_str().unwrap()).await.unwrap();
        subjects.push(context["sub"].as_str().unwrap().to_owned());
    }
    subjects.dedup();
    assert_eq!(subjects.len(), 1);
}

async fn from_github(desk: &Desk, person: &Value) -> tests::answer::HttpAnswer {
    let sent = desk.begin("hub", &[]).await;
    let code = desk.github.code(&sent.location, person);
    let state = parameter(&sent.location, "state").unwrap();
    let query = encoded(&[("code", &code), ("state", &state)]);
    desk.get(&format!("/auth/callback/hub?{query}"), &sent.cookie).await
}

/// Numeric ids, private addresses, the verified primary one of several.
#[tokio::test]
async fn github_people_come_by_their_number_and_their_verified_primary_address() {
    let desk = Desk::new().await;
    let emails = json!([
        {"email": "old@evil.example", "primary": false, "verified": true},
        {"email": "octo@example.com", "primary": true, "verified": true},
    ]);
    let octo =
        json!({"user": {"id": 583_231, "login": "octocat", "name": null, "email": null}, "emails": emails, "orgs": []});
    let answer = from_github(&desk, &octo).await;
    assert!(parameter(answer.header("location"), "code").is_some(), "{answer:?}");
    let identity = Identity::of_subject(desk.github.url.clone(), "583231".into());
    let user = desk.store().user_of_identity(&identity).await.unwrap().unwrap();
    assert_eq!(
        (user.email.as_deref(), user.name.as_deref()),
        (Some("octo@example.com"), Some("octocat"))
    );
    assert!(!serde_json::to_string(&user).unwrap().contains(GITHUB_TOKEN));
    // The public profile's address counts for nothing, and neither does one that is not verified.
    for emails in [
        json!(null),
        json!([]),
        json!([{"email": "a@example.com", "primary": true, "verified": false}]),
        json!([{"email": "a@example.com", "primary": false, "verified": true}]),
    ] {
        let other = json!({"user": {"id": 2, "login": "x", "email": "a@example.com"}, "emails": emails, "orgs": []});
        let answer = from_github(&desk, &other).await;
        assert_eq!(
            parameter(answer.header("location"), "error").unwrap(),
            "access_denied",
            "{other}"
        );
    }
    let member = json!({"user": {"id": 3, "login": "y"}, "emails": null, "orgs": [{"login": "acme"}]});
    assert!(parameter(from_github(&desk, &member).await.header("location"), "code").is_some());
}

/// GitHub answers a refused code with HTTP 200.
#[tokio::test]
async fn a_github_error_with_status_200_is_an_error() {
    let desk = Desk::new().await;
    let sent = desk.begin("hub", &[]).await;
    let state = parameter(&sent.location, "state").unwrap();
    let query = encoded(&[("code", "never-given"), ("state", &state)]);
    let answer = desk.get(&format!("/auth/callback/hub?{query}"), &sent.cookie).await;
    assert_eq!(parameter(answer.header("location"), "error").unwrap(), "access_denied");
}
