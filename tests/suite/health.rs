//! Health: each check really runs, and the worst of them is the whole's.

use axum::Router;
use http::StatusCode;
use peer::{Leaf, Server};
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::backing::{Backing, Setup, nowhere};
use tests::event::request;
use tests::in_process::Functions;
use tests::redis::{Redis, functions_over};
use tests::storage_service::Services;
use tests::unreliable::Outage;

const ALL: [&str; 5] = ["cache", "db", "aws", "storage", "tls"];

async fn health(functions: &Functions, check: &str) -> HttpAnswer {
    functions
        .ask("admin", &request("GET", &format!("/health?check={check}")))
        .await
}

/// The statuses and reasons by check, and the whole's.
fn told(answer: &HttpAnswer) -> Value {
    let body = answer.json();
    let checks = body["checks"].as_object().unwrap().iter().map(|(name, check)| {
        assert!(
            check["duration_ms"].is_u64() && check.get("detail").is_none(),
            "{name}: {check}"
        );
        (name.clone(), json!([check["status"], check["reason"]]))
    });
    json!({"is": body["status"], "checks": checks.collect::<serde_json::Map<_, _>>()})
}

fn all_but(part: &str, status: &str, reason: &str) -> Value {
    let usual = |name: &str| match name {
        "cache" | "tls" => json!(["not_configured", null]),
        _ => json!(["healthy", null]),
    };
    let checks = ALL.map(|name| {
        let one = if name == part {
            json!([status, reason])
        } else {
            usual(name)
        };
        (name.to_owned(), one)
    });
    let is = if part.is_empty() { "healthy" } else { status };
    json!({"is": is, "checks": serde_json::Map::from_iter(checks)})
}

///
#[tokio::test]
async fn each_part_is_looked_at_and_the_worst_is_the_wholes() {
    let setup = Setup {
        unreliable_table: true,
        ..Setup::default()
    };
    let backing = Backing::start_with(&setup).await;
    let functions = Functions::new(&backing);
    let well = health(&functions, "all").await;
    assert_eq!((well.status, told(&well)), (200, all_but("", "", "")));
    for part in ALL {
        let one = health(&functions, part).await;
        assert_eq!(one.status, 200, "{part}");
        assert_eq!(one.json()["checks"].as_object().unwrap().len(), 1, "{part}");
    }
    backing.unreliable().unwrap().table_is(Some(Outage::Broken));
    let down = health(&functions, "all").await;
    assert_eq!(down.status, 503);
    let reason = &down.json()["checks"]["db"]["reason"];
    assert!(reason == "unavailable" || reason == "slow", "{reason}");
    assert_eq!(down.json()["status"], "unhealthy");
    assert_eq!(
        health(&functions, "aws").await.status,
        200,
        "what was not asked for is not looked at"
    );
    backing.unreliable().unwrap().table_is(None);
    for (variable, part, reason) in [
        ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "aws", "unreachable"),
        ("AWS_ENDPOINT_URL_S3", "storage", "unavailable"),
    ] {
        let functions = Functions::with(&backing, &[(variable, &nowhere())]);
        let down = health(&functions, "all").await;
        assert_eq!((down.status, told(&down)), (503, all_but(part, "unhealthy", reason)));
    }
    let elsewhere = Functions::with(&backing, &[("TOLLGATE_BUCKET", "another-bucket")]);
    let down = health(&elsewhere, "storage").await;
    assert_eq!(
        (down.status, &down.json()["checks"]["storage"]["reason"]),
        (503, &json!("unavailable"))
    );
}

///
#[tokio::test]
async fn what_is_no_check_is_refused_and_without_one_nothing_is_run() {
    let backing = Backing::start().await;
    let functions = Functions::with(&backing, &[("AWS_ENDPOINT_URL_DYNAMODB", &nowhere())]);
    for bad in ["none", "ALL", "db,aws", "", "db%00", "*"] {
        let answer = health(&functions, bad).await;
        assert_eq!(answer.status, 400, "{bad}");
        assert!(
            answer.json()["detail"]
                .as_str()
                .unwrap()
                .contains("all, cache, db, aws, storage, tls")
        );
    }
    for wrong in ["/health?cheque=db", "/health?check=db&check=aws"] {
        assert_eq!(
            functions.ask("admin", &request("GET", wrong)).await.status,
            400,
            "{wrong}"
        );
    }
    for alive in ["/health", "/health/live"] {
        let answer = functions.ask("admin", &request("GET", alive)).await;
        assert_eq!(
            (answer.status, &answer.json()["status"]),
            (200, &json!("healthy")),
            "{alive}"
        );
    }
    assert_eq!(health(&functions, "db").await.status, 503);
}

///
#[tokio::test]
async fn the_cache_is_looked_at_by_a_round_trip() {
    let (backing, mut redis) = (Backing::start().await, Redis::start().await);
    let functions = functions_over(&backing, &redis.url(), &[]).await;
    let well = health(&functions, "cache").await;
    assert_eq!(
        (well.status, &well.json()["checks"]["cache"]["status"]),
        (200, &json!("healthy"))
    );
    redis.told::<String>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let full = health(&functions, "all").await;
    assert_eq!((full.status, &full.json()["status"]), (200, &json!("degraded")));
    assert_eq!(full.json()["checks"]["cache"]["reason"], "full");
    redis.stop();
    let down = health(&functions, "all").await;
    assert_eq!(
        (down.status, told(&down)),
        (503, all_but("cache", "unhealthy", "unreachable"))
    );
    assert_eq!(
        health(&functions, "cache").await.json()["checks"]["cache"]["reason"],
        "paused"
    );
    redis.start_again().await;
    functions.clock.advance_seconds(5);
    assert_eq!(health(&functions, "cache").await.status, 200);
    let memory = Functions::with(&backing, &[("TOLLGATE_CACHE_KIND", "memory")]);
    assert_eq!(health(&memory, "cache").await.json()["status"], "healthy");
}

/// what is public names no host, no error and no date; an administrator is told more.
#[tokio::test]
async fn an_administrator_is_told_more_than_anybody_and_a_user_nothing() {
    let backing = Backing::start().await;
    let url = nowhere();
    let functions = Functions::with(&backing, &[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &url)]);
    let public = health(&functions, "all").await;
    let port = url.rsplit(':').next().unwrap();
    let text = String::from_utf8(public.body.to_vec()).unwrap();
    assert!(!text.contains(port) && !text.contains("error"), "{text}");
    let admin = json!({"principalId": "user:admin", "sub": "user:admin", "scopes": "admin"});
    let asked = request("GET", "/api/admin/health").principal(admin);
    let detailed = functions.ask("admin", &asked).await;
    assert_eq!(detailed.status, 503);
    assert_eq!(detailed.json()["checks"].as_object().unwrap().len(), 5);
    let error = &detailed.json()["checks"]["aws"]["detail"]["error"];
    assert!(error.as_str().unwrap().starts_with("Bedrock"), "{error}");
    let user = functions
        .ask("admin", &request("GET", "/api/admin/health").by("user:alice"))
        .await;
    assert_eq!(user.status, 403);
    assert_eq!(
        functions
            .ask("admin", &request("GET", "/api/admin/health"))
            .await
            .status,
        401
    );
}

/// a storage service is asked, and its certificates are looked at by the days that they have left.
#[tokio::test(flavor = "multi_thread")]
async fn a_storage_service_and_the_certificates_towards_it_are_looked_at() {
    let backing = Backing::start().await;
    let services = Services::start(&backing).await;
    let (file, now) = (services.file("settings.yaml"), services.clock.now().as_second());
    std::fs::write(&file, services.settings()).unwrap();
    for (days, status, reason) in [(400, "healthy", Value::Null), (10, "degraded", json!("expiring"))] {
        // The other side goes by the machine's clock, which may be behind the held one.
        let leaf = Leaf::new("gateway").during(now - 365 * 86_400, now + days * 86_400 + 3600);
        services.authority.issue(&leaf).write(file.parent().unwrap(), "gateway");
        let functions = Functions::with(&backing, &[("TOLLGATE_SETTINGS", file.to_str().unwrap())]);
        let told = health(&functions, "all").await;
        assert_eq!((told.status, &told.json()["status"]), (200, &json!(status)));
        let checks = &told.json()["checks"];
        assert_eq!(
            (&checks["tls"]["status"], &checks["tls"]["reason"]),
            (&json!(status), &reason)
        );
        assert_eq!(checks["storage"]["status"], "healthy");
        functions.clock.advance_seconds((days + 1) * 86_400);
        let over = health(&functions, "tls").await;
        assert_eq!(
            (over.status, &over.json()["checks"]["tls"]["reason"]),
            (503, &json!("expired"))
        );
    }
}

/// what AWS says of our credentials and of itself.
#[tokio::test]
async fn aws_is_well_when_it_takes_our_signature_whatever_it_says_of_the_count() {
    let backing = Backing::start().await;
    for (status, kind, code, reason) in [
        (400, "ValidationException", 200, Value::Null),
        (403, "AccessDeniedException", 200, Value::Null),
        (403, "UnrecognizedClientException", 503, json!("refused")),
        (403, "ExpiredTokenException", 503, json!("refused")),
        (500, "InternalServerException", 503, json!("failing")),
    ] {
        let answer = async move || {
            (
                StatusCode::from_u16(status).unwrap(),
                [("x-amzn-errortype", kind)],
                "{}",
            )
        };
        let bedrock = Server::plain(Router::new().fallback(answer)).await;
        let functions = Functions::with(&backing, &[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &bedrock.url())]);
        let told = health(&functions, "aws").await;
        assert_eq!(
            (told.status, &told.json()["checks"]["aws"]["reason"]),
            (code, &reason),
            "{kind}"
        );
    }
}
