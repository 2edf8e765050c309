use proptest::prelude::*;
use serde_json::json;

use super::*;

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn ada() -> UserFields {
    UserFields::read(&object(&json!({
        "schemas": [USER], "userName": "Ada@Example.com", "externalId": "00u1", "active": true,
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"value": "ada@example.com", "type": "work", "primary": true}],
    })))
    .unwrap()
}

fn patched(operations: &Value) -> Result<UserFields, Error> {
    ada().patched(&object(&json!({"schemas": [PATCH], "Operations": operations})))
}

fn code(outcome: Result<impl Sized, Error>) -> &'static str {
    outcome.err().and_then(|error| error.code).unwrap_or("none")
}

/// RFC 7644, section 3.4.2.2: its examples that speak of what is kept here.
#[test]
fn the_examples_of_filters_want_whom_they_should() {
    let mut resource = ada().document();
    resource.insert("id".into(), "u_Ada".into());
    resource.insert("groups".into(), json!([{"value": "g_1", "display": "ML"}]));
    for wanted in [
        r#"userName eq "ada@example.com""#,
        r#"USERNAME Eq "ADA@example.com""#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "A""#,
        r#"name.familyName co "o'Malley" or name.familyName co "love""#,
        r#"externalId eq "00u1" and active eq true"#,
        r#"active eq "True""#,
        r#"emails pr and not (title pr)"#,
        r#"emails[type eq "work" and value co "@example.com"]"#,
        r#"emails co "example.com" or emails.value co "example.org""#,
        r#"groups.value eq "g_1""#,
        r#"id eq "u_Ada""#,
        r#"userName ne "bob""#,
    ] {
        assert!(matches(&parse_filter(wanted).unwrap(), &resource), "{wanted}");
    }
    for other in [
        r#"userName eq "bob""#,
        r#"id eq "u_ada""#,
        r#"externalId eq "00U1""#,
        r#"active eq false"#,
        r#"userName eq "ada@example.com" and active eq "False""#,
        r#"emails[type eq "home"]"#,
        r#"title pr"#,
        r#"nosuch eq "x""#,
    ] {
        assert!(!matches(&parse_filter(other).unwrap(), &resource), "{other}");
    }
}

#[test]
fn what_is_no_filter_or_too_much_of_one_is_refused_by_its_name() {
    let deep = format!("{}userName pr{}", "(".repeat(900), ")".repeat(900));
    let nots = format!("{}userName pr{}", "not (".repeat(300), ")".repeat(300));
    let many = vec![r#"id eq "a""#; 300].join(" or ");
    for bad in [
        "",
        "userName",
        "userName eq",
        r#"userName eq "a"#,
        r#"userName = "a""#,
        r#"userName eq "a" and"#,
        r#"userName eq 'a'"#,
        r#"' OR 1=1 --"#,
        r#"userName eq "a"; drop"#,
        r#"{"$ne": null}"#,
        "\u{0}",
        &deep,
        &nots,
        &many,
    ] {
        assert_eq!(code(parse_filter(bad)), wrong::FILTER, "{bad:.40}");
    }
}

#[test]
fn what_the_table_can_be_asked_for_is_found_in_a_conjunction_and_nowhere_else() {
    let names = ["userName", "id"];
    let of = |text: &str| indexed(&parse_filter(text).unwrap(), &names).map(|(name, value)| format!("{name} {value}"));
    assert_eq!(of(r#"username eq "a""#).as_deref(), Some("userName a"));
    assert_eq!(of(r#"active eq true and id eq "u""#).as_deref(), Some("id u"));
    for none in [
        r#"userName sw "a""#,
        r#"id eq "a" or active eq true"#,
        r#"not (id eq "a")"#,
        "userName pr",
    ] {
        assert_eq!(of(none), None, "{none}");
    }
}

/// What Microsoft documents that Entra sends, with and without its flag for RFC 7644, and what Okta sends.
#[test]
fn what_okta_and_entra_send_for_a_person_is_understood() {
    let active = |value: Value| patched(&value).unwrap().active;
    for off in [
        json!([{"op": "Replace", "path": "active", "value": "False"}]),
        json!([{"op": "replace", "path": "active", "value": false}]),
        json!([{"op": "replace", "value": {"active": false}}]),
        json!([{"op": "Replace", "value": {"urn:ietf:params:scim:schemas:core:2.0:User:active": "false"}}]),
        json!([{"op": "add", "path": "ACTIVE", "value": false}]),
    ] {
        assert_eq!(active(off.clone()), Some(false), "{off}");
    }
    let changed = patched(&json!([
        {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "new@example.com"},
        {"op": "Add", "path": "emails[type eq \"home\"].value", "value": "home@example.com"},
        {"op": "Replace", "path": "name.familyName", "value": "King"},
        {"op": "Add", "value": {"displayName": "Ada King", "name.middleName": "Augusta"}},
        {"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "R&D"},
        {"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "1"},
        {"op": "Replace", "path": "title", "value": "Countess"},
        {"op": "remove", "path": "externalId"},
    ]))
    .unwrap();
    let document = changed.document();
    assert_eq!(
        document["emails"][0],
        json!({"value": "new@example.com", "type": "work", "primary": true})
    );
    assert_eq!(
        document["emails"][1],
        json!({"value": "home@example.com", "type": "home"})
    );
    assert_eq!(
        document["name"],
        json!({"givenName": "Ada", "familyName": "King", "middleName": "Augusta"})
    );
    assert_eq!(
        (&document["displayName"], document.get("externalId")),
        (&json!("Ada King"), None)
    );
    assert_eq!(
        (changed.email().as_deref(), changed.shown_name().as_deref()),
        (Some("new@example.com"), Some("Ada King"))
    );
    assert!(
        document
            .keys()
            .all(|name| !["title", "phoneNumbers", "department"].contains(&name.as_str()))
    );
}

#[test]
fn a_wrong_patch_of_a_person_has_its_name_and_does_nothing() {
    for (bad, expected) in [
        (json!([]), wrong::SYNTAX),
        (json!([null]), wrong::SYNTAX),
        (json!([{"op": "move", "path": "active", "value": true}]), wrong::SYNTAX),
        (json!([{"op": "add", "path": "active"}]), wrong::VALUE),
        (
            json!([{"op": "replace", "path": "active", "value": "maybe"}]),
            wrong::VALUE,
        ),
        (
            json!([{"op": "replace", "path": "active", "value": [false]}]),
            wrong::VALUE,
        ),
        (json!([{"op": "remove"}]), wrong::NO_TARGET),
        (json!([{"op": "replace", "value": "x"}]), wrong::VALUE),
        (json!([{"op": "replace", "path": 7, "value": "x"}]), wrong::PATH),
        (
            json!([{"op": "replace", "path": "userName[", "value": "x"}]),
            wrong::PATH,
        ),
        (
            json!([{"op": "replace", "path": "userName.x", "value": "x"}]),
            wrong::PATH,
        ),
        (
            json!([{"op": "replace", "path": "isAdmin", "value": true}]),
            wrong::PATH,
        ),
        (json!([{"op": "replace", "value": {"team": "x"}}]), wrong::PATH),
        (
            json!([{"op": "replace", "path": "name.nick", "value": "x"}]),
            wrong::PATH,
        ),
        (
            json!([{"op": "replace", "path": "emails[type eq \"home\"].value", "value": "x"}]),
            wrong::NO_TARGET,
        ),
        (
            json!([{"op": "replace", "path": "userName", "value": null}]),
            wrong::VALUE,
        ),
        (json!([{"op": "remove", "path": "userName"}]), wrong::VALUE),
        (
            json!([{"op": "replace", "path": "userName", "value": "a\nb"}]),
            wrong::VALUE,
        ),
        (
            json!([{"op": "replace", "path": "emails", "value": [null]}]),
            wrong::VALUE,
        ),
        (
            json!([{"op": "add", "path": "emails", "value": [{"value": "x", "admin": true}]}]),
            wrong::VALUE,
        ),
    ] {
        assert_eq!(code(patched(&bad)), expected, "{bad}");
    }
    let many = vec![json!({"op": "replace", "path": "active", "value": true}); 101];
    assert_eq!(code(patched(&json!(many))), wrong::SYNTAX);
}

#[test]
fn a_person_of_another_form_is_refused_and_what_is_not_kept_is_left() {
    let read = |changes: &Value| {
        let mut body = object(&json!({"schemas": [USER], "userName": "ada"}));
        body.extend(object(changes));
        UserFields::read(&body)
    };
    let full = read(&json!({
        "id": "mine", "meta": {}, "groups": [], "password": "secret", "roles": [{"value": "admin"}], "locale": "en-US",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D"}, "emails": null, "name": null,
    }))
    .unwrap();
    assert_eq!(
        (full.attributes, full.active, full.external_id),
        (Map::new(), None, None)
    );
    for bad in [
        json!({"schemas": []}),
        json!({"schemas": USER}),
        json!({"schemas": [GROUP]}),
        json!({"userName": ""}),
        json!({"userName": "  "}),
        json!({"userName": null}),
        json!({"userName": 7}),
        json!({"userName": "x".repeat(257)}),
        json!({"USERNAME": "twice"}),
        json!({"team": "ml"}),
        json!({"admin": true}),
        json!({"externalId": ["a"]}),
        json!({"active": 1}),
        json!({"name": "Ada"}),
        json!({"name": {"nick": "A"}}),
        json!({"emails": {}}),
        json!({"emails": [{}]}),
        json!({"emails": [{"value": null}]}),
        json!({"emails": vec![json!({"value": "a@b"}); 21]}),
    ] {
        assert!(
            [wrong::SYNTAX, wrong::VALUE, wrong::PATH].contains(&code(read(&bad))),
            "{bad}"
        );
    }
}

fn group(operations: &Value) -> Result<Vec<GroupChange>, Error> {
    group_changes(&object(&json!({"schemas": [PATCH], "Operations": operations})))
}

fn named(ids: &[&str]) -> std::collections::BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// RFC 7644, section 3.5.2, and what Microsoft and Okta document.
#[test]
fn what_okta_and_entra_send_for_a_group_is_understood() {
    for (sent, wanted) in [
        (
            json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": "u_1"}, {"value": "u_2", "display": "B"}]}]),
            vec![GroupChange::Join(named(&["u_1", "u_2"]))],
        ),
        (
            json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "u_1"}]}]),
            vec![GroupChange::Leave(named(&["u_1"]))],
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"u_1\"]"}]),
            vec![GroupChange::Leave(named(&["u_1"]))],
        ),
        (
            json!([{"op": "Remove", "path": "members", "value": []}]),
            vec![GroupChange::Leave(named(&[]))],
        ),
        (
            json!([{"op": "remove", "path": "members"}]),
            vec![GroupChange::Members(named(&[]))],
        ),
        (
            json!([{"op": "replace", "path": "members", "value": []}]),
            vec![GroupChange::Members(named(&[]))],
        ),
        (
            json!([{"op": "replace", "value": {"id": "g_1", "displayName": "New"}}]),
            vec![GroupChange::Rename("New".into())],
        ),
        (
            json!([{"op": "Replace", "path": "displayName", "value": "New"}]),
            vec![GroupChange::Rename("New".into())],
        ),
        (
            json!([{"op": "Add", "value": {"members": [{"value": "u_3"}]}}]),
            vec![GroupChange::Join(named(&["u_3"]))],
        ),
        (
            json!([{"op": "Replace", "path": "externalId", "value": "8aa1"}]),
            vec![GroupChange::ExternalId(Some("8aa1".into()))],
        ),
    ] {
        assert_eq!(group(&sent).unwrap(), wanted, "{sent}");
    }
}

#[test]
fn a_wrong_patch_of_a_group_has_its_name() {
    let many: Vec<_> = (0..=MOST_MEMBERS)
        .map(|number| json!({"value": format!("u_{number}")}))
        .collect();
    for (bad, expected) in [
        (json!([{"op": "add", "path": "members", "value": [null]}]), wrong::VALUE),
        (
            json!([{"op": "add", "path": "members", "value": [{"value": null}]}]),
            wrong::VALUE,
        ),
        (
            json!([{"op": "add", "path": "members", "value": [{"value": "../x"}]}]),
            wrong::VALUE,
        ),
        (json!([{"op": "add", "path": "members", "value": "u_1"}]), wrong::VALUE),
        (
            json!([{"op": "remove", "path": "members", "value": "u_1"}]),
            wrong::VALUE,
        ),
        (
            json!([{"op": "add", "path": "members[value eq \"u_1\"]", "value": {}}]),
            wrong::PATH,
        ),
        (
            json!([{"op": "remove", "path": "members[display co \"a\"]"}]),
            wrong::PATH,
        ),
        (json!([{"op": "remove", "path": "displayName"}]), wrong::MUTABILITY),
        (
            json!([{"op": "replace", "path": "roles", "value": ["admin"]}]),
            wrong::PATH,
        ),
        (
            json!([{"op": "add", "path": "members", "value": many}]),
            wrong::TOO_MANY,
        ),
    ] {
        assert_eq!(code(group(&bad)), expected, "{:.80}", bad.to_string());
    }
}

proptest! {
    /// No text and no document makes for a panic, and a body that is refused is refused by a name.
    #[test]
    fn nothing_that_comes_in_is_more_than_refused(text in ".{0,200}", path in "[a-z\\[\\]\". ()]{0,60}", value in "[a-z]{0,8}") {
        let _ = parse_filter(&text).map(|filter| matches(&filter, &ada().document()));
        let _ = parse_filter(&path).map(|filter| matches(&filter, &ada().document()));
        for op in ["add", "replace", "remove"] {
            let operations = json!([{"op": op, "path": path, "value": value}]);
            if let Err(error) = patched(&operations) {
                prop_assert!(error.code.is_some());
            }
            if let Err(error) = group(&operations) {
                prop_assert!(error.code.is_some());
            }
        }
    }

    /// What is shown is what was said: a person survives being written and read.
    #[test]
    fn a_person_survives_their_document(name in "[A-Za-z0-9@. ]{1,40}[a-z]", id in "[a-z0-9]{1,20}", active: bool) {
        let fields = UserFields { user_name: name, external_id: Some(id), active: Some(active), attributes: ada().attributes };
        let mut body = fields.document();
        body.insert("schemas".into(), json!([USER]));
        prop_assert_eq!(UserFields::read(&body).unwrap(), fields);
    }
}
