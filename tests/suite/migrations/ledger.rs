//! Which migration comes when, and which must not: with migrations of a test's own, on files.

use aws_sdk_dynamodb::types::AttributeValue;
use gateway::error::Error;
use gateway::migration::{Migration, Outcome, Wish, Worked};
use gateway::store::{Conversion, Item, Phase, Way};

use super::field::{Field, row};

/// The version that files are written in.
const FILE_VERSION: u32 = 3;

/// Renames an attribute of files, and then another.
fn renaming(
    id: &'static str,
    from: u32,
    footprint: &'static [&'static str; 2],
    ways: [fn(Item) -> Result<Item, Error>; 2],
) -> Migration {
    Migration {
        id,
        about: "a test's",
        conversion: Conversion {
            prefix: "FILES#",
            from,
            to: from + 1,
            footprint,
            up: ways[0],
            down: ways[1],
        },
        sample: || Item::from([("filename".to_owned(), AttributeValue::S("a".to_owned()))]),
    }
}

fn renamed(mut item: Item, from: &str, to: &str) -> Item {
    if let Some(value) = item.remove(from) {
        item.insert(to.to_owned(), value);
    }
    item
}

fn two() -> Vec<Migration> {
    vec![
        renaming(
            "0101-file-names",
            FILE_VERSION,
            &["filename", "name"],
            [
                |item| Ok(renamed(item, "filename", "name")),
                |item| Ok(renamed(item, "name", "filename")),
            ],
        ),
        renaming(
            "0102-file-types",
            FILE_VERSION + 1,
            &["content_type", "type"],
            [
                |item| Ok(renamed(item, "content_type", "type")),
                |item| Ok(renamed(item, "type", "content_type")),
            ],
        ),
    ]
}

fn of(id: &str) -> Wish {
    Wish {
        id: Some(id.to_owned()),
        ..Field::wish()
    }
}

///
#[tokio::test(flavor = "multi_thread")]
async fn migrations_go_up_in_their_order_and_down_in_the_reverse() {
    let mut field = Field::with_rows(0).await;
    field.migrations = two();
    let migrator = field.migrator();
    let phases = async || {
        migrator
            .status()
            .await
            .unwrap()
            .iter()
            .map(|it| it.phase)
            .collect::<Vec<_>>()
    };
    let refused = async |way, id| {
        let report = migrator.start(way, &of(id)).await.unwrap();
        assert!(
            matches!(report.outcome, Outcome::Refused { .. }),
            "{:?}",
            report.outcome
        );
    };
    assert_eq!(phases().await, [Phase::Pending, Phase::Pending]);
    refused(Way::Up, "0102-file-types").await;
    refused(Way::Up, "0103-nothing").await;
    field.start(&migrator, Way::Up).await;
    refused(Way::Up, "0102-file-types").await;
    assert_eq!(field.advance(&migrator).await.unwrap(), Worked::Came(Outcome::Done));
    let files = field.status(&migrator).await.verified.unwrap();
    assert_eq!((files.converted, files.wrong), (3, 0));
    field.raise(&migrator).await;
    assert_eq!(phases().await, [Phase::Raised, Phase::Raised]);
    assert_eq!(
        migrator.start(Way::Up, &Field::wish()).await.unwrap().outcome,
        Outcome::Done,
        "all are there"
    );
    refused(Way::Down, "0101-file-names").await;
    field.lower(&migrator).await;
    assert_eq!(phases().await, [Phase::Raised, Phase::Lowered]);
    field.lower(&migrator).await;
    assert_eq!(phases().await, [Phase::Lowered, Phase::Lowered]);
    let file = field
        .store()
        .file(&"user:alice".parse().unwrap(), "file_0000fixture")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(file.filename, "fixture.txt");
}

///
#[tokio::test(flavor = "multi_thread")]
async fn another_migration_under_a_known_name_is_refused() {
    let mut field = Field::with_rows(0).await;
    field.migrations = two();
    field.raise(&field.migrator()).await;
    field.lower(&field.migrator()).await;
    field.migrations[0].conversion.footprint = &["filename", "title"];
    field.migrations[0].conversion.up = |item| Ok(renamed(item, "filename", "title"));
    field.migrations[0].conversion.down = |item| Ok(renamed(item, "title", "filename"));
    let report = field.migrator().start(Way::Up, &Field::wish()).await.unwrap();
    let Outcome::Refused { reason } = report.outcome else {
        panic!("{:?}", report.outcome);
    };
    assert!(reason.contains("0101-file-names"), "{reason}");
}

///
#[tokio::test(flavor = "multi_thread")]
async fn a_contracted_migration_has_no_way_back_and_none_is_contracted_that_is_not_whole() {
    let field = Field::with_rows(30).await;
    let (migrator, id) = (field.migrator(), field.migrations[0].id);
    let contract = async || migrator.contract(id, &Field::wish(), None).await.unwrap().outcome;
    assert!(
        matches!(contract().await, Outcome::Refused { .. }),
        "nothing is converted yet"
    );
    field.raise(&migrator).await;
    field.put_old(&row(30)).await;
    assert!(
        matches!(contract().await, Outcome::Refused { .. }),
        "one is in the old form"
    );
    let missed = field
        .dump()
        .await
        .into_iter()
        .find(|(_, item)| item.contains_key("usage"));
    field.delete(&missed.unwrap().0).await;
    assert_eq!(contract().await, Outcome::Done);
    assert_eq!(contract().await, Outcome::Done, "and again");
    let report = migrator.start(Way::Down, &of(id)).await.unwrap();
    assert!(
        matches!(report.outcome, Outcome::Refused { .. }),
        "{:?}",
        report.outcome
    );
    assert_eq!(
        migrator.start(Way::Down, &Field::wish()).await.unwrap().outcome,
        Outcome::Done
    );
}

///
#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cannot_be_converted_is_named_and_left_and_keeps_nobody_from_the_others() {
    let field = Field::with_rows(30).await;
    let strange = field.dump().await.into_keys().next().unwrap();
    field.set(&strange, "tokens", serde_json::json!("somebody's")).await;
    let migrator = field.migrator();
    let raised = field.raise(&migrator).await;
    let verified = raised.verified.unwrap();
    assert_eq!((verified.converted, verified.wrong, raised.is_sound()), (29, 1, false));
    assert!(raised.faults[0].contains(&strange.1), "{:?}", raised.faults);
    assert!(matches!(
        migrator
            .contract(raised.id, &Field::wish(), None)
            .await
            .unwrap()
            .outcome,
        Outcome::Refused { .. }
    ));
}
