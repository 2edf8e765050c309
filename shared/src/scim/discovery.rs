//! What the directory's program can read of us before it begins (RFC 7643, sections 5 to 7).

use serde_json::{Value, json};

use super::{GROUP, USER};

/// The most resources on a page of a list.
const MOST_RESULTS: usize = 200;

/// RFC 7643, section 5. `base` is where SCIM begins: `https://…/scim/v2`.
pub fn service_provider_config(base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": MOST_RESULTS},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "Bearer",
            "description": "An API key, or an access token of a service account, with the scope `directory`.", "primary": true,
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig")},
    })
}

/// RFC 7643, section 6.
pub fn resource_types(base: &str) -> Vec<Value> {
    let of = |name: &str, endpoint: &str, schema: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": name, "name": name, "endpoint": endpoint, "schema": schema, "schemaExtensions": [],
            "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{name}")},
        })
    };
    vec![of("User", "/Users", USER), of("Group", "/Groups", GROUP)]
}

/// RFC 7643, section 7: what is kept.
pub fn schemas(base: &str) -> Vec<Value> {
    let user = [
        attribute("userName", "string", "readWrite", true, "server"),
        attribute("displayName", "string", "readWrite", false, "none"),
        attribute("active", "boolean", "readWrite", false, "none"),
        complex("name", false, "readWrite", &name_parts()),
        complex("emails", true, "readWrite", &email_parts()),
        complex("groups", true, "readOnly", &member_parts("readOnly")),
    ];
    let group = [
        attribute("displayName", "string", "readWrite", true, "server"),
        complex("members", true, "readWrite", &member_parts("immutable")),
    ];
    vec![schema(base, USER, "User", &user), schema(base, GROUP, "Group", &group)]
}

fn schema(base: &str, id: &str, name: &str, attributes: &[Value]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": id, "name": name, "description": name, "attributes": attributes,
        "meta": {"resourceType": "Schema", "location": format!("{base}/Schemas/{id}")},
    })
}

fn attribute(name: &str, kind: &str, mutability: &str, required: bool, uniqueness: &str) -> Value {
    json!({
        "name": name, "type": kind, "multiValued": false, "description": name, "required": required, "caseExact": false,
        "mutability": mutability, "returned": "default", "uniqueness": uniqueness,
    })
}

fn complex(name: &str, several: bool, mutability: &str, parts: &[Value]) -> Value {
    let mut complex = attribute(name, "complex", mutability, false, "none");
    complex["multiValued"] = several.into();
    complex["subAttributes"] = parts.into();
    complex
}

fn name_parts() -> Vec<Value> {
    let parts = [
        "formatted",
        "familyName",
        "givenName",
        "middleName",
        "honorificPrefix",
        "honorificSuffix",
    ];
    parts
        .map(|name| attribute(name, "string", "readWrite", false, "none"))
        .to_vec()
}

fn email_parts() -> Vec<Value> {
    let of = |name, kind| attribute(name, kind, "readWrite", false, "none");
    vec![
        of("value", "string"),
        of("type", "string"),
        of("display", "string"),
        of("primary", "boolean"),
    ]
}

fn member_parts(mutability: &str) -> Vec<Value> {
    let mut value = attribute("value", "string", mutability, false, "none");
    value["caseExact"] = true.into();
    let mut reference = attribute("$ref", "reference", mutability, false, "none");
    reference["referenceTypes"] = json!(["User", "Group"]);
    let of = |name| attribute(name, "string", mutability, false, "none");
    vec![value, reference, of("display"), of("type")]
}
