//! Writing records to S3.

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
use crate::aws::{ACCOUNT_ID, REGION, sdk_config};
use crate::bedrock::{lock, wire};

struct Writer {
    client: Client,
    options: LogOptions,
    shared: Arc<Shared>,
    /// Records for the next object.
    lines: Vec<String>,
}

/// Takes records until nobody can send any more, and writes the last.
pub(super) async fn run(options: LogOptions, shared: Arc<Shared>, mut messages: UnboundedReceiver<Message>) {
    let config = aws_sdk_s3::config::Builder::from(&sdk_config(options.s3.starts_with("https:")));
    let config = config.endpoint_url(&options.s3).force_path_style(true).build();
    let mut writer = Writer {
        client: Client::from_conf(config),
        options,
        shared,
        lines: Vec::new(),
    };
    while let Some(message) = messages.recv().await {
        writer.take(message).await;
    }
    let _ = writer.write().await;
}

impl Writer {
    async fn take(&mut self, message: Message) {
        match message {
            Message::Record(line) => {
                self.lines.push(line);
                let enough = lock(&self.shared.settings).records_per_object;
                if self.lines.len() >= enough {
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

    /// Writes the records that wait, in one object.
    async fn write(&mut self) -> Result<(), String> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let now = lock(&self.shared.settings).clock.now();
        let body = gzip(&self.lines).map_err(|error| error.to_string())?;
        let put = self
            .client
            .put_object()
            .bucket(&self.options.bucket)
            .key(key(&self.options.prefix, now))
            .content_type("application/x-gzip")
            .body(ByteStream::from(body));
        put.send()
            .await
            .map_err(|error| DisplayErrorContext(&error).to_string())?;
        self.drop_lines();
        Ok(())
    }

    fn drop_lines(&mut self) {
        self.shared.unwritten.fetch_sub(self.lines.len(), Ordering::SeqCst);
        self.lines.clear();
    }
}

fn gzip(lines: &[String]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for line in lines {
        writeln!(encoder, "{line}")?;
    }
    encoder.finish()
}

/// A new key in the hour of `now`.
fn key(prefix: &str, now: Timestamp) -> String {
    let hour = now.strftime("%Y/%m/%d/%H");
    let name = now.strftime("%Y%m%dT%H%M%S%3fZ");
    let random: String = wire::request_id().replace('-', "").chars().take(16).collect();
    let place = format!("AWSLogs/{ACCOUNT_ID}/BedrockModelInvocationLogs/{REGION}/{hour}/{name}_{random}.json.gz");
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
        assert!(key("", now).starts_with(start), "{}", key("", now));
        assert!(key("a/b/", now).starts_with(&format!("a/b/{start}")));
        assert!(key("", now).ends_with(".json.gz"));
        assert_ne!(key("", now), key("", now));
    }
}
