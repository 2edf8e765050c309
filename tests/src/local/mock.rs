//! The Bedrock mock's control API (`docs/local-mock.md`).

use std::collections::BTreeMap;

use gateway::usage::Usage;
use serde::Deserialize;
use serde_json::Value;

use super::{Caller, eventually};

/// The mock of a running stack.
#[derive(Clone, Debug)]
pub struct Mock(Caller);

/// A call as the mock billed it.
#[derive(Clone, Debug, Deserialize)]
pub struct LedgerCall {
    /// `x-amzn-requestid` of the mock's answer.
    pub request_id: String,
    /// The model id as it came, decoded.
    pub model: String,
    /// The region that the call was signed for.
    pub region: String,
    /// The id whose price was taken.
    pub priced_as: String,
    /// `InvokeModel` or `InvokeModelWithResponseStream`.
    pub operation: String,
    /// Status of the head.
    pub status: u16,
    /// How it ended.
    pub outcome: String,
    /// What is billed.
    pub usage: Usage,
    /// What it costs.
    pub cost_picodollars: u64,
    /// Whether it is billed at all.
    pub billed: bool,
    /// Whether the caller was sent all the counts that the bill is made of.
    pub exact: bool,
}

/// A request as it arrived at the mock.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    /// `x-amzn-requestid` of the mock's answer.
    pub request_id: String,
    /// Path and query as they came.
    pub path: String,
    /// Values by name.
    pub headers: BTreeMap<String, String>,
    /// What must never arrive but did.
    pub forbidden_headers: Vec<String>,
    /// The body.
    pub body: String,
}

impl Mock {
    pub(super) fn new(caller: Caller) -> Self {
        Self(caller)
    }

    async fn control(&self, path: &str) -> Value {
        let answer = self.0.get(&format!("/_mock/{path}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The requests whose body has `marker` in it. Tests share a mock, and know their own by this.
    pub async fn requests(&self, marker: &str) -> Vec<Request> {
        let all: Vec<Request> = serde_json::from_value(self.control("requests").await).unwrap();
        all.into_iter()
            .filter(|request| request.body.contains(marker))
            .collect()
    }

    /// The bills of those requests, in the order they began, once none of them is open.
    pub async fn bills(&self, marker: &str) -> Vec<LedgerCall> {
        let own: Vec<String> = self
            .requests(marker)
            .await
            .into_iter()
            .map(|request| request.request_id)
            .collect();
        eventually("no call is open", async || {
            let mut ledger = self.control("ledger").await;
            let calls: Vec<LedgerCall> = serde_json::from_value(ledger["calls"].take()).unwrap();
            let calls: Vec<_> = calls
                .into_iter()
                .filter(|call| own.contains(&call.request_id))
                .collect();
            assert_eq!(calls.len(), own.len(), "a request without a line in the ledger");
            calls.iter().all(|call| call.outcome != "open").then_some(calls)
        })
        .await
    }

    /// All that was billed, once no call is open. For a test with a stack of its own.
    pub async fn all_bills(&self) -> Vec<LedgerCall> {
        eventually("no call is open", async || {
            let mut ledger = self.control("ledger").await;
            let calls: Vec<LedgerCall> = serde_json::from_value(ledger["calls"].take()).unwrap();
            let over = calls.iter().all(|call| call.outcome != "open");
            over.then(|| calls.into_iter().filter(|call| call.billed).collect())
        })
        .await
    }

    /// All calls, also those that cost nothing, once none is open. For a test with a stack of its own.
    pub async fn all_calls(&self) -> Vec<LedgerCall> {
        eventually("no call is open", async || {
            let mut ledger = self.control("ledger").await;
            let calls: Vec<LedgerCall> = serde_json::from_value(ledger["calls"].take()).unwrap();
            calls.iter().all(|call| call.outcome != "open").then_some(calls)
        })
        .await
    }

    /// How often it was asked to count tokens.
    pub async fn token_counts(&self) -> u64 {
        self.control("ledger").await["totals"]["count_tokens"].as_u64().unwrap()
    }

    /// Returns when the invocation log's records of all calls that are not open are in S3.
    pub async fn flush_log(&self) {
        let answer = self.0.send("POST", "/_mock/log/flush", &[], "").await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// How many streams wait under this name.
    pub async fn waiting(&self, hold: &str) -> u64 {
        self.control("holds").await[hold]["waiting"].as_u64().unwrap_or(0)
    }

    /// Lets go what holds under this name.
    pub async fn release(&self, hold: &str) {
        let answer = self.0.send("POST", &format!("/_mock/release/{hold}"), &[], "").await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// The bytes of an answer's body, as the mock sent them.
    pub async fn sent(&self, request_id: &str) -> Vec<u8> {
        let answer = self.0.get(&format!("/_mock/answers/{request_id}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body.to_vec()
    }
}
