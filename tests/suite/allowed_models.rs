//! Lists of allowed models: who bears them, when a change of one counts, and what no key can do to get around one.

use gateway::standing::LAG_SECONDS;
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::backing::Backing;
use tests::books::{open_calls, rows};
use tests::event::{
    MODEL, Request, chat, chat_body, converse, converse_body, converse_stream, invoke, invoke_stream, messages,
    messages_body, request,
};
use tests::in_process::Functions;

const SONNET: &str = "anthropic.claude-sonnet-*";
const HAIKU: &str = "anthropic.claude-haiku-*";

struct House {
    backing: Backing,
    functions: Functions,
}

impl House {
    async fn open() -> Self {
        let backing = Backing::start().await;
        let functions = Functions::new(&backing);
        Self { backing, functions }
    }

    async fn admin(&self, asked: Request) -> HttpAnswer {
        let admin = json!({"sub": "user:root", "scopes": "admin models:invoke usage:read files keys"});
        self.functions.ask("admin", &asked.principal(admin)).await
    }

    /// A service account for these models: its id, and a token.
    async fn account(&self, models: &Value) -> (String, String) {
        let wish = json!({ "name": "nightly", "models": models });
        let made = self.admin(request("POST", "/api/admin/clients").json(&wish)).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        assert_eq!(made["models"], *models);
        let id = made["client_id"].as_str().unwrap().to_owned();
        let wish = json!({ "client_id": id, "client_secret": made["client_secret"] });
        let asked = request("POST", "/api/v1/auth/token").json(&wish);
        let token = self.functions.ask("token", &asked).await.json()["access_token"].clone();
        (id, token.as_str().unwrap().to_owned())
    }

    async fn change(&self, id: &str, models: &Value) -> HttpAnswer {
        let path = format!("/api/admin/clients/{id}");
        let changed = request("PATCH", &path).json(&json!({ "models": models }));
        self.admin(changed).await
    }

    /// What the authorizer puts into the context for a credential.
    async fn context(&self, credential: &str) -> Value {
        let event = json!({
            "methodArn": "arn:aws:execute-api:us-east-1:000000000000:tollgate00/live/POST/anthropic/v1/messages",
            "multiValueHeaders": {"authorization": [format!("Bearer {credential}")]},
        });
        self.functions.call("authorizer", &event).await.direct()["context"].clone()
    }

    async fn key(&self, principal: &Value, wish: &Value) -> HttpAnswer {
        let asked = request("POST", "/api/keys").json(wish).principal(principal.clone());
        self.functions.ask("admin", &asked).await
    }
}

/// A call is refused in its route's own words before anything is held, written or sent.
#[tokio::test]
async fn a_model_that_is_not_allowed_is_refused_in_every_dialect_and_leaves_no_trace() {
    let house = House::open().await;
    let body = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
    let routes = |principal: &Value| {
        [
            ("stream", messages("user:carla", &messages_body(false, &json!({})))),
            ("stream", messages("user:carla", &messages_body(true, &json!({})))),
            ("invoke", invoke("user:carla", &body)),
            ("stream", invoke_stream("user:carla", &body)),
            ("invoke", converse("user:carla", &converse_body(&json!({})))),
            ("stream", converse_stream("user:carla", &converse_body(&json!({})))),
            ("stream", chat("user:carla", &chat_body(false, &json!({})))),
            ("stream", chat("user:carla", &chat_body(true, &json!({})))),
        ]
        .map(|(function, asked)| (function, asked.principal(principal.clone())))
    };
    let principal = |models: &str| json!({"sub": "user:carla", "scopes": "models:invoke", "models": models});
    for models in [HAIKU, "none", "anthropic.claude-sonnet-4-5"] {
        for (function, asked) in routes(&principal(models)) {
            let answer = house.functions.ask(function, &asked).await;
            assert_eq!(answer.status, 403, "{models}: {answer:?}");
            let told = answer.json();
            match answer.header("x-amzn-errortype") {
                "" => assert_eq!(told["error"]["type"], "permission_error", "{told}"),
                kind => assert_eq!(kind, "AccessDeniedException", "{told}"),
            }
            let text = told.to_string();
            assert!(!text.contains("anthropic.claude") && !text.contains("sonnet"), "{text}");
        }
    }
    assert_eq!(house.backing.mock.ledger().calls.len(), 0, "nothing went out");
    assert_eq!(open_calls(&house.backing.store()).await, []);
    assert_eq!(rows(&house.backing.store(), "user:carla").await, []);
    let resolved = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    for (function, asked) in routes(&principal(&format!("{HAIKU} {resolved}"))) {
        assert_eq!(house.functions.ask(function, &asked).await.status, 200);
    }
    assert_eq!(house.backing.mock.ledger().calls.len(), 8);
}

/// What carla is answered, who may call these models.
async fn told(house: &House, function: &str, asked: Request, models: &str) -> HttpAnswer {
    let principal = json!({"sub": "user:carla", "scopes": "models:invoke", "models": models});
    house.functions.ask(function, &asked.principal(principal)).await
}

#[tokio::test]
async fn nothing_is_counted_or_told_of_a_model_that_is_not_allowed() {
    let house = House::open().await;
    let said = json!([{"role": "user", "content": "x"}]);
    let counted = json!({"model": MODEL, "messages": said});
    let of_bedrock = json!({"input": {"converse": {"messages": converse_body(&json!({}))["messages"]}}});
    for (function, asked) in [
        (
            "invoke",
            request("POST", "/anthropic/v1/messages/count_tokens").json(&counted),
        ),
        (
            "invoke",
            request("POST", &format!("/bedrock/model/{MODEL}/count-tokens")).json(&of_bedrock),
        ),
        ("invoke", request("GET", &format!("/anthropic/v1/models/{MODEL}"))),
        ("stream", request("GET", &format!("/openai/v1/models/{MODEL}"))),
    ] {
        let denied = told(&house, function, asked.clone(), HAIKU).await;
        assert_eq!(denied.status, 403, "{asked:?}: {denied:?}");
        assert_eq!(told(&house, function, asked, SONNET).await.status, 200);
    }
    assert_eq!(
        house.backing.mock.ledger().totals.count_tokens,
        2,
        "none for a model that is not allowed"
    );
}

#[tokio::test]
async fn no_list_has_a_model_that_is_not_allowed() {
    let house = House::open().await;
    for (function, path) in [
        ("invoke", "/anthropic/v1/models?limit=1000"),
        ("stream", "/openai/v1/models"),
        ("invoke", "/bedrock/inference-profiles?maxResults=1000"),
    ] {
        for (models, has, lacks) in [(HAIKU, "haiku", "sonnet"), (SONNET, "sonnet", "haiku")] {
            let listed = told(&house, function, request("GET", path), models).await;
            let text = listed.json().to_string();
            assert!(
                listed.status == 200 && text.contains(has) && !text.contains(lacks),
                "{path}: {listed:?}"
            );
        }
    }
}

/// Whatever a caller writes, it is the resolved model that counts.
#[tokio::test]
async fn no_other_name_of_a_model_gets_around_the_list() {
    let house = House::open().await;
    let profile = format!("arn:aws:bedrock:us-east-1:000000000000:inference-profile/{MODEL}");
    let status = async |model: &str, models: &str| {
        let body = json!({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
        let principal = json!({"sub": "user:carla", "scopes": "models:invoke", "models": models});
        let asked = messages("user:carla", &body).principal(principal);
        house.functions.ask("stream", &asked).await.status
    };
    for model in [
        MODEL,
        "claude-sonnet-4-5",
        "claude-sonnet-4-5-latest",
        "claude-sonnet-4-5[1m]",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        &profile,
    ] {
        assert_eq!(status(model, HAIKU).await, 403, "{model}");
        assert_eq!(status(model, SONNET).await, 200, "{model}");
    }
    // What nobody serves answers like it does to everybody.
    for model in ["claude-99", "us.anthropic.claude-99", "amazon.nova-pro-v1:0"] {
        assert_eq!(status(model, HAIKU).await, 404, "{model}");
    }
    assert_eq!(status("../x", HAIKU).await, 400);
}

/// What the authorizer did not write is no list, and not the lack of one.
#[tokio::test]
async fn a_list_that_cannot_be_read_lets_nobody_call() {
    let house = House::open().await;
    for models in [json!(""), json!(" "), json!("*"), json!(7), json!(null)] {
        let principal = json!({"sub": "user:carla", "scopes": "models:invoke", "models": models});
        let asked = messages("user:carla", &messages_body(false, &json!({}))).principal(principal);
        let answer = house.functions.ask("stream", &asked).await;
        assert_eq!(answer.status, 500, "{models}");
    }
    assert_eq!(house.backing.mock.ledger().calls.len(), 0);
}

/// Without an end, a team or a binding a credential would allow more, so what is there and cannot be read is no missing one.
#[tokio::test]
async fn a_field_of_the_context_that_is_no_text_lets_nobody_call() {
    let house = House::open().await;
    for name in ["sub", "scopes", "team", "models", "key_id", "sid", "exp", "cnf"] {
        for value in [json!(7), json!(true), json!(null), json!(["x"])] {
            let mut principal = json!({"sub": "user:carla", "scopes": "models:invoke"});
            principal[name] = value.clone();
            let asked = messages("user:carla", &messages_body(false, &json!({}))).principal(principal);
            let answer = house.functions.ask("stream", &asked).await;
            assert_eq!(answer.status, 500, "{name}: {value}");
        }
    }
    assert_eq!(house.backing.mock.ledger().calls.len(), 0);
}

/// The list of an account counts for tokens that are out, as its suspension does: after 30 seconds at the latest.
#[tokio::test]
async fn another_list_of_an_account_counts_for_its_living_tokens_within_30_seconds() {
    let house = House::open().await;
    let (id, token) = house.account(&json!([SONNET])).await;
    let models = async || house.context(&token).await["models"].clone();
    assert_eq!(models().await, SONNET);
    let changed = house.change(&id, &json!([HAIKU, "anthropic.claude-opus-5"])).await;
    assert_eq!(
        changed.json()["models"],
        json!(["anthropic.claude-haiku-*", "anthropic.claude-opus-5"])
    );
    house.functions.clock.advance_seconds(LAG_SECONDS - 1);
    assert_eq!(models().await, SONNET, "what was found out is kept");
    house.functions.clock.advance_seconds(1);
    assert_eq!(models().await, "anthropic.claude-haiku-* anthropic.claude-opus-5");
    // What is left out stays, and `null` takes it away.
    let path = format!("/api/admin/clients/{id}");
    let renamed = house
        .admin(request("PATCH", &path).json(&json!({ "name": "daily" })))
        .await;
    assert!(renamed.json()["models"].is_array());
    // The trail tells changes of one moment in any order.
    house.functions.clock.advance_seconds(1);
    assert_eq!(house.change(&id, &Value::Null).await.json()["models"], Value::Null);
    house.functions.clock.advance_seconds(LAG_SECONDS);
    assert_eq!(models().await, Value::Null, "every model");
    let trail = house
        .admin(request("GET", "/api/admin/audit?action=client.change"))
        .await
        .json();
    let lists: Vec<_> = trail["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["after"]["models"])
        .collect();
    let second = json!([HAIKU, "anthropic.claude-opus-5"]);
    assert_eq!(lists, [&Value::Null, &second, &second], "newest first");
}

/// A key allows what its own list and its owner's now allow, whichever is less.
#[tokio::test]
async fn a_key_allows_what_all_lists_allow_at_that_moment() {
    let house = House::open().await;
    let (id, _) = house.account(&json!(["anthropic.claude-*"])).await;
    let wish = json!({ "name": "k", "owner": format!("client:{id}"), "scopes": ["models:invoke"], "models": [HAIKU, "anthropic.claude-sonnet-5*"] });
    let made = house.admin(request("POST", "/api/keys").json(&wish)).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["models"], json!([HAIKU, "anthropic.claude-sonnet-5*"]));
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let models = async || house.context(&key).await["models"].clone();
    assert_eq!(models().await, "anthropic.claude-haiku-* anthropic.claude-sonnet-5*");
    house.change(&id, &json!([SONNET])).await;
    assert_eq!(models().await, "anthropic.claude-sonnet-5*", "from the next request on");
    house.change(&id, &json!(["anthropic.claude-opus-*"])).await;
    assert_eq!(models().await, "none");
    house.change(&id, &Value::Null).await;
    assert_eq!(models().await, "anthropic.claude-haiku-* anthropic.claude-sonnet-5*");
    let listed = request("GET", &format!("/api/keys?owner=client:{id}"));
    assert_eq!(house.admin(listed).await.json()["keys"][0]["models"], wish["models"]);
}

/// Who may call few models cannot make a key for more.
#[tokio::test]
async fn a_key_never_allows_more_models_than_the_credential_that_makes_it() {
    let house = House::open().await;
    let maker = json!({"sub": "user:maker", "scopes": "models:invoke keys", "models": SONNET});
    let made = async |models: Value| {
        let mut wish = json!({ "name": "k", "scopes": ["models:invoke"] });
        if !models.is_null() {
            wish["models"] = models;
        }
        house.key(&maker, &wish).await
    };
    for more in [json!([HAIKU]), json!(["anthropic.*"]), json!([SONNET, HAIKU])] {
        let refused = made(more.clone()).await;
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (403, &json!("denied")),
            "{more}"
        );
    }
    let narrower = json!(["anthropic.claude-sonnet-5*"]);
    assert_eq!(made(narrower.clone()).await.json()["models"], narrower);
    assert_eq!(
        made(Value::Null).await.json()["models"],
        json!([SONNET]),
        "without a wish, the same"
    );
    let nothing = json!({"sub": "user:maker", "scopes": "models:invoke keys", "models": "none"});
    assert_eq!(house.key(&nothing, &json!({ "name": "k" })).await.status, 400);
    assert_eq!(
        house
            .key(&nothing, &json!({ "name": "k", "models": [SONNET] }))
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_malformed_list_is_refused_wherever_it_may_stand() {
    let house = House::open().await;
    let (id, _) = house.account(&json!([SONNET])).await;
    for bad in [
        json!([]),
        json!("anthropic.*"),
        json!({}),
        json!([1]),
        json!(["*"]),
        json!(["claude-sonnet-4-5"]),
        json!([MODEL]),
        json!(vec!["anthropic.a"; 51]),
        json!([null]),
    ] {
        let by = [
            request("POST", "/api/keys").json(&json!({ "name": "k", "models": bad })),
            request("POST", "/api/admin/clients").json(&json!({ "name": "k", "models": bad })),
            request("PATCH", &format!("/api/admin/clients/{id}")).json(&json!({ "models": bad })),
        ];
        for asked in by {
            assert_eq!(house.admin(asked).await.status, 400, "{bad}");
        }
    }
}

/// The list of the team on whose account the calls are applies to keys and tokens, known for 30 seconds as an account's is.
#[tokio::test]
async fn a_teams_list_applies_to_whoever_works_on_its_account_within_30_seconds() {
    let house = House::open().await;
    let wish =
        json!({ "name": "nightly", "team": "ml", "models": ["anthropic.claude-sonnet-*", "anthropic.claude-haiku-*"] });
    let made = house
        .admin(request("POST", "/api/admin/clients").json(&wish))
        .await
        .json();
    let asked = json!({ "client_id": made["client_id"], "client_secret": made["client_secret"] });
    let token = house
        .functions
        .ask("token", &request("POST", "/api/v1/auth/token").json(&asked))
        .await
        .json();
    let wish = json!({ "name": "k", "owner": "user:eve", "team": "ml", "scopes": ["models:invoke"] });
    let key = house.admin(request("POST", "/api/keys").json(&wish)).await.json();
    let models = async |credential: &Value| house.context(credential.as_str().unwrap()).await["models"].clone();
    assert_eq!(
        models(&token["access_token"]).await,
        "anthropic.claude-haiku-* anthropic.claude-sonnet-*"
    );
    assert_eq!(models(&key["key"]).await, Value::Null);
    let team = request("PUT", "/api/admin/teams/ml").json(&json!({ "models": [HAIKU, "anthropic.claude-opus-5"] }));
    assert_eq!(house.admin(team).await.status, 200);
    assert_eq!(models(&key["key"]).await, Value::Null, "what was found out is kept");
    house.functions.clock.advance_seconds(LAG_SECONDS);
    assert_eq!(models(&token["access_token"]).await, HAIKU);
    assert_eq!(
        models(&key["key"]).await,
        "anthropic.claude-haiku-* anthropic.claude-opus-5"
    );
}

/// A person's list counts from the next request on, for their tokens and their keys.
#[tokio::test]
async fn a_persons_list_applies_to_their_tokens_and_keys_at_once() {
    let desk = crate::login::desk::Desk::new().await;
    let tokens = desk.tokens("ada").await;
    let access = tokens["access_token"].as_str().unwrap();
    let context = desk.authorized(access).await.unwrap();
    assert_eq!(context["models"], Value::Null);
    let made = request("POST", "/api/keys")
        .json(&json!({ "name": "mine" }))
        .principal(context.clone());
    let key = desk.functions.ask("admin", &made).await.json()["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!(
        "/api/admin/users/{}",
        context["sub"].as_str().unwrap().strip_prefix("user:").unwrap()
    );
    let admin = json!({"sub": "user:root", "scopes": "admin"});
    let changed = request("PATCH", &path)
        .json(&json!({ "models": [SONNET] }))
        .principal(admin);
    assert_eq!(desk.functions.ask("admin", &changed).await.status, 200);
    for credential in [access, &key] {
        assert_eq!(desk.authorized(credential).await.unwrap()["models"], SONNET);
    }
    let wider = request("POST", "/api/keys").json(&json!({ "name": "more", "models": [HAIKU] }));
    let wider = wider.principal(desk.authorized(access).await.unwrap());
    assert_eq!(desk.functions.ask("admin", &wider).await.status, 403);
}
