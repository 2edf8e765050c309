//! Bedrock's model invocation log: what calls used whose function did not live to say so.
//!
//! Bedrock delivers it to S3 (Amazon Bedrock user guide, "Monitor model invocation using CloudWatch Logs and Amazon S3"): gzip with
//! a JSON record a line, at `<prefix>/AWSLogs/<account>/BedrockModelInvocationLogs/<region>/YYYY/MM/DD/HH/<name>.json.gz`, bodies that
//! are too large for a record in objects below those. A call of ours is told by the metadata that it was made with.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Read as _};

use aws_sdk_s3::Client;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::rollup::Period;
use crate::usage::{Tokens, Usage, UsageReport};
use crate::wire::bedrock::REQUEST_ID_METADATA as REQUEST_ID;

/// The largest object that is read, compressed.
const MAX_OBJECT_BYTES: i64 = 32 * 1024 * 1024;
/// The most that is read of an object when it is unpacked.
const MAX_UNPACKED_BYTES: u64 = 1024 * 1024 * 1024;
/// The longest record. Bodies of up to 100 KB stand in records.
const MAX_LINE_BYTES: u64 = 4 * 1024 * 1024;
/// So many objects are fetched at once.
const OBJECTS_AT_ONCE: usize = 8;
/// The most hours that one search looks through.
const MAX_HOURS: usize = 24 * 7;

/// Where the log is.
#[derive(Clone, Debug)]
pub struct InvocationLog {
    client: Client,
    bucket: String,
    prefix: String,
    account: String,
    region: String,
}

/// What the log tells of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedCall {
    /// The tokens that are billed.
    pub usage: Usage,
    /// Whether the counts are exact. They are not where tokens were written to the cache and the record does not say for how
    /// long: then all of them count at the longer lifetime.
    pub exact: bool,
    /// Bedrock's own request id.
    pub upstream_request_id: Option<String>,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Search {
    /// The calls that were found, by our request id.
    pub found: HashMap<String, LoggedCall>,
    /// Whether all that there is was read, and there was something: only then a call that was not found is not in the log. A log
    /// without any record is more likely one that is not delivered where it is looked for.
    pub complete: bool,
    records: u64,
}

impl InvocationLog {
    /// The log in `bucket`, below `prefix` (empty for none), of this account's calls in this region.
    pub fn new(client: Client, bucket: String, prefix: &str, account: String, region: String) -> Self {
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Self {
            client,
            bucket,
            prefix,
            account,
            region,
        }
    }

    /// Looks for calls that began at or after `from`, in one pass over the hours from then to `until` for all of them. `go_on`
    /// is asked before each hour, so that a search can be given up in time.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`] when S3 does not answer.
    pub async fn find(
        &self,
        wanted: &HashSet<&str>,
        from: Timestamp,
        until: Timestamp,
        go_on: impl Fn() -> bool,
    ) -> Result<Search, Error> {
        let mut search = Search {
            complete: true,
            ..Search::default()
        };
        let mut at = from;
        for _ in 0..MAX_HOURS {
            if at > until || search.found.len() == wanted.len() {
                search.complete &= search.records > 0;
                return Ok(search);
            }
            if !go_on() {
                break;
            }
            self.find_in_hour(wanted, at, &mut search).await?;
            at = Period::Hour.end(at);
        }
        search.complete = at > until && search.complete && search.records > 0;
        Ok(search)
    }

    async fn find_in_hour(&self, wanted: &HashSet<&str>, at: Timestamp, search: &mut Search) -> Result<(), Error> {
        let objects = self.objects_of(&self.folder(at)).await?;
        let read = |(key, size): (String, i64)| async move {
            if size > MAX_OBJECT_BYTES {
                return Ok(Err(key));
            }
            self.object(&key).await.map(|bytes| Ok((key, bytes)))
        };
        let mut objects = futures_util::stream::iter(objects)
            .map(read)
            .buffer_unordered(OBJECTS_AT_ONCE);
        while let Some(object) = objects.try_next().await? {
            let mut known = true;
            let read = match &object {
                Ok((_, bytes)) => records(bytes, |record| {
                    search.records += 1;
                    known &= keep(record, wanted, &mut search.found);
                }),
                Err(_) => false,
            };
            let whole = read && known;
            if !whole {
                let (Ok((key, _)) | Err(key)) = object;
                tracing::error!(key, "an object of the invocation log cannot be read");
                search.complete = false;
            }
        }
        Ok(())
    }

    /// `…/YYYY/MM/DD/HH/`
    fn folder(&self, at: Timestamp) -> String {
        let Self {
            prefix,
            account,
            region,
            ..
        } = self;
        let hour = TimeZone::UTC.to_datetime(at).strftime("%Y/%m/%d/%H");
        format!("{prefix}AWSLogs/{account}/BedrockModelInvocationLogs/{region}/{hour}/")
    }

    /// The records' objects of a folder, with their sizes.
    async fn objects_of(&self, folder: &str) -> Result<Vec<(String, i64)>, Error> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(folder);
        let mut pages = list.into_paginator().send();
        let mut objects = Vec::new();
        while let Some(page) = pages.next().await {
            for object in page.map_err(Error::unavailable)?.contents.unwrap_or_default() {
                let key = object.key.unwrap_or_default();
                let name = key.strip_prefix(folder).unwrap_or_default();
                if name.ends_with(".json.gz") && !name.contains('/') {
                    objects.push((key, object.size.unwrap_or_default()));
                }
            }
        }
        Ok(objects)
    }

    async fn object(&self, key: &str) -> Result<Bytes, Error> {
        let get = self.client.get_object().bucket(&self.bucket).key(key);
        let answer = get.send().await.map_err(Error::unavailable)?;
        let body = answer.body.collect().await.map_err(Error::unavailable)?;
        Ok(body.into_bytes())
    }
}

/// Hands each line of a packed object to `each`. `false`: it could not be read to its end.
fn records(packed: &[u8], mut each: impl FnMut(&[u8])) -> bool {
    let mut unpacked = BufReader::new(MultiGzDecoder::new(packed).take(MAX_UNPACKED_BYTES));
    let mut line = Vec::new();
    loop {
        line.clear();
        match unpacked.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) => return unpacked.get_ref().limit() > 0,
            Ok(length) if length as u64 == MAX_LINE_BYTES && !line.ends_with(b"\n") => return false,
            Ok(_) => each(&line),
            Err(_) => return false,
        }
    }
}

/// Keeps what a record says, if it is one of those that are wanted. Of two records of one call the one with more tokens counts.
/// `false`: it is none that is known, and may be any call's.
fn keep(line: &[u8], wanted: &HashSet<&str>, found: &mut HashMap<String, LoggedCall>) -> bool {
    // Most records are somebody else's: those are not parsed.
    if !contains(line, REQUEST_ID.as_bytes()) {
        return true;
    }
    let Ok(record) = serde_json::from_slice::<Record>(line) else {
        return false;
    };
    let Some(id) = record.request_metadata.get(REQUEST_ID).and_then(Value::as_str) else {
        return true;
    };
    if wanted.contains(id) {
        let call = record.call();
        let more = |known: &LoggedCall| total(&call.usage) > total(&known.usage);
        if found.get(id).is_none_or(more) {
            found.insert(id.to_owned(), call);
        }
    }
    true
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

fn total(usage: &Usage) -> Tokens {
    usage.prompt_tokens().saturating_add(usage.output_tokens)
}

/// What is read of a record; the members of AWS's `ModelInvocationLog`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    request_id: Option<String>,
    #[serde(default)]
    request_metadata: serde_json::Map<String, Value>,
    #[serde(default)]
    input: Counts,
    #[serde(default)]
    output: Counts,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Counts {
    input_token_count: Tokens,
    cache_read_input_token_count: Tokens,
    cache_write_input_token_count: Tokens,
    output_token_count: Tokens,
    output_body_json: Value,
}

impl Record {
    fn call(&self) -> LoggedCall {
        let written = self.input.cache_write_input_token_count;
        let split = split(&self.output.output_body_json).filter(|(short, long)| short.saturating_add(*long) == written);
        let (short, long) = split.unwrap_or((Tokens::ZERO, written));
        LoggedCall {
            usage: Usage {
                input_tokens: self.input.input_token_count,
                output_tokens: self.output.output_token_count,
                cache_read_input_tokens: self.input.cache_read_input_token_count,
                cache_write_5m_tokens: short,
                cache_write_1h_tokens: long,
            },
            exact: split.is_some() || written == Tokens::ZERO,
            upstream_request_id: self.request_id.clone(),
        }
    }
}

/// How many tokens were written to the cache for 5 minutes and for an hour: as the message says, or the last event of a stream
/// that says it.
fn split(body: &Value) -> Option<(Tokens, Tokens)> {
    let of = |value: &Value| {
        let usage = value.get("usage").or_else(|| value.pointer("/message/usage"));
        // What `Converse` says has names of its own; of `ConverseStream` it may stand in its last event.
        let usage = usage.or_else(|| value.pointer("/metadata/usage"))?;
        let report = match usage.get("cacheDetails") {
            Some(_) => UsageReport::from_converse(usage),
            None => UsageReport::from_usage(usage),
        };
        let told = report.cache_write_5m_tokens.is_some() || report.cache_write_1h_tokens.is_some();
        told.then(|| {
            (
                report.cache_write_5m_tokens.unwrap_or_default(),
                report.cache_write_1h_tokens.unwrap_or_default(),
            )
        })
    };
    match body {
        Value::Array(events) => events.iter().rev().find_map(of),
        message => of(message),
    }
}

#[cfg(test)]
mod tests;
