//! What a directory does with groups, and what follows for those who are in them.

use serde_json::{Value, json};
use tests::event::request;

use super::directory::{ask, desk, get, is_error, made, patch, person, send};
use crate::login::desk::Desk;

const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<_> = members.iter().map(|id| json!({"value": id, "display": "x"})).collect();
    json!({"schemas": [GROUP], "displayName": name, "externalId": format!("ext-{name}"), "members": members})
}

async fn created(desk: &Desk, name: &str, members: &[&str]) -> String {
    let answer = send(desk, "POST", "/Groups", &group(name, members)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn of(desk: &Desk, user_id: &str) -> (Vec<&'static str>, Option<String>) {
    let user = desk.store().user(user_id).await.unwrap().unwrap();
    (
        user.roles.iter().map(|role| role.name()).collect(),
        user.team.map(Into::into),
    )
}

async fn members(desk: &Desk, group_id: &str) -> Vec<String> {
    let shown = get(desk, &format!("/Groups/{group_id}")).await.json();
    let mut ids: Vec<_> = shown["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["value"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// groups give roles and a team by the rules, as long as somebody is in them and they are called so.
#[tokio::test]
async fn roles_and_team_follow_every_change_of_a_membership_and_of_a_name() {
    let desk = desk().await;
    let (ada, bob) = (made(&desk, "ada").await, made(&desk, "bob").await);
    let ml = created(&desk, "ml", &[&ada]).await;
    let users = created(&desk, "Tollgate users", &[&ada, &bob]).await;
    assert_eq!(of(&desk, &ada).await, (vec!["user", "team_admin"], Some("ml".into())));
    assert_eq!(of(&desk, &bob).await, (vec!["user"], None));
    // As Entra adds and removes, without and with its flag for RFC 7644.
    let path = format!("/Groups/{ml}");
    let add = json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": bob}]}]);
    assert_eq!(patch(&desk, &path, &add).await.status, 204);
    assert_eq!(of(&desk, &bob).await.0, ["user", "team_admin"]);
    let remove = json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": ada}]}]);
    assert_eq!(patch(&desk, &path, &remove).await.status, 204);
    assert_eq!(
        (of(&desk, &ada).await, members(&desk, &ml).await),
        ((vec!["user"], None), vec![bob.clone()])
    );
    let remove = json!([{"op": "remove", "path": format!("members[value eq \"{bob}\"]")}]);
    assert_eq!(patch(&desk, &path, &remove).await.status, 204);
    assert_eq!(of(&desk, &bob).await, (vec!["user"], None));
    // As Okta replaces and renames.
    let replace = json!([{"op": "replace", "path": "members", "value": [{"value": ada, "display": "a"}]}]);
    assert_eq!(patch(&desk, &path, &replace).await.status, 204);
    assert_eq!(of(&desk, &ada).await.1.as_deref(), Some("ml"));
    let rename = json!([{"op": "replace", "value": {"id": ml, "displayName": "former ml"}}]);
    assert_eq!(patch(&desk, &path, &rename).await.status, 204);
    assert_eq!(of(&desk, &ada).await, (vec!["user"], None));
    let shown = get(&desk, &format!("/Users/{ada}")).await.json();
    let names: Vec<_> = shown["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["display"].clone())
        .collect();
    assert!(names.contains(&json!("former ml")), "{names:?}");
    // A rule may name a group as the directory does.
    let known = json!([{"op": "Replace", "path": "externalId", "value": "0ff1ce"}]);
    assert_eq!(patch(&desk, &path, &known).await.status, 204);
    assert_eq!(of(&desk, &ada).await.0, ["user", "admin"]);
    created(&desk, "more admins", &[]).await;
    let put = send(
        &desk,
        "PUT",
        &format!("/Groups/{users}"),
        &group("Nobody's rule", &[&ada]),
    )
    .await;
    assert_eq!((put.status, put.json()["members"].as_array().unwrap().len()), (200, 1));
    assert_eq!(
        (of(&desk, &ada).await.0, of(&desk, &bob).await.0),
        (vec!["admin"], vec![])
    );
    let trail = desk
        .admin(
            "admin",
            request("GET", "/api/admin/audit?action=directory.group.join&limit=500"),
        )
        .await
        .json();
    let joined = trail["entries"].as_array().unwrap();
    assert!(
        joined
            .iter()
            .any(|it| it["target"] == json!(bob) && it["after"]["group"]["group_id"] == json!(ml)),
        "{trail}"
    );
}

#[tokio::test]
async fn a_deleted_group_gives_nothing_any_more_and_its_name_is_free() {
    let desk = desk().await;
    let ada = made(&desk, "ada").await;
    let ml = created(&desk, "ml", &[&ada]).await;
    is_error(
        &send(&desk, "POST", "/Groups", &group("ML", &[])).await,
        409,
        "uniqueness",
    )
    .await;
    let path = format!("/Groups/{ml}");
    assert_eq!(send(&desk, "DELETE", &path, &json!({})).await.status, 204);
    is_error(&send(&desk, "DELETE", &path, &json!({})).await, 404, "").await;
    assert_eq!(of(&desk, &ada).await, (vec![], None));
    assert_eq!(get(&desk, &format!("/Users/{ada}")).await.json()["groups"], json!([]));
    created(&desk, "ml", &[&ada]).await;
    assert_eq!(of(&desk, &ada).await.1.as_deref(), Some("ml"));
}

#[tokio::test]
async fn groups_are_found_as_okta_and_entra_look_for_them() {
    let desk = desk().await;
    let ada = made(&desk, "ada").await;
    let (ml, ops) = (created(&desk, "ml", &[&ada]).await, created(&desk, "ops", &[]).await);
    let find = async |query: String| {
        let list = get(&desk, &format!("/Groups?{query}")).await.json();
        let ids: Vec<_> = list["Resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(list["totalResults"], ids.len());
        ids
    };
    assert_eq!(
        find("excludedAttributes=members&filter=displayName%20eq%20%22ML%22".into()).await,
        std::slice::from_ref(&ml)
    );
    assert_eq!(
        find("filter=externalId%20eq%20%22ext-ops%22".into()).await,
        std::slice::from_ref(&ops)
    );
    assert_eq!(
        find(format!(
            "filter=id%20eq%20%22{ml}%22%20and%20members%20eq%20%22{ada}%22"
        ))
        .await,
        std::slice::from_ref(&ml)
    );
    assert_eq!(
        find(format!(
            "filter=id%20eq%20%22{ops}%22%20and%20members%20eq%20%22{ada}%22"
        ))
        .await,
        Vec::<String>::new()
    );
    assert_eq!(
        find(format!("filter=members.value%20eq%20%22{ada}%22")).await,
        std::slice::from_ref(&ml)
    );
    assert_eq!(find("startIndex=1&count=100".into()).await.len(), 2);
    let without = get(&desk, &format!("/Groups/{ml}?excludedAttributes=members"))
        .await
        .json();
    assert_eq!((without.get("members"), &without["displayName"]), (None, &json!("ml")));
    let only = get(&desk, &format!("/Groups/{ml}?attributes=displayName")).await.json();
    assert_eq!(only.get("members"), None);
}

/// security.md: bad inputs. A request about members that are none changes nobody.
#[tokio::test]
async fn a_wrong_member_or_name_is_refused_and_nobody_is_changed() {
    let desk = desk().await;
    let ada = made(&desk, "ada").await;
    is_error(
        &send(&desk, "POST", "/Groups", &group("ml", &[&ada, "u_none"])).await,
        400,
        "invalidValue",
    )
    .await;
    assert_eq!(get(&desk, "/Groups").await.json()["totalResults"], 0);
    let ml = created(&desk, "ml", &[]).await;
    let path = format!("/Groups/{ml}");
    for (operations, code) in [
        (
            json!([{"op": "add", "path": "members", "value": [{"value": ada}, {"value": "u_none"}]}]),
            "invalidValue",
        ),
        (
            json!([{"op": "add", "path": "members", "value": [{"value": ada}, null]}]),
            "invalidValue",
        ),
        (
            json!([{"op": "add", "path": "members", "value": [{"value": ada}]}, {"op": "replace", "path": "roles", "value": "admin"}]),
            "invalidPath",
        ),
        (
            json!([{"op": "replace", "path": "displayName", "value": ""}]),
            "invalidValue",
        ),
        (
            json!([{"op": "replace", "path": "displayName", "value": "x".repeat(300)}]),
            "invalidValue",
        ),
    ] {
        is_error(&patch(&desk, &path, &operations).await, 400, code).await;
    }
    let many: Vec<_> = (0..1001)
        .map(|number| json!({"value": format!("u_{number}")}))
        .collect();
    is_error(
        &patch(&desk, &path, &json!([{"op": "add", "path": "members", "value": many}])).await,
        413,
        "tooMany",
    )
    .await;
    assert_eq!(
        (members(&desk, &ml).await, of(&desk, &ada).await),
        (vec![], (vec![], None))
    );
    let stale = request("DELETE", &format!("/scim/v2{path}")).header("If-Match", "W/\"9\"");
    is_error(&ask(&desk, stale).await, 412, "").await;
}

/// Members of a large group come and leave at once, and the same request twice is once.
#[tokio::test]
async fn many_members_come_and_leave_by_one_request_and_a_repetition_changes_nothing() {
    let desk = desk().await;
    let mut ids = Vec::new();
    for number in 0..60 {
        ids.push(made(&desk, &format!("person-{number}")).await);
    }
    ids.sort();
    let all: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
    let users = created(&desk, "Tollgate users", &[]).await;
    let path = format!("/Groups/{users}");
    let entries = async || {
        let trail = desk
            .admin(
                "admin",
                request("GET", "/api/admin/audit?limit=500&actor=client:client_okta"),
            )
            .await
            .json();
        trail["entries"].as_array().unwrap().len()
    };
    let add = json!([{"op": "add", "path": "members", "value": all}]);
    assert_eq!(patch(&desk, &path, &add).await.status, 204);
    let told = entries().await;
    assert_eq!(patch(&desk, &path, &add).await.status, 204);
    assert_eq!((members(&desk, &users).await, entries().await), (ids.clone(), told));
    for id in &ids {
        assert_eq!(of(&desk, id).await.0, ["user"]);
    }
    let some = json!([{"op": "replace", "path": "members", "value": all[..7]}]);
    assert_eq!(patch(&desk, &path, &some).await.status, 204);
    assert_eq!(members(&desk, &users).await, ids[..7]);
    assert_eq!(
        patch(&desk, &path, &json!([{"op": "remove", "path": "members"}]))
            .await
            .status,
        204
    );
    assert_eq!(
        (members(&desk, &users).await.len(), of(&desk, &ids[0]).await.0.len()),
        (0, 0)
    );
}

/// The directory may switch off the last admin, but no rule takes the role from one by mistake.
#[tokio::test]
async fn the_last_admin_loses_the_role_by_no_group_but_can_be_switched_off() {
    let desk = desk().await;
    let ada = made(&desk, "ada").await;
    let mut admins = group("Admins", &[&ada]);
    admins["externalId"] = json!("0ff1ce");
    let admins = send(&desk, "POST", "/Groups", &admins).await.json();
    let path = format!("/Groups/{}", admins["id"].as_str().unwrap());
    assert_eq!(of(&desk, &ada).await.0, ["admin"]);
    let remove = json!([{"op": "remove", "path": "members"}]);
    is_error(&patch(&desk, &path, &remove).await, 409, "mutability").await;
    is_error(&send(&desk, "DELETE", &path, &json!({})).await, 409, "mutability").await;
    assert_eq!(of(&desk, &ada).await.0, ["admin"]);
    let mut off = person("ada");
    off["active"] = json!(false);
    assert_eq!(send(&desk, "PUT", &format!("/Users/{ada}"), &off).await.status, 200);
    assert!(!desk.store().user(&ada).await.unwrap().unwrap().is_admin());
    // What an admin has given stays, whatever the groups say, until it is left to them again.
    let path = format!("/api/admin/users/{ada}");
    let patched = desk
        .admin("admin", request("PATCH", &path).json(&json!({"roles": ["user"]})))
        .await
        .json();
    assert_eq!(
        (&patched["roles_from"], &patched["active"]),
        (&json!("admin"), &json!(false))
    );
    let patched = desk
        .admin(
            "admin",
            request("PATCH", &path).json(&json!({"roles_from": "directory"})),
        )
        .await
        .json();
    assert_eq!(patched["roles"], json!(["admin"]));
}
