//! What stands in the books after the load: usage rows, the mock's ledger, budgets, prices and files.

use std::collections::{BTreeMap, BTreeSet};

use gateway::store::UsageRow;
use gateway::usage::Usage;
use serde_json::{Value, json};

use super::cast::Cast;
use crate::local::{Caller, LedgerCall, MODEL, Route, Stack};

/// Everything that was written down.
#[derive(Clone, Debug)]
pub struct Books {
    /// The usage rows of all who called.
    pub rows: Vec<UsageRow>,
    /// All calls that came to the mock.
    pub ledger: Vec<LedgerCall>,
    /// How often the mock was asked to count tokens.
    pub token_counts: u64,
    /// Budgets of money by scope and id.
    pub budgets: BTreeMap<String, Budget>,
    /// What a token costs, by the price list's id.
    pub prices: BTreeMap<String, Rates>,
    /// Length and SHA-256 of each file by its id, without those of before the load.
    pub files: BTreeMap<String, (u64, String)>,
}

/// A budget of money, in picodollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Its limit.
    pub limit: i128,
    /// What is left.
    pub available: i128,
    /// What calls in flight hold.
    pub held: i128,
    /// What is spent, and since before the load.
    pub spent: i128,
    /// The latter alone.
    pub spent_since: i128,
}

/// Picodollars a token, as the price list tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    input: u128,
    output: u128,
    cache_read: u128,
    cache_write_5m: u128,
    cache_write_1h: u128,
}

impl Rates {
    fn of(rates: &Value) -> Self {
        let rate = |name: &str| rates[name].as_u64().unwrap_or_default().into();
        Self {
            input: rate("input"),
            output: rate("output"),
            cache_read: rate("cache_read"),
            cache_write_5m: rate("cache_write_5m"),
            cache_write_1h: rate("cache_write_1h"),
        }
    }

    /// What this usage costs.
    pub fn cost(&self, usage: &Usage) -> u128 {
        let parts = [
            (usage.input_tokens, self.input),
            (usage.output_tokens, self.output),
            (usage.cache_read_input_tokens, self.cache_read),
            (usage.cache_write_5m_tokens, self.cache_write_5m),
            (usage.cache_write_1h_tokens, self.cache_write_1h),
        ];
        parts
            .into_iter()
            .map(|(tokens, rate)| u128::from(tokens.as_u64()) * rate)
            .sum()
    }
}

impl Books {
    pub(super) async fn of(stack: &Stack, cast: &Cast, before: &BTreeMap<String, Budget>) -> Self {
        let mut rows = Vec::new();
        for player in cast.everybody() {
            rows.extend(player.user.rows().await);
        }
        let mut budgets = budgets(cast).await;
        for (id, budget) in &mut budgets {
            budget.spent_since = budget.spent - before.get(id).map_or(0, |before| before.spent);
        }
        let models: BTreeSet<_> = rows.iter().map(|row| row.price_model.clone()).collect();
        let mut prices = BTreeMap::new();
        for model in models {
            let rates = rates(&cast.admin, &model).await;
            prices.insert(model, rates);
        }
        Self {
            ledger: stack.mock().all_calls().await,
            token_counts: stack.mock().token_counts().await,
            files: files(cast).await,
            rows,
            budgets,
            prices,
        }
    }
}

/// The budgets of money of all who pay.
pub(super) async fn budgets(cast: &Cast) -> BTreeMap<String, Budget> {
    let mut scopes = vec!["organisation/all".to_owned(), format!("team/{}", cast.team)];
    scopes.extend(cast.payers.iter().map(|player| format!("user/{}", player.user.name)));
    let mut budgets = BTreeMap::new();
    for scope in scopes {
        let answer = cast.admin.get(&format!("/api/admin/budgets/{scope}/state")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let state = &answer.json()["budgets"][0];
        let amount = |name: &str| state[name].as_str().unwrap().parse::<i128>().unwrap();
        let budget = Budget {
            limit: amount("limit"),
            available: amount("available"),
            held: amount("held"),
            spent: amount("spent"),
            spent_since: 0,
        };
        budgets.insert(scope, budget);
    }
    budgets
}

/// The default tier's newest rates.
async fn rates(admin: &Caller, model: &str) -> Rates {
    let answer = admin
        .get(&format!("/api/admin/prices/{}", model.replace(':', "%3A")))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json();
    let of_tier = |price: &&Value| price["tier"] == "default";
    let prices = told["prices"].as_array().unwrap().iter().filter(of_tier);
    let newest = prices.max_by_key(|price| price["effective_from"].as_str().unwrap().to_owned());
    Rates::of(&newest.unwrap()["rates"])
}

async fn files(cast: &Cast) -> BTreeMap<String, (u64, String)> {
    let mut files = BTreeMap::new();
    for player in &cast.payers {
        let mut cursor = String::new();
        loop {
            let page = player
                .user
                .caller
                .get(&format!("/api/v1/files?limit=500{cursor}"))
                .await;
            assert_eq!(page.status, 200, "{page:?}");
            let page = page.json();
            files.extend(page["files"].as_array().unwrap().iter().map(file));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        files.remove(&player.file_id);
    }
    files
}

fn file(file: &Value) -> (String, (u64, String)) {
    let text = |name: &str| file[name].as_str().unwrap().to_owned();
    (text("file_id"), (file["size_bytes"].as_u64().unwrap(), text("sha256")))
}

/// So many calls to the mock alone.
pub(super) async fn past_the_gateway(stack: &Stack, count: usize) {
    let body = Route::Invoke.body(MODEL, "nobody knows of this").to_string();
    let path = format!("/model/{}/invoke", MODEL.replace(':', "%3A"));
    let url = format!("{}{path}", stack.ready().bedrock);
    for _ in 0..count {
        let signed = localstack::bedrock::sign(&url, body.as_bytes());
        let mut headers: Vec<_> = signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("content-type", "application/json"));
        let caller = Caller::at(&stack.ready().bedrock);
        let answer = caller.send("POST", &path, &headers, body.clone()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// Sums the rows up, until the sweep says that nothing is left to do.
pub(super) async fn sweep(stack: &Stack) {
    const MOST: usize = 20;
    let lambda = Caller::at(&stack.ready().lambda);
    for _ in 0..MOST {
        let event = json!({"detail-type": "Scheduled Event", "time": jiff::Timestamp::now().to_string()});
        let answer = lambda.post("/2015-03-31/functions/sweep/invocations", &event).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.json()["complete"] == true {
            return;
        }
    }
    panic!("{MOST} sweeps were not enough");
}
