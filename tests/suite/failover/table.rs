//! Issue 6, 4: what callers notice of targets that are throttled, down or slow, in one table.

use std::time::Instant;

use gateway::store::UsageRow;
use localstack::bedrock::{Ledger, RegionScript};
use serde_json::{Value, json};
use tests::backing::{Backing, nowhere, root};
use tests::books::{assert_rows_equal_bills, rows};
use tests::in_process::Functions;

use super::{ALIAS, ALICE, ask, failing, with_targets};

/// So many conversations, and turns of each.
const CONVERSATIONS: usize = 16;
const TURNS: usize = 4;
/// What the slow region takes longer.
const SLOW_MS: u64 = 40;

/// What is wrong with which region.
#[derive(Clone, Copy, Default)]
struct Wrong {
    throttled: bool,
    down: bool,
    slow: bool,
}

const SCENARIOS: [(&str, Wrong); 5] = [
    (
        "all four well",
        Wrong {
            throttled: false,
            down: false,
            slow: false,
        },
    ),
    (
        "one throttled",
        Wrong {
            throttled: true,
            down: false,
            slow: false,
        },
    ),
    (
        "one down",
        Wrong {
            throttled: false,
            down: true,
            slow: false,
        },
    ),
    (
        "one slow",
        Wrong {
            throttled: false,
            down: false,
            slow: true,
        },
    ),
    (
        "one throttled, one down, one slow",
        Wrong {
            throttled: true,
            down: true,
            slow: true,
        },
    ),
];

/// What came of one scenario.
struct Result {
    succeeded: usize,
    median_ms: f64,
    slowest_ms: f64,
    ledger: Ledger,
    rows: Vec<UsageRow>,
    /// Turns after the first that read the conversation's cache.
    cached: usize,
    /// Times that a conversation went to another region than before.
    moved: usize,
}

fn turn(conversation: usize, turns: usize) -> Value {
    let block = |index: usize| {
        let mut block = json!({"type": "text", "text": format!("{conversation}/{index}: {}", "words ".repeat(200))});
        if index == turns {
            block["cache_control"] = json!({"type": "ephemeral"});
        }
        json!({"role": "user", "content": [block]})
    };
    json!({"model": ALIAS, "max_tokens": 64, "messages": (0..=turns).map(block).collect::<Vec<_>>()})
}

const REGIONS: [(&str, &str); 4] = [
    ("virginia", "us-east-1"),
    ("ohio", "us-east-2"),
    ("oregon", "us-west-2"),
    ("montreal", "ca-central-1"),
];

fn functions(backing: &Backing, wrong: Wrong) -> Functions {
    let down = nowhere();
    let mut more = vec![("TOLLGATE_UPSTREAM_ORDER", "weight")];
    if wrong.throttled {
        backing
            .mock
            .script_region("us-east-1", failing("ThrottlingException", Some(60)));
    }
    if wrong.down {
        more.push(("ohio.endpoint", &down));
    }
    if wrong.slow {
        let script = RegionScript {
            delay_ms: SLOW_MS,
            ..RegionScript::default()
        };
        backing.mock.script_region("us-west-2", Some(script));
    }
    with_targets(backing, &REGIONS, &more)
}

/// All is well for the first half of the turns. Then something is wrong, and another environment goes on.
async fn run(wrong: Wrong) -> Result {
    let backing = Backing::start().await;
    let (mut succeeded, mut times) = (0, Vec::new());
    for half in [Wrong::default(), wrong].into_iter().enumerate() {
        let (half, wrong) = half;
        let functions = functions(&backing, wrong);
        for turns in half * TURNS / 2..(half + 1) * TURNS / 2 {
            for conversation in 0..CONVERSATIONS {
                let began = Instant::now();
                let answer = ask(&functions, &turn(conversation, turns)).await;
                if half == 1 {
                    times.push(began.elapsed().as_secs_f64() * 1000.0);
                }
                succeeded += usize::from(answer.status == 200);
            }
        }
    }
    times.sort_by(f64::total_cmp);
    let ledger = backing.mock.ledger();
    let billed: Vec<_> = ledger.calls.iter().filter(|call| call.billed).collect();
    let later = billed.iter().skip(CONVERSATIONS);
    let cached = later.filter(|call| call.usage.cache_read_input_tokens > 0).count();
    let moves = |conversation: usize| {
        let of_it: Vec<_> = billed.iter().skip(conversation).step_by(CONVERSATIONS).collect();
        of_it.windows(2).filter(|pair| pair[0].region != pair[1].region).count()
    };
    Result {
        succeeded,
        median_ms: times[times.len() / 2],
        slowest_ms: times[times.len() - 1],
        cached,
        moved: (0..CONVERSATIONS).map(moves).sum(),
        rows: rows(&backing.store(), ALICE).await,
        ledger,
    }
}

const HEAD: &str = "| upstream | success | refused before the answer | billed = rows | turns from the cache | conversations that moved |";

/// Four regions by weight, 16 conversations of 4 turns each; from the third turn on something is wrong.
#[tokio::test]
async fn failover_with_a_region_throttled_one_down_and_one_slow_keeps_success_bills_and_caches() {
    let (mut table, mut timed) = (format!("{HEAD}\n|---|---:|---:|---:|---:|---:|\n"), String::new());
    let all = CONVERSATIONS * TURNS;
    let mut usual = 0.0;
    for (name, wrong) in SCENARIOS {
        let result = run(wrong).await;
        assert_rows_equal_bills(&result.rows, &result.ledger.calls);
        assert_eq!(result.succeeded, all, "{name}");
        // A conversation that moves, once, reads nothing then, and all the rest of the time.
        assert_eq!(result.cached, all - CONVERSATIONS - result.moved, "{name}");
        assert_eq!(result.moved > 0, wrong.throttled || wrong.down, "{name}");
        assert!(result.moved < CONVERSATIONS, "{name}");
        let refused = result.ledger.calls.len() - result.ledger.totals.billed;
        table.push_str(&format!(
            "| {name} | {} of {all} | {refused} | {} = {} | {} of {} | {} |\n",
            result.succeeded,
            result.ledger.totals.billed,
            result.rows.len(),
            result.cached,
            all - CONVERSATIONS,
            result.moved,
        ));
        if usual == 0.0 {
            usual = result.median_ms;
        }
        timed.push_str(&format!(
            "| {name} | {:.0} ms | {:.0} ms |\n",
            (result.median_ms - usual).max(0.0),
            (result.slowest_ms - usual).max(0.0)
        ));
    }
    println!("{table}\n| upstream | added, median | added, slowest |\n|---|---:|---:|\n{timed}");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        update(&table, &timed);
    }
    let document = std::fs::read_to_string(root().join("docs/failover.md")).unwrap();
    assert!(
        document.contains(&table),
        "docs/failover.md should hold this table:\n{table}"
    );
}

/// Puts both tables into the document, between their marks.
fn update(table: &str, timed: &str) {
    let path = root().join("docs/failover.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let timed = format!("| upstream | added, median | added, slowest |\n|---|---:|---:|\n{timed}");
    let document = between(&document, "<!-- table -->\n", "<!-- /table -->", table);
    let document = between(&document, "<!-- times -->\n", "<!-- /times -->", &timed);
    std::fs::write(path, document).unwrap();
}

fn between(document: &str, from: &str, to: &str, text: &str) -> String {
    let (before, rest) = document.split_once(from).unwrap();
    let (_, after) = rest.split_once(to).unwrap();
    format!("{before}{from}{text}{to}{after}")
}
