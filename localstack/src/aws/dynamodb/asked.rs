//! What a request to DynamoDB wants to do, as its access control sees it.
//!
//! A transaction has no action of its own: each of its parts takes `PutItem`, `UpdateItem`, `DeleteItem`, `ConditionCheckItem` or `GetItem`
//! ("IAM and transactions" in the developer guide). Batches have. An index is a resource beside its table.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::aws::{ACCOUNT_ID, REGION};
use crate::privileges::Asked;

/// The attribute whose values are `dynamodb:LeadingKeys`. Every table here has it as its hash key.
const HASH_KEY: &str = "pk";

type Item = BTreeMap<String, Value>;

/// A request about one item or one table, or a part of a transaction.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct One {
    table_name: String,
    index_name: Option<String>,
    key: Option<Item>,
    item: Option<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Transaction {
    transact_items: Vec<BTreeMap<String, One>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<T> {
    request_items: BTreeMap<String, T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    keys: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Write {
    put_request: Option<Put>,
    delete_request: Option<Delete>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    item: Item,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delete {
    key: Item,
}

/// What a request wants, all of which must be allowed; nothing where the body is none of the operation's.
pub(super) fn of(operation: &str, body: &[u8]) -> Option<Vec<Asked>> {
    match operation {
        "TransactWriteItems" | "TransactGetItems" => transaction(body),
        "BatchGetItem" => batch(operation, body, |keys: Keys| keys.keys),
        "BatchWriteItem" => batch(operation, body, |writes: Vec<Write>| {
            writes.into_iter().filter_map(written).collect()
        }),
        _ => Some(vec![one(operation, serde_json::from_slice(body).ok()?)]),
    }
}

fn one(operation: &str, request: One) -> Asked {
    let item = request.key.or(request.item);
    asked(operation, &request.table_name, request.index_name.as_deref(), item)
}

fn transaction(body: &[u8]) -> Option<Vec<Asked>> {
    let request: Transaction = serde_json::from_slice(body).ok()?;
    let parts = request.transact_items.into_iter().flatten();
    let part = |(kind, part): (String, One)| match kind.as_str() {
        "ConditionCheck" => Some(one("ConditionCheckItem", part)),
        "Put" => Some(one("PutItem", part)),
        "Update" => Some(one("UpdateItem", part)),
        "Delete" => Some(one("DeleteItem", part)),
        "Get" => Some(one("GetItem", part)),
        _ => None,
    };
    parts.map(part).collect()
}

fn batch<T: for<'de> Deserialize<'de>>(
    operation: &str,
    body: &[u8],
    items: impl Fn(T) -> Vec<Item>,
) -> Option<Vec<Asked>> {
    let request: Batch<T> = serde_json::from_slice(body).ok()?;
    let tables = request.request_items.into_iter();
    Some(
        tables
            .map(|(table, named)| asked(operation, &table, None, items(named)))
            .collect(),
    )
}

fn written(write: Write) -> Option<Item> {
    match (write.put_request, write.delete_request) {
        (Some(put), _) => Some(put.item),
        (None, delete) => delete.map(|delete| delete.key),
    }
}

fn asked(operation: &str, table: &str, index: Option<&str>, items: impl IntoIterator<Item = Item>) -> Asked {
    let table = match table.starts_with("arn:") {
        true => table.to_owned(),
        false => format!("arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{table}"),
    };
    let resource = match index {
        Some(index) => format!("{table}/index/{index}"),
        None => table,
    };
    let key = |item: Item| Some(item.get(HASH_KEY)?.get("S")?.as_str()?.to_owned());
    Asked {
        leading_keys: items.into_iter().filter_map(key).collect(),
        ..Asked::new(format!("dynamodb:{operation}"), resource)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use serde_json::json;

    use super::*;

    const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/T";

    fn seen(operation: &str, body: &Value) -> Vec<(String, String, Vec<String>)> {
        let asked = of(operation, body.to_string().as_bytes()).unwrap();
        let parts = |it: Asked| (it.action, it.resource, it.leading_keys);
        asked.into_iter().map(parts).collect()
    }

    fn expected(action: &str, resource: &str, keys: &[&str]) -> (String, String, Vec<String>) {
        let keys = keys.iter().map(ToString::to_string).collect();
        (format!("dynamodb:{action}"), resource.to_owned(), keys)
    }

    #[test]
    fn one_item_is_named_by_its_key_or_by_itself() {
        let key = json!({"TableName": "T", "Key": {"pk": {"S": "A"}, "sk": {"S": "B"}}});
        assert_eq!(seen("GetItem", &key), [expected("GetItem", TABLE, &["A"])]);
        let item = json!({"TableName": "T", "Item": {"pk": {"S": "C"}, "n": {"N": "1"}}});
        assert_eq!(seen("PutItem", &item), [expected("PutItem", TABLE, &["C"])]);
    }

    #[test]
    fn an_index_is_a_resource_of_its_own() {
        let query = json!({"TableName": "T", "IndexName": "by_day"});
        assert_eq!(
            seen("Query", &query),
            [expected("Query", &format!("{TABLE}/index/by_day"), &[])]
        );
    }

    #[test]
    fn a_transaction_takes_what_its_parts_take() {
        let part = |key: &str| json!({"TableName": "T", "Key": {"pk": {"S": key}}});
        let body = json!({"TransactItems": [
            {"Put": {"TableName": "T", "Item": {"pk": {"S": "P"}}}},
            {"Update": part("U")}, {"Delete": part("D")}, {"ConditionCheck": part("C")},
        ]});
        let wanted = [
            expected("PutItem", TABLE, &["P"]),
            expected("UpdateItem", TABLE, &["U"]),
            expected("DeleteItem", TABLE, &["D"]),
            expected("ConditionCheckItem", TABLE, &["C"]),
        ];
        assert_eq!(seen("TransactWriteItems", &body), wanted);
        let body = json!({"TransactItems": [{"Get": part("G")}]});
        assert_eq!(seen("TransactGetItems", &body), [expected("GetItem", TABLE, &["G"])]);
    }

    #[test]
    fn a_batch_names_every_item_of_a_table() {
        let body = json!({"RequestItems": {"T": {"Keys": [{"pk": {"S": "A"}}, {"pk": {"S": "B"}}]}}});
        assert_eq!(
            seen("BatchGetItem", &body),
            [expected("BatchGetItem", TABLE, &["A", "B"])]
        );
        let body = json!({"RequestItems": {"T": [
            {"PutRequest": {"Item": {"pk": {"S": "A"}}}}, {"DeleteRequest": {"Key": {"pk": {"S": "B"}}}},
        ]}});
        assert_eq!(
            seen("BatchWriteItem", &body),
            [expected("BatchWriteItem", TABLE, &["A", "B"])]
        );
    }

    #[test]
    fn what_is_not_understood_is_not_taken_for_harmless() {
        assert_eq!(of("GetItem", b"{}"), None);
        let other = json!({"TransactItems": [{"Other": {"TableName": "T"}}]});
        assert_eq!(of("TransactWriteItems", other.to_string().as_bytes()), None);
    }
}
