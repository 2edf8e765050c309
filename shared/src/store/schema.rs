//! What the table must be: keys, indexes, time to live, stream. `template.yaml` makes it so, and a test compares the two.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, GlobalSecondaryIndexDescription, IndexStatus, KeySchemaElement, KeyType, ProjectionType,
    TableDescription, TableStatus, TimeToLiveDescription, TimeToLiveStatus,
};
use serde::Serialize;

use super::{Store, key, unavailable};
use crate::error::Error;

/// A table, as far as the gateway rests on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableSchema {
    /// The attribute of the partition key, which is a string.
    pub partition: String,
    /// That of the sort key, which is a string.
    pub sort: String,
    /// The global secondary indexes.
    pub indexes: Vec<IndexSchema>,
    /// The attribute that says when an item ends, if items end by themselves.
    pub time_to_live: Option<String>,
    /// What a stream of changes shows, if there is one.
    pub stream: Option<String>,
}

/// An index over the table, of all attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IndexSchema {
    /// Its name.
    pub name: String,
    /// The attribute of its partition key, which is a string.
    pub partition: String,
    /// That of its sort key, which is a string.
    pub sort: String,
    /// Which attributes it has: `ALL`, `KEYS_ONLY` or `INCLUDE`.
    pub projection: String,
}

impl TableSchema {
    /// What the table must be.
    pub fn expected() -> Self {
        Self {
            partition: key::PARTITION.to_owned(),
            sort: key::SORT.to_owned(),
            indexes: vec![IndexSchema {
                name: key::BY_DAY.to_owned(),
                partition: key::DAY.to_owned(),
                sort: key::SORT.to_owned(),
                projection: "ALL".to_owned(),
            }],
            time_to_live: Some("expires_at".to_owned()),
            stream: None,
        }
    }

    /// What of `actual` is not so, each by its name; nothing if all is.
    pub fn faults(&self, actual: &Self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut compare = |what: String, is: &str, must: &str| {
            if is != must {
                faults.push(format!("{what} is {is}; it must be {must}"));
            }
        };
        compare(
            "the table's partition key".to_owned(),
            &actual.partition,
            &self.partition,
        );
        compare("the table's sort key".to_owned(), &actual.sort, &self.sort);
        let none = || "none".to_owned();
        let text = |value: &Option<String>| value.clone().unwrap_or_else(none);
        compare(
            "the time to live".to_owned(),
            &text(&actual.time_to_live),
            &text(&self.time_to_live),
        );
        compare("the stream".to_owned(), &text(&actual.stream), &text(&self.stream));
        for must in &self.indexes {
            let Some(is) = actual.indexes.iter().find(|it| it.name == must.name) else {
                compare(format!("the index {}", must.name), "missing", "there");
                continue;
            };
            let part = |part: &str| format!("the {part} of the index {}", must.name);
            compare(part("partition key"), &is.partition, &must.partition);
            compare(part("sort key"), &is.sort, &must.sort);
            compare(part("projection"), &is.projection, &must.projection);
        }
        let strange = actual
            .indexes
            .iter()
            .filter(|it| !self.indexes.iter().any(|must| must.name == it.name));
        for index in strange {
            compare(format!("the index {}", index.name), "there", "absent");
        }
        faults
    }
}

impl Store {
    /// What of the table is not as it must be, each by its name; nothing if all is.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn schema_faults(&self) -> Result<Vec<String>, Error> {
        let described = self.client.describe_table().table_name(&self.table).send().await;
        let table = described.map_err(unavailable)?.table;
        let table = table.ok_or_else(|| Error::unavailable("a table without a description"))?;
        let ends = self.client.describe_time_to_live().table_name(&self.table).send().await;
        let ends = ends.map_err(unavailable)?.time_to_live_description;
        let mut faults = TableSchema::expected().faults(&schema(&table, ends.as_ref()));
        faults.extend(unready(&table));
        Ok(faults)
    }
}

/// What is not ready to be used.
fn unready(table: &TableDescription) -> Vec<String> {
    let mut faults = Vec::new();
    match table.table_status() {
        Some(TableStatus::Active | TableStatus::Updating) => {}
        status => faults.push(format!(
            "the table is {}; it must be ACTIVE",
            shown(status.map(TableStatus::as_str))
        )),
    }
    for index in table.global_secondary_indexes() {
        if index.index_status() != Some(&IndexStatus::Active) {
            let status = shown(index.index_status().map(IndexStatus::as_str));
            let name = shown(index.index_name());
            faults.push(format!("the index {name} is {status}; it must be ACTIVE"));
        }
    }
    faults
}

fn shown(text: Option<&str>) -> String {
    text.unwrap_or("unknown").to_owned()
}

fn schema(table: &TableDescription, ends: Option<&TimeToLiveDescription>) -> TableSchema {
    let attributes = table.attribute_definitions();
    let on = [TimeToLiveStatus::Enabled, TimeToLiveStatus::Enabling];
    let ends = ends.filter(|it| it.time_to_live_status().is_some_and(|status| on.contains(status)));
    let stream = table.stream_specification().filter(|it| it.stream_enabled());
    TableSchema {
        partition: key_of(table.key_schema(), &KeyType::Hash, attributes),
        sort: key_of(table.key_schema(), &KeyType::Range, attributes),
        indexes: table
            .global_secondary_indexes()
            .iter()
            .map(|index| index_schema(index, attributes))
            .collect(),
        time_to_live: ends.and_then(|it| it.attribute_name()).map(str::to_owned),
        stream: stream.map(|it| {
            shown(
                it.stream_view_type()
                    .map(aws_sdk_dynamodb::types::StreamViewType::as_str),
            )
        }),
    }
}

fn index_schema(index: &GlobalSecondaryIndexDescription, attributes: &[AttributeDefinition]) -> IndexSchema {
    let projection = index.projection().and_then(|it| it.projection_type());
    IndexSchema {
        name: shown(index.index_name()),
        partition: key_of(index.key_schema(), &KeyType::Hash, attributes),
        sort: key_of(index.key_schema(), &KeyType::Range, attributes),
        projection: shown(projection.map(ProjectionType::as_str)),
    }
}

/// The attribute of a key; with its type, where that is no string.
fn key_of(keys: &[KeySchemaElement], kind: &KeyType, attributes: &[AttributeDefinition]) -> String {
    let Some(key) = keys.iter().find(|it| it.key_type() == kind) else {
        return "none".to_owned();
    };
    let name = key.attribute_name();
    let attribute = attributes.iter().find(|it| it.attribute_name() == name);
    match attribute.map(|it| it.attribute_type().as_str()) {
        Some("S") => name.to_owned(),
        other => format!("{name} ({})", other.unwrap_or("of no type")),
    }
}
