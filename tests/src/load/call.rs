//! One call, and what its client saw of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::usage::Usage;
use gateway::wire::dialect::Dialect;
use serde_json::{Value, json};

use super::cast::{Cast, Client, Player};
use super::{Form, Kind, reading};
use crate::local::{ALIAS, Answer, MODEL};

/// What a client saw of one call.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which call it is.
    pub number: usize,
    /// Of which kind.
    pub kind: Kind,
    /// In which form, if it is a model call.
    pub form: Option<Form>,
    /// The answer's `request-id`.
    pub request_id: String,
    /// The answer's status; 0 if there was none.
    pub status: u16,
    /// From asking to the last byte of the answer.
    pub took: Duration,
    /// The usage in the answer.
    pub usage: Option<Usage>,
    /// What the answer says it cost: of one in one piece.
    pub cost: Option<u128>,
    /// What the answer says it costs at the most: of a stream.
    pub at_most: Option<u128>,
    /// What was wrong with the answer, if anything.
    pub trouble: Option<String>,
}

impl Seen {
    /// A call whose client broke off.
    pub(super) fn broken(number: usize, trouble: &str) -> Self {
        Self {
            number,
            kind: Kind::of(number),
            form: Kind::of(number).form(number),
            request_id: String::new(),
            status: 0,
            took: Duration::ZERO,
            usage: None,
            cost: None,
            at_most: None,
            trouble: Some(trouble.to_owned()),
        }
    }

    fn of(number: usize, answer: &Answer, took: Duration) -> Self {
        let kind = Kind::of(number);
        let form = kind.form(number);
        let read = form
            .filter(|_| answer.status == 200)
            .map(|form| reading::usage(form, &answer.body));
        let (usage, trouble) = match read.transpose() {
            Ok(usage) => (usage, None),
            Err(trouble) => (None, Some(trouble)),
        };
        let trouble = trouble.or_else(|| kind.fate(form, answer.status).is_none().then(|| answer.text()));
        Self {
            number,
            kind,
            form,
            request_id: answer.header("request-id").to_owned(),
            status: answer.status,
            took,
            usage,
            cost: picodollars(answer.header("x-tollgate-cost")),
            at_most: picodollars(answer.header("x-tollgate-cost-at-most")),
            trouble,
        }
    }
}

/// Dollars with twelve decimals.
fn picodollars(dollars: &str) -> Option<u128> {
    let (whole, decimals) = dollars.split_once('.')?;
    (decimals.len() == 12).then(|| format!("{whole}{decimals}").parse().ok())?
}

/// Makes the call of this number.
pub(super) async fn make(number: usize, cast: Arc<Cast>) -> Seen {
    let kind = Kind::of(number);
    let payer = cast.payer(number);
    let began = Instant::now();
    let answer = match kind {
        Kind::Count => {
            payer
                .client
                .post("/anthropic/v1/messages/count_tokens", &counted(number))
                .await
        }
        Kind::BedrockCount => {
            let path = format!("/bedrock/model/{MODEL}/count-tokens");
            payer.client.post(&path, &bedrock_counted(number)).await
        }
        Kind::UsageQuery => payer.client.get(query(number)).await,
        Kind::BadKey => model_call(number, kind, &cast.stranger, payer).await,
        Kind::BudgetSpent => model_call(number, kind, &cast.spent.client, payer).await,
        Kind::MinuteSpent => model_call(number, kind, &cast.hurried.client, payer).await,
        _ => model_call(number, kind, &payer.client, payer).await,
    };
    Seen::of(number, &answer, began.elapsed())
}

async fn model_call(number: usize, kind: Kind, client: &Client, payer: &Player) -> Answer {
    let form = kind.form(number).unwrap();
    let model = match kind {
        Kind::UnknownModel => "us.anthropic.claude-of-another-day-v1:0",
        _ => form.model(number),
    };
    let mut body = form.body(model, &text(number, kind));
    if kind == Kind::File {
        let source = json!({ "type": "file", "file_id": payer.file_id });
        let text = body["messages"][0]["content"].take();
        let blocks = json!([{ "type": "document", "source": source }, { "type": "text", "text": text }]);
        body["messages"][0]["content"] = blocks;
    } else if number.is_multiple_of(3) {
        form.cache(model, number, &mut body);
    }
    client.post(&form.path(model), &body).await
}

/// Words of one length and another, and what the mock is to make of them.
fn text(number: usize, kind: Kind) -> String {
    let directive = match kind {
        Kind::Throttled => json!({ "status": 429 }),
        Kind::UpstreamDown => json!({ "status": 503 }),
        _ => json!({ "output_tokens": 5 + number % 59 }),
    };
    format!("{}{number} mock:{directive}", "many words ".repeat(number % 23))
}

fn counted(number: usize) -> Value {
    json!({ "model": ALIAS, "messages": [{ "role": "user", "content": "many words ".repeat(1 + number % 23) }] })
}

/// Either form that Bedrock takes.
fn bedrock_counted(number: usize) -> Value {
    if number.is_multiple_of(2) {
        let form = Form::Converse;
        return json!({ "input": { "converse": { "messages": form.body(MODEL, "few words")["messages"] } } });
    }
    let body = Form::Invoke.body(MODEL, "few words").to_string();
    json!({ "input": { "invokeModel": { "body": STANDARD.encode(body) } } })
}

fn query(number: usize) -> &'static str {
    const QUERIES: [&str; 5] = [
        "/api/usage/records?limit=20",
        "/api/usage/summary?period=day&group=user",
        "/api/budgets",
        "/anthropic/v1/models",
        "/openai/v1/models",
    ];
    QUERIES[number / 2 % QUERIES.len()]
}

impl Seen {
    /// The caller's dialect, of a model call.
    pub fn dialect(&self) -> Option<Dialect> {
        self.form.map(Form::dialect)
    }
}
