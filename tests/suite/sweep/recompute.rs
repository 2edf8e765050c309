//! A month's bill, computed anew from its rows alone.

use std::collections::HashMap;
use std::time::Instant;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures_util::{StreamExt as _, stream};
use gateway::store::CallKey;

use super::*;

const ROWS: u64 = 100_000;

fn number(value: u128) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A row of November, the same for the same number. In the middle of the month prices go up.
fn november(number: u64) -> UsageRow {
    let first: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let mut it = call(&format!("november-{number}"));
    let seconds = number * 30 * 86_400 / ROWS;
    it.started_at = first + SignedDuration::from_secs(i64::try_from(seconds).unwrap());
    it.principal = format!("user:n{}", number % 25).parse().unwrap();
    it.team = None;
    it.rates = rates(if seconds < 15 * 86_400 { 3_000_000 } else { 3_300_001 });
    row(&it, usage(number * 7 % 90_001, number * 13 % 4_099))
}

/// The rows as items, made of one that the store wrote: only what differs is replaced.
fn item(template: &HashMap<String, AttributeValue>, row: &UsageRow) -> WriteRequest {
    let mut item = template.clone();
    let changed: HashMap<String, AttributeValue> = serde_dynamo::to_item(row).unwrap();
    item.extend(changed);
    let start = gateway::clock::rfc3339_millis(row.started_at);
    item.insert("pk".into(), AttributeValue::S(format!("USAGE#{}", row.principal)));
    item.insert("sk".into(), AttributeValue::S(format!("{start}#{}", row.request_id)));
    item.insert("day".into(), AttributeValue::S(start[..10].to_owned()));
    item.insert("rolled_up".into(), number(1));
    let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
    WriteRequest::builder().put_request(put).build()
}

/// Writes all rows straight into the table, and their sums into the rollups as one batch does.
async fn fill(backing: &Backing) -> u128 {
    let (store, client) = (backing.store(), backing.dynamodb());
    let table = backing.template.table_name("Table").unwrap();
    store.record_usage(&november(0), 400).await.unwrap();
    let key = CallKey::of_row(&november(0));
    let got = client.get_item().table_name(table);
    let got = got
        .key("pk", AttributeValue::S(format!("USAGE#{}", key.principal)))
        .key("sk", AttributeValue::S("2026-11-01T00:00:00.000Z#november-0".into()))
        .send()
        .await
        .unwrap();
    let template = got.item.unwrap();
    let (mut sums, mut total) = (gateway::rollup::Sums::default(), 0);
    let mut requests = Vec::new();
    for number in 0..ROWS {
        let row = november(number);
        total += row.cost_picodollars.as_u128();
        sums.add(&row.counted(), &[gateway::rollup::Period::Day]);
        requests.push(item(&template, &row));
    }
    let chunks: Vec<_> = requests.chunks(25).map(<[_]>::to_vec).collect();
    let write = |chunk: Vec<WriteRequest>| {
        let write = client.batch_write_item().request_items(table, chunk);
        async move {
            let left = write.send().await.unwrap().unprocessed_items.unwrap_or_default();
            assert!(left.is_empty());
        }
    };
    stream::iter(chunks).for_each_concurrent(8, write).await;
    store.add_to_rollups(1, sums).await.unwrap();
    total
}

/// and in the same month a row that was tampered with, a lost one and a wrong sum are found.
#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_a_hundred_thousand_rows_comes_to_the_same_picodollars_over_a_change_of_prices() {
    let backing = Backing::start().await;
    let began = Instant::now();
    let total = fill(&backing).await;
    let filled = began.elapsed();
    let functions = Functions::new(&backing);
    let command = json!({"command": "recompute", "from": "2026-11-01", "to": "2026-11-30"});
    let report = functions.sweep(&command).await.unwrap();
    eprintln!(
        "{ROWS} rows written in {filled:?}, recomputed in {:?}",
        began.elapsed() - filled
    );
    let total = json!(total.to_string());
    assert_eq!((&report["rows"], &report["complete"]), (&json!(ROWS), &json!(true)));
    assert_eq!(
        (&report["cost_picodollars"], &report["recomputed_picodollars"]),
        (&total, &total)
    );
    assert_eq!(
        (&report["differing"], &report["rollups_agree"]),
        (&json!([]), &json!(true))
    );
    assert_eq!(report["without_rates"], 0);

    let (client, table) = (backing.dynamodb(), backing.template.table_name("Table").unwrap());
    let place = |number: u64| {
        let row = november(number);
        let start = gateway::clock::rfc3339_millis(row.started_at);
        let pk = AttributeValue::S(format!("USAGE#{}", row.principal));
        HashMap::from([
            ("pk".to_owned(), pk),
            (
                "sk".to_owned(),
                AttributeValue::S(format!("{start}#{}", row.request_id)),
            ),
        ])
    };
    let dearer = november(5_000).cost_picodollars.as_u128() + 1;
    let update = client.update_item().table_name(table).set_key(Some(place(5_000)));
    update
        .update_expression("SET cost_picodollars = :cost")
        .expression_attribute_values(":cost", number(dearer))
        .send()
        .await
        .unwrap();
    let delete = client.delete_item().table_name(table).set_key(Some(place(99_999)));
    delete.send().await.unwrap();
    let report = functions.sweep(&command).await.unwrap();
    assert_eq!(
        (&report["rows"], &report["differing_rows"]),
        (&json!(ROWS - 1), &json!(1))
    );
    assert_eq!(report["differing"][0]["request_id"], "november-5000");
    assert_eq!(report["differing"][0]["cost_picodollars"], dearer.to_string());
    assert_eq!(report["rollups_agree"], false);
    let days: std::collections::BTreeSet<_> = report["differing_rollups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["start"].as_str().unwrap())
        .collect();
    assert_eq!(days, std::collections::BTreeSet::from(["2026-11-02", "2026-11-30"]));
}
