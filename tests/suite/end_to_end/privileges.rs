//! Least privilege, observed: a tour of all functions through all their duties, over the embedded AWS that holds each of them to its role.
//!
//! That a role suffices is shown by every test of this folder on `local`'s own host; that it allows nothing for nothing, here.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use gateway::jwt::{KeyAlgorithm, KeyRing};
use gateway::store::FileEnd;
use jiff::{SignedDuration, Timestamp};
use localstack::aws::sdk_config;
use localstack::bedrock::{APPLICATION_PROFILE_ARN, APPLICATION_PROFILE_MODEL};
use localstack::privileges::{Allowed, Report};
use localstack::template::{Template, Values};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tests::local::{
    Caller, Route, Stack, User, directed, dynamodb, eventually, make_secret, marker, root, signing_secret, store,
};
use tests::provider::{CLIENT_ID, CLIENT_SECRET, Oidc};

use super::authorization::Matrix;
use super::killed_uploads::Upload;
use super::login::{SECRET, tokens_of};

/// What no call of a function can use here, whatever it does: the function (or `*`), the action, and why.
const UNSEEN: [(&str, &str, &str); 3] = [
    (
        "*",
        "logs:CreateLogStream",
        "Lambda itself writes a function's log, by the role",
    ),
    (
        "*",
        "logs:PutLogEvents",
        "Lambda itself writes a function's log, by the role",
    ),
    (
        "sweep",
        "sqs:SendMessage",
        "Lambda itself sends what failed three times, by the role",
    ),
];

/// Rights that are there by a parameter which the tour's stack does not have: the parameter, the action, who has it, and where else it is
/// seen to be used.
const BY_PARAMETER: [(&str, &str, &[&str], &str); 9] = [
    (
        "SettingsObject",
        "s3:GetObject",
        &EVERY,
        "read at the start (tests/suite/configuration.rs)",
    ),
    (
        "SettingsParameter",
        "ssm:GetParameter",
        &EVERY,
        "read at the start (tests/suite/configuration.rs)",
    ),
    (
        "CacheSecretArn",
        "secretsmanager:GetSecretValue",
        &["admin", "authorizer", "invoke", "stream", "token"],
        "Redis and its secret (tests/suite/cache)",
    ),
    (
        "StorageServiceClientSecretArn",
        "secretsmanager:GetSecretValue",
        &["admin", "invoke", "stream", "sweep", "upload"],
        "a storage service and its tokens (tests/suite/storage, large_files.rs)",
    ),
    (
        "UpstreamRoleArns",
        "sts:AssumeRole",
        &["invoke", "stream", "sweep"],
        "roles of other accounts: there is one account here, and no STS",
    ),
    (
        "AlertBusArn",
        "events:PutEvents",
        &["sweep"],
        "there is no EventBridge here (tests/suite/sweep/alerts.rs)",
    ),
    (
        "AlertTopicArn",
        "sns:Publish",
        &["sweep"],
        "there is no SNS here (tests/suite/sweep/alerts.rs)",
    ),
    (
        "AlertWebhookUrl",
        "secretsmanager:GetSecretValue",
        &["sweep"],
        "what a webhook is signed by (tests/suite/sweep/alerts.rs)",
    ),
    (
        "KmsKeyArn",
        "kms:",
        &EVERY,
        "services use the key for a function; nothing is encrypted by one here (tests/template/test_keys.py)",
    ),
];
const EVERY: [&str; 7] = ["admin", "authorizer", "invoke", "stream", "sweep", "token", "upload"];

/// Each role allows what its function does, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn every_right_of_every_role_is_used_and_no_other_is_asked_for() {
    let oidc = Oidc::start().await;
    let file = configuration(&oidc);
    let profile = format!("ApplicationProfiles={APPLICATION_PROFILE_ARN}={APPLICATION_PROFILE_MODEL}");
    let arguments = [
        "--login",
        file.path().to_str().unwrap(),
        "--environments",
        "2",
        "--parameter",
        &profile,
        // With each answer: what is counted is written too.
        "--parameter",
        "MetricsFlushSeconds=0",
    ];
    let stack = Stack::start(&arguments).await;
    make_secret(&stack, SECRET, CLIENT_SECRET).await;
    Matrix::new(&stack).await.tour(&stack).await;
    programs(&stack).await;
    people(&stack, &oidc).await;
    models(&stack).await;
    refused(&stack).await;
    uploads(&stack).await;
    left_behind(&stack).await;
    commands(&stack).await;
    let report = report(&stack).await;
    assert!(
        report.denied.is_empty(),
        "asked for and not allowed: {:#?}",
        report.denied
    );
    let unused = report.allowed.into_iter().filter(|it| !it.used && !is_unseen(it));
    let unused: Vec<_> = unused
        .map(|it| format!("{} {} {}", it.function, it.action, it.resource))
        .collect();
    assert!(unused.is_empty(), "allowed and not used:\n{}", unused.join("\n"));
}

/// What a parameter adds to roles is listed, and nothing of it is there without the parameter.
#[test]
fn every_right_that_is_there_by_a_parameter_alone_is_known() {
    let plain = rights(&[]);
    for (parameter, action, functions, _) in BY_PARAMETER {
        let with: BTreeSet<_> = rights(&[parameter]).difference(&plain).cloned().collect();
        assert!(
            with.iter().all(|(_, added)| added.starts_with(action)),
            "{parameter}: {with:?}"
        );
        let who: BTreeSet<_> = with.into_iter().map(|(function, _)| function).collect();
        assert_eq!(who, functions.iter().map(ToString::to_string).collect(), "{parameter}");
    }
    let every: Vec<_> = BY_PARAMETER.into_iter().map(|(parameter, ..)| parameter).collect();
    let one_by_one = every
        .iter()
        .flat_map(|parameter| rights(&[parameter]))
        .collect::<BTreeSet<_>>();
    assert_eq!(rights(&every), one_by_one);
}

/// (function, action and resource) of all that is allowed where these parameters have a value.
fn rights(parameters: &[&str]) -> BTreeSet<(String, String)> {
    let value = |parameter: &str| (parameter.to_owned(), format!("a-value-of/{parameter}"));
    let mut values = Values {
        parameters: parameters.iter().map(|parameter| value(parameter)).collect(),
        ..Values::default()
    };
    values
        .parameters
        .insert("Issuer".to_owned(), "https://gate.example".to_owned());
    let template = Template::read(&root().join("template.yaml"), &values).unwrap();
    let mut rights = BTreeSet::new();
    for function in &template.functions {
        let role = function.role.as_ref().unwrap();
        for statement in role.statements.iter().filter(|statement| statement.allows) {
            for (action, resource) in statement
                .actions
                .iter()
                .flat_map(|it| statement.resources.iter().map(move |on| (it, on)))
            {
                rights.insert((function.name.clone(), format!("{action} {resource}")));
            }
        }
    }
    rights
}

fn is_unseen(allowed: &Allowed) -> bool {
    UNSEEN
        .iter()
        .any(|(function, action, _)| ["*", &allowed.function].contains(function) && *action == allowed.action)
}

async fn report(stack: &Stack) -> Report {
    let answer = Caller::at(&stack.ready().lambda).get("/privileges").await;
    serde_json::from_slice(&answer.body).unwrap()
}

/// Sign-in, with a provider whose groups a directory tells of.
fn configuration(oidc: &Oidc) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let configured = json!({
        "clients": [{"client_id": "app", "name": "App", "redirect_uris": ["http://127.0.0.1/cb"], "consent": "implied"}],
        "providers": [{"id": "idp", "kind": "oidc", "client_id": CLIENT_ID, "secret": SECRET, "issuer": oidc.url,
                       "rules": {"everyone": {"roles": ["user"], "team": "tour"}}}],
        "directory": {"provider": "idp"},
    });
    std::fs::write(file.path(), configured.to_string()).unwrap();
    file
}

async fn ok(caller: &Caller, method: &str, path: &str, body: &Value) -> Value {
    let content_type = match path.starts_with("/scim/") {
        true => "application/scim+json",
        false => "application/json",
    };
    let headers = [("content-type", content_type)];
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answer = caller.send(method, path, &headers, body).await;
    assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
    match answer.body.is_empty() {
        true => Value::Null,
        false => answer.json(),
    }
}

/// A program with a token of its own, which it asks about; and everybody's usage, which an administrator sees.
async fn programs(stack: &Stack) {
    let (id, secret) = stack.new_client(&["usage:read"]).await;
    let token = stack.token(&id, &secret).await;
    ok(&stack.bearer(&token), "GET", "/api/usage/records", &Value::Null).await;
    let form = format!("token={token}&client_id={id}&client_secret={secret}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer = stack
        .anonymous()
        .send("POST", "/oauth/introspect", &headers, form)
        .await;
    assert_eq!((answer.status, &answer.json()["active"]), (200, &json!(true)));
    ok(&stack.admin(), "GET", "/api/usage/records", &Value::Null).await;
}

/// Sign-in, sessions, a second admin who stops to be one, a directory's person and group.
async fn people(stack: &Stack, oidc: &Oidc) {
    let admin = stack.admin();
    let directory = stack.bearer(&stack.new_key("user:directory", &["directory"]).await);
    let person = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada", "externalId": "ada", "active": true});
    let made = ok(&directory, "POST", "/scim/v2/Users", &person).await;
    let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "engineers",
                       "members": [{"value": made["id"]}]});
    let group = ok(&directory, "POST", "/scim/v2/Groups", &group).await;
    let given = tokens_of(stack, oidc, "ada").await;
    let ada = stack.bearer(given["access_token"].as_str().unwrap());
    ok(&ada, "GET", "/auth/sessions", &Value::Null).await;
    ok(&ada, "POST", "/auth/logout", &Value::Null).await;
    let path = format!("/scim/v2/Groups/{}", group["id"].as_str().unwrap());
    ok(&directory, "DELETE", &path, &Value::Null).await;
    let path = format!("/scim/v2/Users/{}", made["id"].as_str().unwrap());
    ok(&directory, "DELETE", &path, &Value::Null).await;
    let mut last = Value::Null;
    for subject in ["grace", "joan"] {
        let wish = json!({"identity": {"provider": "idp", "subject": subject}, "roles": ["admin"]});
        last = ok(&admin, "POST", "/api/admin/users", &wish).await;
    }
    let path = format!("/api/admin/users/{}", last["user_id"].as_str().unwrap());
    ok(&admin, "PATCH", &path, &json!({"roles": ["user"]})).await;
}

/// Every way to every kind of model, with a file in the message, and a budget that the prompt must be counted for.
async fn models(stack: &Stack) {
    let user = stack.new_user().await;
    let profile = APPLICATION_PROFILE_ARN.replace('/', "%2F");
    for route in Route::ALL {
        let model = if route.is_bedrock() {
            &profile
        } else {
            APPLICATION_PROFILE_ARN
        };
        let body = route.body(model, &marker()).to_string();
        let headers = [("content-type", "application/json")];
        let answer = user.caller.send("POST", &route.path(model), &headers, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let file = user.caller.upload("a.txt", b"bytes").await.json();
    for route in [Route::Invoke, Route::Messages] {
        let mut body = route.body(tests::local::MODEL, "");
        body["messages"][0]["content"] =
            json!([{"type": "document", "source": {"type": "file", "file_id": file["file_id"]}}]);
        ok(&user.caller, "POST", &route.path(tests::local::MODEL), &body).await;
    }
    // By its length the prompt would not fit: it is counted.
    let user = stack.new_user().await;
    let budget = format!("/api/admin/budgets/user/{}", user.name);
    let limits = json!({"limits": [{"unit": "tokens", "window": "day", "limit": 12_000}]});
    ok(&stack.admin(), "PUT", &budget, &limits).await;
    let mut body = Route::Messages.body(tests::local::MODEL, &"long ".repeat(8000));
    body["max_tokens"] = json!(10);
    ok(&user.caller, "POST", "/anthropic/v1/messages", &body).await;
}

/// Calls that a budget refuses: what was written down of them goes.
async fn refused(stack: &Stack) {
    let user = stack.new_user().await;
    let budget = format!("/api/admin/budgets/user/{}", user.name);
    let limits = json!({"limits": [{"unit": "requests", "window": "day", "limit": 1}]});
    ok(&stack.admin(), "PUT", &budget, &limits).await;
    assert_eq!(Route::Messages.call(&user.caller, &marker()).await.status, 200);
    for route in [Route::Messages, Route::Invoke] {
        assert!([400, 402].contains(&route.call(&user.caller, &marker()).await.status));
    }
}

/// Uploads in parts: one that is completed, one that is given up.
async fn uploads(stack: &Stack) {
    let user = stack.new_user().await;
    let upload = Upload::of(&user, b"the bytes".to_vec()).await;
    let answer = upload.complete(&user).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let given_up = Upload::of(&user, b"the bytes".to_vec()).await;
    ok(&user.caller, "DELETE", &given_up.path(), &Value::Null).await;
    lost(stack, &user).await;
}

/// A file whose bytes are gone from the bucket: that they are not there is told to whom may list.
async fn lost(stack: &Stack, user: &User) {
    let file = user.caller.upload("a.txt", b"bytes").await.json();
    let id = file["file_id"].as_str().unwrap();
    let config = aws_sdk_s3::config::Builder::from(&sdk_config(false)).endpoint_url(&stack.ready().s3);
    let s3 = aws_sdk_s3::Client::from_conf(config.force_path_style(true).build());
    let objects = s3.list_objects_v2().bucket("tollgate-bucket").send().await.unwrap();
    let keys = objects.contents().iter().filter_map(|object| object.key());
    for key in keys.filter(|key| key.contains(id)) {
        s3.delete_object()
            .bucket("tollgate-bucket")
            .key(key)
            .send()
            .await
            .unwrap();
    }
    let answer = user.caller.get(&format!("/api/v1/files/{id}/content")).await;
    assert!(answer.status >= 400, "{answer:?}");
}

/// What the sweep finds: a call whose function was killed, a file that has ended, an upload that nobody completed, a key that is old.
async fn left_behind(stack: &Stack) {
    let user = stack.new_user().await;
    let upload = Upload::of(&user, b"nobody completes it".to_vec()).await;
    let path = upload.path();
    let (_, session) = path.rsplit_once('/').unwrap();
    let form = "--b\r\ncontent-disposition: form-data; name=\"retention_policy\"\r\n\r\ntemporary\r\n--b\r\n\
                content-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nbytes\r\n--b--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let answer = user.caller.send("POST", "/api/v1/files/upload", &headers, form).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    for id in [session, answer.json()["file_id"].as_str().unwrap()] {
        ended(stack, &user, id).await;
    }
    killed(stack, &user).await;
    old_key(stack).await;
    let event = json!({"detail-type": "Scheduled Event", "time": (Timestamp::now() + SignedDuration::from_hours(3)).to_string()});
    let lambda = Caller::at(&stack.ready().lambda);
    let report = ok(&lambda, "POST", "/2015-03-31/functions/sweep/invocations", &event).await;
    let told = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(
        (
            told("recovered"),
            told("files_removed"),
            told("uploads_abandoned"),
            told("keys_changed")
        ),
        (1, 1, 1, 1),
        "{report}"
    );
}

/// Lets a file, or an upload, have come to its end, and be one of those that the sweep looks at.
async fn ended(stack: &Stack, user: &User, id: &str) {
    let past: Timestamp = "2000-01-01T00:00:00Z".parse().unwrap();
    let text = |text: String| AttributeValue::S(text);
    let update = dynamodb(stack).update_item().table_name(&stack.ready().table);
    let update = update
        .key("pk", text(format!("FILES#{}", user.name)))
        .key("sk", text(id.to_owned()));
    let update = update
        .update_expression("SET ends_at = :past")
        .condition_expression("attribute_exists(ends_at)");
    update
        .expression_attribute_values(":past", text(past.to_string()))
        .send()
        .await
        .unwrap();
    let end = FileEnd {
        at: past,
        owner: user.name.parse().unwrap(),
        id: id.to_owned(),
    };
    store(stack).add_file_end(&end).await.unwrap();
}

/// Lets the signing key be older than a key gets.
async fn old_key(stack: &Stack) {
    let (secrets, id) = signing_secret(stack);
    let version = secrets.read_version(id).await.unwrap();
    let ring = KeyRing::from_stored(&version.text, KeyAlgorithm::EdDsa).unwrap();
    let old = ring.first_made_at(Timestamp::now() - SignedDuration::from_hours(24 * 100));
    secrets
        .replace(id, &version.id, old.to_stored().unwrap())
        .await
        .unwrap();
}

/// A stream whose function is killed while its model answers. Its record is in the log.
async fn killed(stack: &Stack, user: &User) {
    let hold = marker();
    let text = directed(&marker(), json!({"output_tokens": 20, "hold": hold, "hold_after": 3}));
    let call = async {
        let reply = Route::MessagesStream.open(&user.caller, &text).await;
        let _ = reply.whole().await;
    };
    let kill = async {
        eventually("it stands", async || {
            (stack.mock().waiting(&hold).await == 1).then_some(())
        })
        .await;
        for id in &stack.ready_now().functions["stream"] {
            let pid = Pid::from_raw(i32::try_from(*id).unwrap()).unwrap();
            let _ = kill_process(pid, Signal::KILL);
        }
        stack.mock().release(&hold).await;
    };
    tokio::join!(call, kill);
    stack.mock().flush_log().await;
}

/// A day's bills made anew, by the index of days; and a migration, which takes the table's form and reads all of it.
async fn commands(stack: &Stack) {
    let lambda = Caller::at(&stack.ready().lambda);
    let today = Timestamp::now().to_string()[..10].to_owned();
    let recompute = json!({"command": "recompute", "from": today, "to": today});
    ok(&lambda, "POST", "/2015-03-31/functions/sweep/invocations", &recompute).await;
    let event = json!({"command": "migrate", "action": "up", "by": "a test"});
    let answer = lambda.post("/2015-03-31/functions/sweep/invocations", &event).await;
    assert!(answer.json()["outcome"].is_string(), "{answer:?}");
}
