//! What a directory does with people: made, linked to their logins, switched off, taken out.

use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::event::{Request, request};

use crate::login::desk::Desk;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

pub(super) async fn desk() -> Desk {
    Desk::with(&json!({"directory": {"provider": "idp"}})).await
}

/// Asks as the directory's program.
pub(super) async fn ask(desk: &Desk, asked: Request) -> HttpAnswer {
    let principal = json!({"sub": "client:client_okta", "scopes": "directory"});
    desk.functions.ask("admin", &asked.principal(principal)).await
}

pub(super) async fn send(desk: &Desk, method: &str, path: &str, body: &Value) -> HttpAnswer {
    let asked = request(method, &format!("/scim/v2{path}"));
    ask(
        desk,
        asked
            .header("Content-Type", "application/scim+json")
            .body(body.to_string()),
    )
    .await
}

pub(super) async fn get(desk: &Desk, path: &str) -> HttpAnswer {
    ask(desk, request("GET", &format!("/scim/v2{path}"))).await
}

pub(super) async fn patch(desk: &Desk, path: &str, operations: &Value) -> HttpAnswer {
    send(
        desk,
        "PATCH",
        path,
        &json!({"schemas": [PATCH], "Operations": operations}),
    )
    .await
}

pub(super) fn person(name: &str) -> Value {
    json!({
        "schemas": [USER], "userName": format!("{name}@example.com"), "externalId": name, "active": true,
        "name": {"givenName": name, "familyName": "Example"}, "displayName": name,
        "emails": [{"value": format!("{name}@example.com"), "type": "work", "primary": true}],
        "roles": [{"value": "admin"}], "locale": "en-US", "groups": [],
    })
}

/// A person in the directory: their id.
pub(super) async fn made(desk: &Desk, name: &str) -> String {
    let answer = send(desk, "POST", "/Users", &person(name)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

pub(super) async fn is_error(answer: &HttpAnswer, status: u16, code: &str) {
    let body = answer.json();
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/scim+json");
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(
        (&body["status"], body["scimType"].as_str().unwrap_or("")),
        (&json!(status.to_string()), code),
        "{body}"
    );
    assert!(body["detail"].is_string());
}

async fn login_outcome(desk: &Desk, claims: &Value) -> String {
    let sent = desk.begin("idp", &[]).await;
    let answer = desk.back(&sent, claims).await;
    let location = answer.header("location");
    ["code", "error"]
        .into_iter()
        .find_map(|name| tests::provider::parameter(location, name).map(|_| name))
        .unwrap()
        .to_owned()
}

/// RFC 7644, sections 3.3 and 3.4.1.
#[tokio::test]
async fn a_person_is_made_read_and_found_as_the_directory_has_told() {
    let desk = desk().await;
    let answer = send(&desk, "POST", "/Users", &person("ada")).await;
    let user = answer.json();
    let id = user["id"].as_str().unwrap();
    let location = format!("https://gateway.example/scim/v2/Users/{id}");
    assert_eq!(
        (answer.status, answer.header("location"), answer.header("etag")),
        (201, &*location, "W/\"0\"")
    );
    assert_eq!(
        (&user["meta"]["location"], &user["meta"]["resourceType"]),
        (&json!(location), &json!("User"))
    );
    for name in ["userName", "externalId", "active", "name", "emails", "displayName"] {
        assert_eq!(user[name], person("ada")[name], "{name}");
    }
    assert_eq!(
        (&user["groups"], user.get("roles"), user.get("locale")),
        (&json!([]), None, None)
    );
    assert_eq!(get(&desk, &format!("/Users/{id}")).await.json(), user);
    for filter in [
        "userName%20eq%20%22ADA@example.com%22",
        "externalId%20eq%20%22ada%22",
        "active%20eq%20true%20and%20id%20eq%20%22ID%22",
        "userName%20eq%20%22ada@example.com%22&aadOptscim062020&startIndex=1&count=100",
    ] {
        let list = get(&desk, &format!("/Users?filter={}", filter.replace("ID", id)))
            .await
            .json();
        assert_eq!(
            (&list["totalResults"], &list["Resources"]),
            (&json!(1), &json!([user])),
            "{filter}"
        );
    }
    for filter in [
        "userName%20eq%20%22bob%22",
        "externalId%20eq%20%22ADA%22",
        "id%20eq%20%22u_none%22",
        "id%20eq%20%22ID%22%20and%20active%20eq%20%22False%22",
    ] {
        let list = get(&desk, &format!("/Users?filter={}", filter.replace("ID", id)))
            .await
            .json();
        assert_eq!(
            (&list["totalResults"], &list["itemsPerPage"]),
            (&json!(0), &json!(0)),
            "{filter}"
        );
    }
    // RFC 7644, section 3.9.
    let name = "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName";
    let some = get(&desk, &format!("/Users/{id}?attributes=userName,{name}"))
        .await
        .json();
    let names: Vec<_> = some.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["id", "name", "schemas", "userName"]);
    let list = get(&desk, "/Users?excludedAttributes=emails,DISPLAYNAME,id")
        .await
        .json();
    let first = &list["Resources"][0];
    assert_eq!(
        (first.get("emails"), first.get("displayName"), &first["id"]),
        (None, None, &json!(id))
    );
    let trail = desk
        .admin("admin", request("GET", "/api/admin/audit?action=directory.user.create"))
        .await
        .json();
    assert_eq!(
        (&trail["entries"][0]["target"], &trail["entries"][0]["actor"]),
        (&json!(id), &json!("client:client_okta"))
    );
    assert!(!trail.to_string().contains("example.com"), "{trail}");
}

/// made by the directory, linked by `externalId` and never by an address, with what the groups give; and switched off at once.
#[tokio::test]
async fn a_person_of_the_directory_signs_in_as_what_their_groups_say_and_is_out_at_once_when_switched_off() {
    let desk = desk().await;
    let ada = made(&desk, "ada").await;
    // In no group they have no role, whatever the address is and whatever the provider's token says.
    let mut claims = desk.claims("ada");
    claims["groups"] = json!(["ml", "0ff1ce", "Tollgate users"]);
    assert_eq!(login_outcome(&desk, &claims).await, "error");
    let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Tollgate users", "members": [{"value": ada}]});
    assert_eq!(send(&desk, "POST", "/Groups", &group).await.status, 201);
    let tokens = desk.tokens("ada").await;
    let access = tokens["access_token"].as_str().unwrap();
    let context = desk.authorized(access).await.unwrap();
    assert_eq!(
        (&context["sub"], &context["scopes"]),
        (
            &json!(format!("user:{ada}")),
            &json!("models:invoke usage:read files keys")
        )
    );
    // Somebody else of the same address is somebody else.
    desk.tokens("eve").await;
    assert_eq!(desk.store().users(10, None).await.unwrap().items.len(), 2);
    let off = patch(
        &desk,
        &format!("/Users/{ada}"),
        &json!([{"op": "Replace", "path": "active", "value": "False"}]),
    )
    .await;
    assert_eq!((off.status, &off.json()["active"]), (200, &json!(false)));
    assert!(desk.authorized(access).await.is_none());
    assert_eq!(
        desk.refresh(tokens["refresh_token"].as_str().unwrap()).await.status,
        400
    );
    assert_eq!(login_outcome(&desk, &claims).await, "error");
    // In again: they may come in, but what was out before stays out.
    let on = patch(
        &desk,
        &format!("/Users/{ada}"),
        &json!([{"op": "replace", "value": {"active": true}}]),
    )
    .await;
    assert_eq!(on.json()["active"], true);
    assert!(desk.authorized(access).await.is_none(), "the session has ended");
    assert_eq!(login_outcome(&desk, &claims).await, "code");
    // An admin's suspension is the admin's to end.
    desk.put_status(&ada, "suspended").await;
    send(&desk, "PUT", &format!("/Users/{ada}"), &person("ada")).await;
    assert_eq!(login_outcome(&desk, &claims).await, "error");
}

#[tokio::test]
async fn a_person_who_was_here_before_the_directory_is_taken_over_and_one_who_was_taken_out_can_come_back() {
    let desk = desk().await;
    let tokens = desk.tokens("ada").await;
    let context = desk.authorized(tokens["access_token"].as_str().unwrap()).await.unwrap();
    let ada = made(&desk, "ada").await;
    assert_eq!(context["sub"], format!("user:{ada}"));
    // What the rules gave at login is gone: the directory says what they are.
    let now = desk.authorized(tokens["access_token"].as_str().unwrap()).await.unwrap();
    assert_eq!(now["scopes"], "");
    is_error(&send(&desk, "POST", "/Users", &person("ada")).await, 409, "uniqueness").await;
    let path = format!("/Users/{ada}");
    let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Tollgate users", "members": [{"value": ada}]});
    let group = send(&desk, "POST", "/Groups", &group).await.json();
    assert_eq!(send(&desk, "DELETE", &path, &json!({})).await.status, 204);
    is_error(&send(&desk, "DELETE", &path, &json!({})).await, 404, "").await;
    is_error(&get(&desk, &path).await, 404, "").await;
    is_error(
        &patch(
            &desk,
            &path,
            &json!([{"op": "replace", "path": "active", "value": true}]),
        )
        .await,
        404,
        "",
    )
    .await;
    assert!(
        desk.authorized(tokens["access_token"].as_str().unwrap())
            .await
            .is_none()
    );
    let members = get(&desk, &format!("/Groups/{}", group["id"].as_str().unwrap()))
        .await
        .json();
    assert_eq!(members["members"], json!([]));
    assert_eq!(get(&desk, "/Users").await.json()["totalResults"], 0);
    assert_eq!(made(&desk, "ada").await, ada);
    let again = get(&desk, &path).await.json();
    assert_eq!((&again["active"], &again["groups"]), (&json!(true), &json!([])));
}

/// Entra's `sub` is another for each program; its directory knows people by `oid`.
#[tokio::test]
async fn a_directory_can_know_people_by_another_claim_of_their_tokens() {
    let desk = Desk::with(&json!({"directory": {"provider": "idp", "claim": "oid"}})).await;
    let with = |subject: &str, oid: &str| {
        let mut claims = desk.claims(subject);
        claims["oid"] = json!(oid);
        claims
    };
    // One who came before the directory is known by both.
    assert_eq!(login_outcome(&desk, &with("pairwise-1", "ada")).await, "code");
    let ada = made(&desk, "ada").await;
    // One whom the directory made comes later, by a subject that nobody has heard of.
    let bob = made(&desk, "bob").await;
    assert_eq!(
        login_outcome(&desk, &with("pairwise-2", "bob")).await,
        "error",
        "in no group"
    );
    let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Admins", "externalId": "0ff1ce", "members": [{"value": ada}, {"value": bob}]});
    assert_eq!(send(&desk, "POST", "/Groups", &group).await.status, 201);
    for (subject, oid) in [("pairwise-1", "ada"), ("pairwise-2", "bob")] {
        assert_eq!(login_outcome(&desk, &with(subject, oid)).await, "code");
    }
    assert_eq!(desk.store().users(10, None).await.unwrap().items.len(), 2);
    // A token that says that one person is the other lets nobody in.
    assert_eq!(login_outcome(&desk, &with("pairwise-1", "bob")).await, "error");
    // The subject itself is no name of the directory's.
    let list = get(&desk, "/Users?filter=externalId%20eq%20%22pairwise-1%22")
        .await
        .json();
    assert_eq!(list["totalResults"], 0);
}

/// RFC 7643, section 4.1.1: a `userName` is unique in any case; so is an `externalId`, since it is who comes.
#[tokio::test]
async fn names_and_ids_of_two_people_never_meet() {
    let desk = desk().await;
    let (ada, bob) = (made(&desk, "ada").await, made(&desk, "bob").await);
    let mut same = person("carl");
    same["userName"] = json!("ADA@EXAMPLE.COM");
    is_error(&send(&desk, "POST", "/Users", &same).await, 409, "uniqueness").await;
    for (name, value) in [("userName", "Ada@example.com"), ("externalId", "ada")] {
        let step = json!([{"op": "replace", "path": name, "value": value}]);
        is_error(&patch(&desk, &format!("/Users/{bob}"), &step).await, 409, "uniqueness").await;
    }
    let renamed = patch(
        &desk,
        &format!("/Users/{ada}"),
        &json!([{"op": "replace", "value": {"userName": "countess", "externalId": "ada-2"}}]),
    )
    .await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    let louder = json!([{"op": "replace", "path": "userName", "value": "COUNTESS"}]);
    let louder = patch(&desk, &format!("/Users/{ada}"), &louder).await;
    assert_eq!((louder.status, &louder.json()["userName"]), (200, &json!("COUNTESS")));
    assert_eq!(
        get(&desk, "/Users?filter=userName%20eq%20%22countess%22").await.json()["totalResults"],
        1
    );
    // The old names are free, and lead nowhere.
    assert_eq!(
        get(&desk, "/Users?filter=userName%20eq%20%22ada@example.com%22")
            .await
            .json()["totalResults"],
        0
    );
    assert_eq!(
        get(&desk, "/Users?filter=externalId%20eq%20%22ada%22").await.json()["totalResults"],
        0
    );
    assert_ne!(made(&desk, "ada").await, ada);
    let list = get(&desk, "/Users?startIndex=2&count=1").await.json();
    assert_eq!(
        (
            &list["totalResults"],
            &list["startIndex"],
            list["Resources"].as_array().unwrap().len()
        ),
        (&json!(3), &json!(2), 1)
    );
    assert_eq!(get(&desk, "/Users?count=0").await.json()["Resources"], json!([]));
}

/// security.md: bad inputs on every route. Nothing of them is stored.
#[tokio::test]
async fn what_is_wrong_is_refused_in_scims_form_and_nothing_is_stored() {
    let desk = desk().await;
    let ada = made(&desk, "ada").await;
    let before = desk.store().user(&ada).await.unwrap();
    let path = format!("/Users/{ada}");
    for (text, status) in [
        ("", 400),
        ("null", 400),
        ("[]", 400),
        ("\"x\"", 400),
        ("{}", 400),
        ("{\"schemas\":", 400),
        ("{} {}", 400),
        ("{\"userName\":\"a\",\"userName\":\"b\"}", 400),
        (&"[".repeat(10_000), 400),
        (
            "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],\"userName\":\"x\\ud800\"}",
            400,
        ),
        (
            "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],\"userName\":1e400}",
            400,
        ),
        ("\u{feff}{}", 400),
    ] {
        for (method, path) in [
            ("POST", "/Users"),
            ("PUT", &*path),
            ("PATCH", &*path),
            ("POST", "/Groups"),
        ] {
            let asked = request(method, &format!("/scim/v2{path}")).header("Content-Type", "application/scim+json");
            let answer = ask(&desk, asked.body(text)).await;
            is_error(&answer, status, "invalidSyntax").await;
        }
    }
    for (query, code) in [
        ("filter=", "invalidFilter"),
        ("filter=userName", "invalidFilter"),
        ("filter=userName%20sw%20%22a%22", "invalidFilter"),
        ("filter=emails%20co%20%22a%22", "invalidFilter"),
        ("filter=password%20eq%20%22a%22", "invalidFilter"),
        ("filter=userName%20eq%20%22a%22%20or%20true", "invalidFilter"),
        (&format!("filter={}", "(".repeat(3000)), "invalidFilter"),
        (
            &format!("filter={}id%20eq%20%22a%22{}", "not%20(".repeat(200), ")".repeat(200)),
            "invalidFilter",
        ),
        ("count=many", "invalidValue"),
        ("startIndex=1.5", "invalidValue"),
    ] {
        is_error(&get(&desk, &format!("/Users?{query}")).await, 400, code).await;
    }
    let wrong_type = request("POST", "/scim/v2/Users")
        .header("Content-Type", "text/plain")
        .body(person("bob").to_string());
    is_error(&ask(&desk, wrong_type).await, 415, "").await;
    for id in ["u_none", "..%2Fx", "%00", "*", "a%27%20OR%201=1"] {
        is_error(&get(&desk, &format!("/Users/{id}")).await, 404, "").await;
        is_error(&get(&desk, &format!("/Groups/{id}")).await, 404, "").await;
    }
    is_error(&get(&desk, "/Nothing").await, 404, "").await;
    is_error(&send(&desk, "POST", "/Bulk", &json!({})).await, 404, "").await;
    let stale = request("PATCH", &format!("/scim/v2{path}"))
        .header("If-Match", "W/\"7\"")
        .header("Content-Type", "application/json");
    let step = json!({"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": false}]});
    is_error(&ask(&desk, stale.body(step.to_string())).await, 412, "").await;
    let empty = [
        json!({"schemas": [PATCH], "Operations": []}),
        json!({"Operations": [{"op": "replace", "path": "active", "value": false}]}),
    ];
    for body in empty {
        is_error(&send(&desk, "PATCH", &path, &body).await, 400, "invalidSyntax").await;
    }
    assert_eq!(desk.store().user(&ada).await.unwrap(), before);
    assert_eq!(get(&desk, "/Users").await.json()["totalResults"], 1);
    assert_eq!(get(&desk, "/Groups").await.json()["totalResults"], 0);
}

/// The scope `directory` opens these routes and no other, and no other but `admin` opens them.
#[tokio::test]
async fn only_the_directorys_scope_opens_its_routes_and_it_opens_nothing_else() {
    let desk = desk().await;
    let as_user = desk
        .admin(
            "models:invoke usage:read files keys team:admin",
            request("GET", "/scim/v2/Users"),
        )
        .await;
    is_error(&as_user, 403, "").await;
    assert_eq!(desk.admin("admin", request("GET", "/scim/v2/Users")).await.status, 200);
    for path in [
        "/api/admin/users",
        "/api/admin/clients",
        "/api/keys",
        "/api/usage/records",
    ] {
        assert_eq!(ask(&desk, request("GET", path)).await.status, 403, "{path}");
    }
    // An admin's credential makes one for it, also one that was made before there was such a scope.
    let wish = json!({"name": "Okta", "owner": "user:okta", "scopes": ["directory"]});
    assert_eq!(
        desk.admin("keys admin", request("POST", "/api/keys").json(&wish))
            .await
            .status,
        201
    );
    let wish = json!({"name": "mine", "scopes": ["directory"]});
    assert_eq!(
        desk.admin("keys", request("POST", "/api/keys").json(&wish))
            .await
            .status,
        403
    );
    let config = get(&desk, "/ServiceProviderConfig").await.json();
    assert_eq!(
        (
            &config["patch"]["supported"],
            &config["bulk"]["supported"],
            &config["sort"]["supported"]
        ),
        (&json!(true), &json!(false), &json!(false))
    );
    for (path, count) in [("/ResourceTypes", 2), ("/Schemas", 2)] {
        let list = get(&desk, path).await.json();
        assert_eq!(list["totalResults"], count);
        let id = list["Resources"][1]["id"].as_str().unwrap();
        assert_eq!(get(&desk, &format!("{path}/{id}")).await.json(), list["Resources"][1]);
    }
    let none = Desk::new().await;
    is_error(&get(&none, "/Users").await, 404, "").await;
}
