//! Prices that administrators change, as calls meet them.

use gateway::pricing::CHECK_AFTER;
use serde_json::{Value, json};
use tests::backing::Backing;
use tests::books::rows;
use tests::event::{MODEL, request};
use tests::in_process::Functions;

use super::{CARLA, answer, by_invoke, by_messages};

fn rates(input: u64, output: u64) -> Value {
    json!({"input": input, "output": output, "cache_read": 1, "cache_write_5m": input, "cache_write_1h": input})
}

async fn put_price(functions: &Functions, model: &str, price: &Value) {
    let request = request("PUT", &format!("/api/admin/prices/{model}"))
        .principal(json!({"principalId": "user:admin", "sub": "user:admin", "scopes": "admin"}))
        .json(price);
    let put = functions.call("admin", &request.event()).await.http();
    assert_eq!(put.status, 200, "{:?}", put.body);
}

/// a call has the price of the time at which it began, and keeps it.
#[tokio::test]
async fn a_price_counts_from_its_date_on_and_changes_no_bill_of_before() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let directive = json!({"output_tokens": 100});
    assert_eq!(
        answer(&functions, "stream", &by_messages(&directive, 200, false))
            .await
            .status,
        200
    );
    let from = functions.clock.now() + CHECK_AFTER;
    let price = json!({"effective_from": from.to_string(), "rates": rates(7_000, 11_000)});
    put_price(&functions, MODEL, &price).await;
    assert_eq!(
        answer(&functions, "stream", &by_messages(&directive, 200, true))
            .await
            .status,
        200
    );
    functions.clock.advance_seconds(CHECK_AFTER.as_secs());
    assert_eq!(
        answer(&functions, "invoke", &by_invoke(&directive, 200)).await.status,
        200
    );

    let rows = rows(&backing.store(), CARLA).await;
    let [after, meanwhile, before] = &rows[..] else {
        panic!("{rows:#?}")
    };
    let calls = backing.mock.ledger().calls;
    for (row, call) in [(before, &calls[0]), (meanwhile, &calls[1])] {
        assert_eq!(
            row.cost_picodollars.as_u128(),
            call.cost_picodollars,
            "the built-in price"
        );
        assert_eq!(row.price_version, "litellm 1.109.1");
    }
    let cost = u128::from(after.usage.input_tokens.as_u64()) * 7_000 + 100 * 11_000;
    assert_eq!(
        (after.cost_picodollars.as_u128(), after.price_version.as_str()),
        (cost, "book 1")
    );
    assert_eq!(after.rates.unwrap().to_array().map(u64::from)[..2], [7_000, 11_000]);
}

/// A model that the built-in list does not know is served once an administrator has priced it (Bedrock has the last word).
#[tokio::test]
async fn a_model_that_an_administrator_has_priced_goes_out_to_bedrock() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let model = "us.anthropic.claude-tomorrow-9-20301231-v1:0";
    let call = request("POST", &format!("/bedrock/model/{model}/invoke"))
        .by(CARLA)
        .json(&tests::event::bedrock_body(&json!({})));
    assert_eq!(answer(&functions, "invoke", &call).await.status, 404);
    assert_eq!(backing.mock.requests().len(), 0);
    put_price(
        &functions,
        model,
        &json!({"effective_from": "2026-01-01T00:00:00Z", "rates": rates(1, 2)}),
    )
    .await;
    functions.clock.advance_seconds(CHECK_AFTER.as_secs());
    // The mock does not know it, and says so: it was asked.
    assert_eq!(answer(&functions, "invoke", &call).await.status, 400);
    assert_eq!(backing.mock.requests().len(), 1);
}
