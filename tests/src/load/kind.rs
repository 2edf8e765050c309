//! What calls there are, how many of each, and what becomes of them.

use gateway::usage::Outcome;
use gateway::wire::dialect::Dialect;
use serde::{Serialize, Serializer};

use super::Form;

/// A kind of call. Those that are refused come in every form in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A model call that is answered.
    Call(Form),
    /// One that names an uploaded file.
    File,
    /// A count of tokens by Anthropic's route.
    Count,
    /// A count of tokens by Bedrock's.
    BedrockCount,
    /// Somebody looks at what they have used.
    UsageQuery,
    /// With a key that nobody has.
    BadKey,
    /// By somebody who has next to nothing left.
    BudgetSpent,
    /// By somebody who may call once a minute.
    MinuteSpent,
    /// To a model that there is not.
    UnknownModel,
    /// Bedrock throttles it.
    Throttled,
    /// Bedrock fails.
    UpstreamDown,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes out to Bedrock, has a row and a line in the ledger.
    GoesOut(Outcome),
    /// It ends at the gateway.
    Stays,
}

/// How many of fifty calls are of which kind.
const SHARES: [(Kind, usize); 18] = [
    (Kind::Call(Form::Messages), 7),
    (Kind::Call(Form::MessagesStream), 7),
    (Kind::Call(Form::Invoke), 4),
    (Kind::Call(Form::InvokeStream), 4),
    (Kind::Call(Form::Converse), 4),
    (Kind::Call(Form::ConverseStream), 4),
    (Kind::Call(Form::Chat), 4),
    (Kind::Call(Form::ChatStream), 4),
    (Kind::File, 2),
    (Kind::Count, 1),
    (Kind::BedrockCount, 1),
    (Kind::UsageQuery, 2),
    (Kind::BadKey, 1),
    (Kind::BudgetSpent, 1),
    (Kind::MinuteSpent, 1),
    (Kind::UnknownModel, 1),
    (Kind::Throttled, 1),
    (Kind::UpstreamDown, 1),
];
/// Calls after which the kinds begin anew.
const ROUND: usize = 50;
/// Has no divisor in common with the round, so that kinds come mixed.
const STRIDE: usize = 17;

impl Kind {
    /// The kind of the call of this number.
    pub fn of(number: usize) -> Self {
        let mut place = number * STRIDE % ROUND;
        for (kind, share) in SHARES {
            match place.checked_sub(share) {
                Some(rest) => place = rest,
                None => return kind,
            }
        }
        unreachable!("the shares are {ROUND} together")
    }

    /// The form of the call of this number; none for what is no model call.
    pub fn form(self, number: usize) -> Option<Form> {
        match self {
            Self::Call(form) => Some(form),
            Self::File => Some(if number.is_multiple_of(2) {
                Form::Messages
            } else {
                Form::MessagesStream
            }),
            Self::Count | Self::BedrockCount | Self::UsageQuery => None,
            _ => Some(Form::ALL[number / ROUND % Form::ALL.len()]),
        }
    }

    /// What a call must have become that was answered with this status; nothing if there must be no such answer.
    pub fn fate(self, form: Option<Form>, status: u16) -> Option<Fate> {
        let is_bedrock = form.is_some_and(|form| form.dialect() == Dialect::Bedrock);
        match (self, status) {
            (Self::Call(_) | Self::File | Self::MinuteSpent, 200) => Some(Fate::GoesOut(Outcome::Success)),
            (Self::Throttled, 429) => Some(Fate::GoesOut(Outcome::Throttled)),
            (Self::UpstreamDown, 503) => Some(Fate::GoesOut(Outcome::UpstreamError)),
            (Self::Count | Self::BedrockCount | Self::UsageQuery, 200)
            | (Self::BadKey, 401)
            | (Self::MinuteSpent, 429)
            | (Self::UnknownModel, 404) => Some(Fate::Stays),
            (Self::BudgetSpent, status) => (status == if is_bedrock { 400 } else { 402 }).then_some(Fate::Stays),
            _ => None,
        }
    }

    /// The kind of error (`docs/errors.md`) that a function counts for such an answer. In Bedrock's own dialect Bedrock's errors pass as
    /// they are, and the authorizer counts refusals by itself.
    pub fn error(self, form: Option<Form>, status: u16) -> Option<&'static str> {
        let passes = form.is_some_and(|form| form.dialect() == Dialect::Bedrock);
        match self {
            Self::BudgetSpent => Some("budget_exhausted"),
            Self::MinuteSpent if status == 429 => Some("rate_limited"),
            Self::UnknownModel => Some("not_found"),
            Self::Throttled if !passes => Some("upstream_throttled"),
            Self::UpstreamDown if !passes => Some("upstream_unavailable"),
            _ => None,
        }
    }

    /// Its name in the report.
    pub fn label(self) -> &'static str {
        match self {
            Self::Call(form) => form.label(),
            Self::File => "messages with a file",
            Self::Count => "count_tokens",
            Self::BedrockCount => "Bedrock count-tokens",
            Self::UsageQuery => "usage query",
            Self::BadKey => "refused: bad key",
            Self::BudgetSpent => "refused: budget spent",
            Self::MinuteSpent => "refused: once a minute",
            Self::UnknownModel => "refused: unknown model",
            Self::Throttled => "Bedrock throttles",
            Self::UpstreamDown => "Bedrock is down",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}
