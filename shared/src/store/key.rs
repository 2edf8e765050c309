//! Every key of the table, in one place.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | API key, by its digest | `KEY#<sha-256>` | `KEY` |
//! | API key, in its owner's list | `OWNER#<subject>` | `KEY#<key id>` |
//! | number of an owner's keys | `OWNER#<subject>` | `KEYS` |
//! | what an owner's files and open uploads take up | `OWNER#<subject>` | `FILES` |
//! | service account | `CLIENT` | `<client id>` |
//! | access token that was ended, by its `jti` | `DENIED#<jti>` | `DENIED` |
//! | usage row | `USAGE#<subject>` | `<start, RFC 3339>#<request id>` |
//! | open call | `CALLS#<shard>` | `<start, RFC 3339>#<request id>` |
//! | limits of one scope and id | `BUDGETS` | `<scope>#<id>` |
//! | state of a limit in a window | `SPEND#<scope>#<id>` | `<unit>#<window>#<start of the window>` |
//! | rollup | `ROLLUP#<dimension>#<period>#<bucket>` | `<start of the period>#<id>` |
//! | how far the sweep is | `SWEEP` | `HEAD` |
//! | alert that is to go out | `ALERTS` | `<event id>` |
//! | counters of a function | `METRICS` | `<function>#<shard>`, `<function>#now` |
//! | file | `FILES#<subject>` | `<file id>` |
//! | upload session | `FILES#<subject>` | `<session id>` |
//! | end of a file or upload session | `ENDS#<shard>` | `<time, RFC 3339>#<subject>#<id>` |
//! | person | `USERS` | `<user id>` |
//! | identity of a person at a provider | `IDENTITY#<sha-256 of issuer and subject>` | `IDENTITY` |
//! | active admin | `ADMINS` | `<user id>` |
//! | team | `TEAMS` | `<team>` |
//! | name of a person in the directory | `DIRECTORY` | `<sha-256 of the name in lower case>` |
//! | group of the directory | `GROUPS` | `<group id>` |
//! | name of a group of the directory | `GROUPNAME#<sha-256 of the name in lower case>` | `GROUPNAME` |
//! | member of a group of the directory | `MEMBERS#<group id>` | `<user id>` |
//! | login under way | `LOGIN#<sha-256 of the state>` | `LOGIN` |
//! | consent page that is shown | `CONSENT#<sha-256 of the ticket>` | `CONSENT` |
//! | authorization code | `CODE#<sha-256>` | `CODE` |
//! | session (a family of refresh tokens) | `SESSIONS#<subject>` | `<session id>` |
//! | session that was begun in a browser | `BROWSER#<sha-256 of the cookie>` | `<session id>` |
//! | refresh token: which session it is of | `REFRESH#<sha-256>` | `REFRESH` |
//! | device grant | `DEVICE#<sha-256 of the device code>` | `DEVICE` |
//! | user code: which device grant it is of | `USERCODE#<user code>` | `USERCODE` |
//! | attempts at user codes | `ATTEMPTS#<who>` | `<start of the window>` |
//! | audit entry | `AUDIT#<yyyy-mm>` | `<time, RFC 3339>#<audit id>` |
//! | which revision of the price book counts | `PRICES` | `HEAD` |
//! | a revision of the price book | `PRICES` | `R#<revision, 10 digits>` |
//! | beta flags that Bedrock refuses of a model | `BETAS#<model, without profile>` | `BETAS` |
//! | targets of model calls that rest | `UPSTREAM` | `RESTS` |
//! | what went to a target in a minute | `QUOTA#<target>` | `<start of the minute, RFC 3339>` |
//! | who migrates | `MIGRATIONS` | `LOCK` |
//! | how far a migration is | `MIGRATIONS` | `M#<migration id>` |
//! | how far a pass over a segment of the table is | `MIGRATIONS` | `S#<migration id>#<run>#<pass>#<segment>` |
//!
//! A list that belongs to somebody has its owner in the partition key, so that no filter can be forgotten.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::Item;
use super::calls::{CALL_SHARDS, open_call_place};
use super::file_ends::END_SHARDS;
use crate::budget::{BudgetId, ScopeKind};
use crate::clock::rfc3339_millis;
use crate::error::Error;
use crate::principal::{Subject, Team};
use crate::rollup::{Dimension, Period, RollupId};
use crate::secret::SecretDigest;

/// The partition key's attribute.
pub(super) const PARTITION: &str = "pk";
/// The sort key's attribute.
pub(super) const SORT: &str = "sk";
/// The attribute of usage rows that the index `by_day` is made of: the day of the call, in UTC.
pub(super) const DAY: &str = "day";
/// The index of usage rows by [`DAY`], sorted as in their own partitions.
pub(super) const BY_DAY: &str = "by_day";
/// What the sort keys of an owner's API keys begin with.
pub(super) const KEY_PREFIX: &str = "KEY#";

/// A whole primary key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    partition: String,
    sort: String,
}

impl Key {
    pub(super) fn new(partition: &str, sort: &str) -> Self {
        Self {
            partition: partition.to_owned(),
            sort: sort.to_owned(),
        }
    }

    pub(super) fn into_item(self) -> Item {
        Item::from([
            (PARTITION.to_owned(), AttributeValue::S(self.partition)),
            (SORT.to_owned(), AttributeValue::S(self.sort)),
        ])
    }
}

pub(super) fn api_key(digest: &SecretDigest) -> Key {
    Key::new(&format!("KEY#{}", digest.as_str()), "KEY")
}

pub(super) fn owner(subject: &Subject) -> String {
    format!("OWNER#{subject}")
}

pub(super) fn owners_api_key(subject: &Subject, key_id: &str) -> Key {
    Key::new(&owner(subject), &format!("{KEY_PREFIX}{key_id}"))
}

pub(super) fn owners_key_count(subject: &Subject) -> Key {
    Key::new(&owner(subject), "KEYS")
}

pub(super) fn taken_up(subject: &Subject) -> Key {
    Key::new(&owner(subject), "FILES")
}

/// Flags of one model: `model` is a base id.
pub(super) fn beta_refusals(model: &str) -> Key {
    Key::new(&format!("BETAS#{model}"), "BETAS")
}

/// Which targets rest.
pub(super) fn rests() -> Key {
    Key::new("UPSTREAM", "RESTS")
}

/// What went to a target in the minute that begins at `minute`.
pub(super) fn quota(target: &str, minute: Timestamp) -> Key {
    Key::new(&format!("QUOTA#{target}"), &rfc3339_millis(minute))
}

pub(super) const USERS: &str = "USERS";

pub(super) fn user(user_id: &str) -> Key {
    Key::new(USERS, user_id)
}

pub(super) fn identity(digest: &SecretDigest) -> Key {
    by_digest("IDENTITY", digest)
}

pub(super) const ADMINS: &str = "ADMINS";

pub(super) fn admin(user_id: &str) -> Key {
    Key::new(ADMINS, user_id)
}

pub(super) const TEAMS: &str = "TEAMS";

pub(super) fn team(team: &Team) -> Key {
    Key::new(TEAMS, team.as_str())
}

pub(super) const DIRECTORY_NAMES: &str = "DIRECTORY";

pub(super) fn directory_name(name: &SecretDigest) -> Key {
    Key::new(DIRECTORY_NAMES, name.as_str())
}

pub(super) const GROUPS: &str = "GROUPS";

pub(super) fn group(group_id: &str) -> Key {
    Key::new(GROUPS, group_id)
}

pub(super) fn group_name(name: &SecretDigest) -> Key {
    by_digest("GROUPNAME", name)
}

pub(super) fn members(group_id: &str) -> String {
    format!("MEMBERS#{group_id}")
}

pub(super) fn member(group_id: &str, user_id: &str) -> Key {
    Key::new(&members(group_id), user_id)
}

pub(super) fn login(state: &SecretDigest) -> Key {
    by_digest("LOGIN", state)
}

pub(super) fn consent(ticket: &SecretDigest) -> Key {
    by_digest("CONSENT", ticket)
}

pub(super) fn code(code: &SecretDigest) -> Key {
    by_digest("CODE", code)
}

pub(super) fn refresh(token: &SecretDigest) -> Key {
    by_digest("REFRESH", token)
}

pub(super) fn device(code: &SecretDigest) -> Key {
    by_digest("DEVICE", code)
}

fn by_digest(kind: &str, digest: &SecretDigest) -> Key {
    Key::new(&format!("{kind}#{}", digest.as_str()), kind)
}

pub(super) fn user_code(code: &str) -> Key {
    Key::new(&format!("USERCODE#{code}"), "USERCODE")
}

pub(super) fn attempts(who: &str, window: i64) -> Key {
    Key::new(&format!("ATTEMPTS#{who}"), &window.to_string())
}

pub(super) fn sessions(subject: &Subject) -> String {
    format!("SESSIONS#{subject}")
}

pub(super) fn session(subject: &Subject, session_id: &str) -> Key {
    Key::new(&sessions(subject), session_id)
}

pub(super) fn browser(cookie: &SecretDigest) -> String {
    format!("BROWSER#{}", cookie.as_str())
}

pub(super) fn begun_session(cookie: &SecretDigest, session_id: &str) -> Key {
    Key::new(&browser(cookie), session_id)
}

pub(super) const CLIENTS: &str = "CLIENT";

pub(super) fn client(client_id: &str) -> Key {
    Key::new(CLIENTS, client_id)
}

pub(super) fn denied_token(jti: &str) -> Key {
    Key::new(&format!("DENIED#{jti}"), "DENIED")
}

/// What the partition keys of usage rows begin with.
pub(super) const USAGE_PREFIX: &str = "USAGE#";

pub(super) fn usage(subject: &Subject) -> String {
    format!("{USAGE_PREFIX}{subject}")
}

/// Whose rows a partition of usage rows holds.
pub(super) fn subject_of_usage(partition: &str) -> Option<Subject> {
    partition.strip_prefix(USAGE_PREFIX)?.parse().ok()
}

pub(super) fn usage_row(subject: &Subject, started_at: Timestamp, request_id: &str) -> Key {
    Key::new(&usage(subject), &format!("{}#{request_id}", rfc3339_millis(started_at)))
}

pub(super) fn files(subject: &Subject) -> String {
    format!("FILES#{subject}")
}

/// What the ids of files begin with; those of upload sessions, which are in the same partition, begin otherwise.
pub(super) const FILE_PREFIX: &str = "file_";

/// A file or an upload session, told apart by what their ids begin with.
pub(super) fn file(subject: &Subject, id: &str) -> Key {
    Key::new(&files(subject), id)
}

pub(super) fn file_ends(shard: u8) -> String {
    format!("ENDS#{shard}")
}

pub(super) fn file_end(at: Timestamp, subject: &Subject, id: &str) -> Key {
    let shard = crc32fast::hash(id.as_bytes()) % u32::from(END_SHARDS);
    Key::new(
        &file_ends(u8::try_from(shard).unwrap_or_default()),
        &format!("{}#{subject}#{id}", rfc3339_millis(at)),
    )
}

pub(super) fn open_calls(shard: u8) -> String {
    format!("CALLS#{shard}")
}

pub(super) fn open_call(started_at: Timestamp, request_id: &str) -> Key {
    let shard = crc32fast::hash(request_id.as_bytes()) % u32::from(CALL_SHARDS);
    Key::new(
        &open_calls(u8::try_from(shard).unwrap_or_default()),
        &open_call_place(started_at, request_id),
    )
}

pub(super) const BUDGETS: &str = "BUDGETS";

pub(super) fn budget_set(scope: ScopeKind, id: &str) -> Key {
    Key::new(BUDGETS, &format!("{}#{id}", scope.label()))
}

pub(super) fn budget_states(scope: ScopeKind, id: &str) -> String {
    format!("SPEND#{}#{id}", scope.label())
}

pub(super) fn budget_state(budget: &BudgetId) -> Key {
    let sort = format!("{}#{}#{}", budget.unit.label(), budget.window.label(), budget.start);
    Key::new(&budget_states(budget.scope, &budget.id), &sort)
}

pub(super) fn rollups(dimension: Dimension, period: Period, bucket: &str) -> String {
    format!("ROLLUP#{}#{}#{bucket}", dimension.label(), period.label())
}

pub(super) fn rollup_of(dimension: Dimension, period: Period, bucket: &str, start: &str, id: &str) -> Key {
    Key::new(&rollups(dimension, period, bucket), &format!("{start}#{id}"))
}

pub(super) fn rollup(of: &RollupId) -> Result<Key, Error> {
    let at =
        super::rollups::moment(of.period, &of.start).ok_or_else(|| Error::internal("not the start of a period"))?;
    let bucket = of.period.bucket(at);
    Ok(rollup_of(of.dimension, of.period, &bucket, &of.start, &of.id))
}

pub(super) fn sweep_head() -> Key {
    Key::new("SWEEP", "HEAD")
}

pub(super) const ALERTS: &str = "ALERTS";

pub(super) fn alert(event_id: &str) -> Key {
    Key::new(ALERTS, event_id)
}

/// The partition of a month's audit entries, `month` as `2026-11`.
pub(super) fn audit(month: &str) -> String {
    format!("AUDIT#{month}")
}

pub(super) fn audit_entry(time: Timestamp, audit_id: &str) -> Key {
    let time = rfc3339_millis(time);
    // RFC 3339 begins with year and month.
    let month: String = time.chars().take(7).collect();
    Key::new(&audit(&month), &format!("{time}#{audit_id}"))
}

const PRICES: &str = "PRICES";

pub(super) fn price_head() -> Key {
    Key::new(PRICES, "HEAD")
}

pub(super) fn price_revision(revision: u64) -> Key {
    Key::new(PRICES, &format!("R#{revision:010}"))
}

/// The partition of the ledger of migrations.
pub(super) const MIGRATIONS: &str = "MIGRATIONS";
/// What the sort keys of migrations begin with.
pub(super) const MIGRATION_PREFIX: &str = "M#";

pub(super) fn migration_lock() -> Key {
    Key::new(MIGRATIONS, "LOCK")
}

pub(super) fn migration(id: &str) -> Key {
    Key::new(MIGRATIONS, &format!("{MIGRATION_PREFIX}{id}"))
}

/// A segment of a pass; `run` and `pass` count from 1.
pub(super) fn migration_segment(id: &str, run: u32, pass: u32, segment: u16) -> Key {
    Key::new(MIGRATIONS, &format!("S#{id}#{run:04}#{pass:04}#{segment:04}"))
}

pub(super) const COUNTERS: &str = "METRICS";

pub(super) fn counters(function: &str, place: &str) -> Key {
    Key::new(COUNTERS, &format!("{function}#{place}"))
}
