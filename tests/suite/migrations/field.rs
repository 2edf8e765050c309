//! A table with rows, and what is done to it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::error::Error;
use gateway::migration::{self, Limit, Migration, Migrator, Outcome, Status, Wish, Worked};
use gateway::money::Picodollars;
use gateway::price::{BandRates, TokenRate};
use gateway::store::{Item, Store, UsageRow, Way};
use gateway::usage::{Tokens, Usage};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tests::backing::{Backing, Setup};
use tests::fixtures;

/// So many people have rows.
const PEOPLE: u64 = 23;

/// A row like no other.
pub(super) fn row(number: u64) -> UsageRow {
    let started_at = Timestamp::from_millisecond(1_790_000_000_000 + i64::try_from(number).unwrap() * 1_357).unwrap();
    let tokens = |factor: u64| Tokens::new(number * factor % 9_973);
    let rates = [3, 15, 1, 4, 6].map(|rate| TokenRate::try_from(rate * 1_000_000 + number).unwrap());
    UsageRow {
        request_id: format!("migrated-{number}"),
        principal: format!("user:p{}", number % PEOPLE).parse().unwrap(),
        started_at,
        ended_at: started_at,
        usage: Usage {
            input_tokens: tokens(1),
            output_tokens: tokens(2),
            cache_read_input_tokens: tokens(3),
            cache_write_5m_tokens: tokens(5),
            cache_write_1h_tokens: tokens(7),
        },
        cost_picodollars: Picodollars::new(number),
        // Some are from before rows kept their rates.
        rates: (number % 10 != 9).then(|| BandRates::from(rates)),
        ..fixtures::usage_row(0)
    }
}

pub(super) fn version(item: &Item) -> u64 {
    item["v"].as_n().unwrap().parse().unwrap()
}

pub(super) type Place = (String, String);

pub(super) struct Field {
    pub(super) backing: Backing,
    pub(super) migrations: Vec<Migration>,
    pub(super) clock: Clock,
    /// By way of the table that can fail.
    through: Store,
}

impl Field {
    /// The house's migrations, and these rows.
    pub(super) async fn with_rows(count: u64) -> Self {
        let setup = Setup {
            unreliable_table: true,
            ..Setup::default()
        };
        let backing = Backing::start_with(&setup).await;
        let variables = backing.variables("sweep", &[]);
        let table = variables.table().unwrap();
        let through = Store::new(Aws::from_environment(variables).unwrap().dynamodb(), table);
        let field = Self {
            backing,
            migrations: migration::all(),
            clock: Clock::System,
            through,
        };
        // What the fixtures have planted is in nobody's way.
        for key in field.dump().await.into_keys() {
            field.delete(&key).await;
        }
        let store = field.store();
        for number in 0..count {
            store.record_usage(&row(number), 400).await.unwrap();
        }
        field
    }

    /// The table, as a function sees it that has just started.
    pub(super) fn store(&self) -> Store {
        self.backing.store()
    }

    pub(super) fn migrator(&self) -> Migrator<'_> {
        Migrator {
            store: &self.through,
            clock: &self.clock,
            migrations: &self.migrations,
        }
    }

    pub(super) fn wish() -> Wish {
        Wish {
            id: None,
            by: "a test".to_owned(),
            segments: 5,
            rate: 1_000_000,
            settle: SignedDuration::ZERO,
        }
    }

    /// The same, but so slowly that it will not be done by itself.
    pub(super) fn slow() -> Wish {
        Wish {
            rate: 100,
            ..Self::wish()
        }
    }

    pub(super) async fn start(&self, migrator: &Migrator<'_>, way: Way) {
        self.start_as(migrator, way, &Self::wish()).await;
    }

    pub(super) async fn start_as(&self, migrator: &Migrator<'_>, way: Way, wish: &Wish) {
        let report = migrator.start(way, wish).await.unwrap();
        assert_eq!(report.outcome, Outcome::Continues);
    }

    pub(super) async fn advance(&self, migrator: &Migrator<'_>) -> Result<Worked, Error> {
        self.advance_until(migrator, std::future::pending()).await
    }

    pub(super) async fn advance_until(
        &self,
        migrator: &Migrator<'_>,
        stop: impl Future<Output = ()>,
    ) -> Result<Worked, Error> {
        let limit = Limit {
            until: None,
            lease: SignedDuration::from_secs(2),
        };
        Box::pin(migrator.advance(limit, stop)).await
    }

    pub(super) async fn raise(&self, migrator: &Migrator<'_>) -> Status {
        self.go(migrator, Way::Up).await
    }

    pub(super) async fn lower(&self, migrator: &Migrator<'_>) -> Status {
        self.go(migrator, Way::Down).await
    }

    async fn go(&self, migrator: &Migrator<'_>, way: Way) -> Status {
        self.start(migrator, way).await;
        assert_eq!(self.advance(migrator).await.unwrap(), Worked::Came(Outcome::Done));
        self.status(migrator).await
    }

    /// Of the first migration.
    pub(super) async fn status(&self, migrator: &Migrator<'_>) -> Status {
        migrator.status().await.unwrap().remove(0)
    }

    fn table(&self) -> &str {
        self.backing.template.table_name("Table").unwrap()
    }

    /// Every usage row, to the byte.
    pub(super) async fn dump(&self) -> BTreeMap<Place, Item> {
        let mut found = BTreeMap::new();
        let mut pages = self
            .backing
            .dynamodb()
            .scan()
            .table_name(self.table())
            .filter_expression("begins_with(pk, :usage)")
            .expression_attribute_values(":usage", AttributeValue::S("USAGE#".into()))
            .into_paginator()
            .items()
            .send();
        while let Some(item) = pages.next().await {
            let item = item.unwrap();
            let text = |name: &str| item[name].as_s().unwrap().clone();
            found.insert((text("pk"), text("sk")), item);
        }
        found
    }

    /// Every row, as readers see it.
    pub(super) async fn read_all(&self) -> BTreeMap<String, UsageRow> {
        let mut all = BTreeMap::new();
        for person in 0..PEOPLE {
            let principal = format!("user:p{person}").parse().unwrap();
            let page = self.store().usage_of(&principal, 1_000, None).await.unwrap();
            all.extend(page.items.into_iter().map(|row| (row.request_id.clone(), row)));
        }
        all
    }

    pub(super) async fn set(&self, key: &Place, name: &str, value: Value) {
        let update = self.backing.dynamodb().update_item().table_name(self.table());
        let value: AttributeValue = serde_dynamo::to_attribute_value(value).unwrap();
        update
            .set_key(Some(primary(key)))
            .update_expression("SET #name = :value")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value)
            .send()
            .await
            .unwrap();
    }

    pub(super) async fn delete(&self, key: &Place) {
        let delete = self.backing.dynamodb().delete_item().table_name(self.table());
        delete.set_key(Some(primary(key))).send().await.unwrap();
    }

    /// Writes a row as one writes it who has never heard of the ledger.
    pub(super) async fn put_old(&self, row: &UsageRow) {
        let mut item: Item = serde_dynamo::to_item(row).unwrap();
        let sort = format!("{:.3}#{}", row.started_at, row.request_id);
        item.extend(primary(&(format!("USAGE#{}", row.principal), sort)));
        item.insert("v".into(), AttributeValue::N("2".into()));
        let put = self.backing.dynamodb().put_item().table_name(self.table());
        put.set_item(Some(item)).send().await.unwrap();
    }
}

fn primary(key: &Place) -> Item {
    Item::from([
        ("pk".to_owned(), AttributeValue::S(key.0.clone())),
        ("sk".to_owned(), AttributeValue::S(key.1.clone())),
    ])
}
