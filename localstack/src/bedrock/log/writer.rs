//! Writing records to S3.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{LogOptions, Message, Shared};
use crate::aws::{ACCOUNT_ID, sdk_config};
use crate::bedrock::{lock, wire};

struct Writer {
    client: Client,
    options: LogOptions,
    shared: Arc<Shared>,
    /// Records for the next object of each region.
    lines: BTreeMap<String, Vec<String>>,
}

/// Takes records until nobody can send any more, and writes the last.
pub(super) async fn run(options: LogOptions, shared: Arc<Shared>, mut messages: UnboundedReceiver<Message>) {
    let config = aws_sdk_s3::config::Builder::from(&sdk_config(options.s3.starts_with("https:")));
    let config = config.endpoint_url(&options.s3).force_path_style(true).build();
    let mut writer = Writer {
        client: Client::from_conf(config),
        options,
        shared,
        lines: BTreeMap::new(),
    };
    while let Some(message) = messages.recv().await {
        writer.take(message).await;
    }
    let _ = writer.write().await;
}

impl Writer {
    async fn take(&mut self, message: Message) {
        match message {
            Message::Record { region, line } => {
                self.lines.entry(region).or_default().push(line);
                let enough = lock(&self.shared.settings).records_per_object;
                if self.lines.values().any(|lines| lines.len() >= enough) {
                    // What could not be written stays for the next object; a flush tells why.
                    let _ = self.write().await;
                }
            }
            Message::Flush(done) => {
                let _ = done.send(self.write().await);
            }
            Message::Forget => self.drop_lines(),
        }
    }

    /// Writes the records that wait, in one object for each region.
    async fn write(&mut self) -> Result<(), String> {
        let now = lock(&self.shared.settings).clock.now();
        while let Some((region, lines)) = self.lines.first_key_value() {
            let body = gzip(lines).map_err(|error| error.to_string())?;
            let put = self
                .client
                .put_object()
                .bucket(&self.options.bucket)
                .key(key(&self.options.prefix, region, now))
                .content_type("application/x-gzip")
                .body(ByteStream::from(body));
            put.send()
                .await
                .map_err(|error| DisplayErrorContext(&error).to_string())?;
            self.drop_first();
        }
        Ok(())
    }

    fn drop_first(&mut self) {
        if let Some((_, lines)) = self.lines.pop_first() {
            self.shared.unwritten.fetch_sub(lines.len(), Ordering::SeqCst);
        }
    }

    fn drop_lines(&mut self) {
        while !self.lines.is_empty() {
            self.drop_first();
        }
    }
}

fn gzip(lines: &[String]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for line in lines {
        writeln!(encoder, "{line}")?;
    }
    encoder.finish()
}

/// A new key of a region in the hour of `now`.
fn key(prefix: &str, region: &str, now: Timestamp) -> String {
    let hour = now.strftime("%Y/%m/%d/%H");
    let name = now.strftime("%Y%m%dT%H%M%S%3fZ");
    let random: String = wire::request_id().replace('-', "").chars().take(16).collect();
    let place = format!("AWSLogs/{ACCOUNT_ID}/BedrockModelInvocationLogs/{region}/{hour}/{name}_{random}.json.gz");
    match prefix.trim_matches('/') {
        "" => place,
        prefix => format!("{prefix}/{place}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_key_names_account_region_and_hour() {
        let now = "2026-11-25T13:07:08.009Z".parse().unwrap();
        let start = "AWSLogs/000000000000/BedrockModelInvocationLogs/us-east-1/2026/11/25/13/20261125T130708009Z_";
        assert!(
            key("", "us-east-1", now).starts_with(start),
            "{}",
            key("", "us-east-1", now)
        );
        assert!(key("a/b/", "us-east-1", now).starts_with(&format!("a/b/{start}")));
        assert!(key("", "us-east-1", now).ends_with(".json.gz"));
        assert_ne!(key("", "us-east-1", now), key("", "us-east-1", now));
    }
}
