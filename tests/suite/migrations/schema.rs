//! Tables and indexes: what there must be, named where it is not, and made where it lacks.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use gateway::migration::{Migrator, Outcome};
use gateway::store::{IndexSchema, Store, TableSchema, Way};
use localstack::aws::{self, Options, Resources, sdk_config};
use localstack::template::{Template, Values};
use serde_json::{Value, json};
use tests::backing::{Backing, root};

use super::field::Field;

///
#[test]
fn what_the_code_expects_of_the_table_is_what_the_template_makes() {
    let values = Values {
        parameters: [("Issuer".to_owned(), "https://gateway.example".to_owned())].into(),
        ..Values::default()
    };
    let template = Template::read(&root().join("template.yaml"), &values).unwrap();
    let table = &template.tables[0].definition;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let key = |schema: &Value, kind: &str| {
        let key = schema
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["KeyType"] == kind)
            .unwrap();
        let name = text(&key["AttributeName"]);
        let attributes = table["AttributeDefinitions"].as_array().unwrap();
        let attribute = attributes.iter().find(|it| it["AttributeName"] == name).unwrap();
        assert_eq!(attribute["AttributeType"], "S", "{name}");
        name
    };
    let indexes = table["GlobalSecondaryIndexes"].as_array().unwrap().iter();
    let templates = TableSchema {
        partition: key(&table["KeySchema"], "HASH"),
        sort: key(&table["KeySchema"], "RANGE"),
        indexes: indexes
            .map(|index| IndexSchema {
                name: text(&index["IndexName"]),
                partition: key(&index["KeySchema"], "HASH"),
                sort: key(&index["KeySchema"], "RANGE"),
                projection: text(&index["Projection"]["ProjectionType"]),
            })
            .collect(),
        time_to_live: table["TimeToLiveSpecification"]["Enabled"]
            .as_bool()
            .unwrap()
            .then(|| text(&table["TimeToLiveSpecification"]["AttributeName"])),
        stream: None,
    };
    assert!(table.get("StreamSpecification").is_none());
    assert_eq!(TableSchema::expected(), templates);
}

///
#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_table_is_named_and_nothing_goes_up_over_it() {
    let backing = Backing::start().await;
    assert_eq!(backing.store().schema_faults().await.unwrap(), Vec::<String>::new());
    let client = backing.dynamodb();
    let attribute = |name: &str, kind: ScalarAttributeType| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(kind)
            .build()
            .unwrap()
    };
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .unwrap()
    };
    let index = |name: &str, projection: ProjectionType| {
        GlobalSecondaryIndex::builder()
            .index_name(name)
            .key_schema(key("sk", KeyType::Hash))
            .projection(Projection::builder().projection_type(projection).build())
            .build()
            .unwrap()
    };
    client
        .create_table()
        .table_name("other")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("id", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::N))
        .key_schema(key("id", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .global_secondary_indexes(index("by_day", ProjectionType::KeysOnly))
        .global_secondary_indexes(index("by_whim", ProjectionType::All))
        .send()
        .await
        .unwrap();
    let other = Store::new(client, "other".to_owned());
    assert_eq!(
        other.schema_faults().await.unwrap(),
        [
            "the table's partition key is id; it must be pk",
            "the table's sort key is sk (N); it must be sk",
            "the time to live is none; it must be expires_at",
            "the partition key of the index by_day is sk (N); it must be day",
            "the sort key of the index by_day is none; it must be sk",
            "the projection of the index by_day is KEYS_ONLY; it must be ALL",
            "the index by_whim is there; it must be absent",
        ]
    );
    let (clock, migrations) = (gateway::clock::Clock::System, gateway::migration::all());
    let migrator = Migrator {
        store: &other,
        clock: &clock,
        migrations: &migrations,
    };
    let outcome = migrator.start(Way::Up, &Field::wish()).await.unwrap().outcome;
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
}

fn described(definition: &Value) -> Resources {
    Resources {
        tables: vec![definition.clone()],
        ..Resources::default()
    }
}

///
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_an_earlier_table_lacks_is_made_and_until_then_nothing_goes_up() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        data: folder.path().to_owned(),
        aws_endpoint: None,
        privileges: None,
    };
    let values = Values {
        parameters: [("Issuer".to_owned(), "https://gateway.example".to_owned())].into(),
        ..Values::default()
    };
    let template = Template::read(&root().join("template.yaml"), &values).unwrap();
    let now = &template.tables[0].definition;
    let mut before = now.clone();
    let earlier = before.as_object_mut().unwrap();
    earlier.remove("GlobalSecondaryIndexes");
    earlier.remove("TimeToLiveSpecification");
    let attributes = earlier["AttributeDefinitions"].as_array_mut().unwrap();
    attributes.retain(|it| it["AttributeName"] != json!("day"));
    let name = now["TableName"].as_str().unwrap();
    let outcome = async |definition: &Value| {
        let endpoints = Box::pin(aws::start(&options, &described(definition))).await.unwrap();
        let config = aws_sdk_dynamodb::config::Builder::from(&sdk_config(false)).endpoint_url(&endpoints.dynamodb);
        let store = Store::new(aws_sdk_dynamodb::Client::from_conf(config.build()), name.to_owned());
        let (clock, migrations) = (gateway::clock::Clock::System, gateway::migration::all());
        let migrator = Migrator {
            store: &store,
            clock: &clock,
            migrations: &migrations,
        };
        let report = migrator.start(Way::Up, &Field::wish()).await.unwrap();
        let faults = store.schema_faults().await.unwrap();
        endpoints.stop().await;
        (report.outcome, faults)
    };
    let (refused, faults) = outcome(&before).await;
    let Outcome::Refused { reason } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        faults,
        [
            "the time to live is none; it must be expires_at",
            "the index by_day is missing; it must be there"
        ]
    );
    assert!(faults.iter().all(|fault| reason.contains(fault)), "{reason}");
    assert_eq!(outcome(now).await, (Outcome::Continues, Vec::new()));
}
