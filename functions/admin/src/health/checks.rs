//! The checks. Each does what a request would do, costs nothing, and changes nothing that counts.

use gateway::aws::Aws;
use gateway::cache::{Cache, Failure};
use gateway::clock::Clock;
use gateway::config::{ConfigError, Variables};
use gateway::error::Error;
use gateway::objects::Objects;
use gateway::upstream::{Bedrock, NoAnswer, Reach};
use serde_json::json;

use super::{Finding, Part, Status};
use crate::State;

/// What is looked at besides the table.
pub(crate) struct Dependencies {
    cache: Option<Cache>,
    bedrock: Bedrock,
    objects: Objects,
}

impl Dependencies {
    /// Builds the clients. Nothing goes out before the first check.
    pub(crate) fn new(
        aws: &Aws,
        variables: &Variables,
        clock: &Clock,
        cache: Option<Cache>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            cache,
            bedrock: Bedrock::new(aws.bedrockruntime()),
            objects: Objects::read_from(aws, variables, clock)?,
        })
    }

    pub(crate) async fn look(&self, state: &State, part: Part) -> Finding {
        match part {
            Part::Cache => self.cache().await,
            Part::Db => by_outcome(state.store.check().await),
            Part::Aws => self.aws().await,
            Part::Storage => by_outcome(Box::pin(self.objects.check()).await),
            Part::Tls => self.tls(),
        }
    }

    /// A round trip: what is written can be read.
    async fn cache(&self) -> Finding {
        let Some(cache) = &self.cache else {
            return Finding::of(Status::NotConfigured, None);
        };
        let outcome = cache.check().await;
        let stats = cache.stats();
        let detail = json!({
            "hits": stats.hits, "misses": stats.misses, "asked": stats.asked, "failed": stats.failed, "bytes": cache.bytes(),
        });
        let finding = match outcome {
            Ok(()) => Finding::well(),
            // It gives what it holds, and takes nothing more.
            Err(Failure::Full) => Finding::of(Status::Degraded, Some(Failure::Full.label())),
            Err(failure) => Finding::ill(failure.label()),
        };
        finding.telling(detail)
    }

    /// Asks Bedrock for a count of nothing, which is free: whatever it answers of the count, it has taken our signature.
    async fn aws(&self) -> Finding {
        match Box::pin(self.bedrock.reach()).await {
            Ok(Reach::Answers) => Finding::well(),
            Ok(Reach::RefusesUs) => Finding::ill("refused"),
            Ok(Reach::Fails) => Finding::ill("failing"),
            Err(error @ NoAnswer::TimedOut(_)) => Finding::ill("slow").telling(json!({"error": error.to_string()})),
            Err(error) => Finding::ill("unreachable").telling(json!({"error": error.to_string()})),
        }
    }

    /// The certificates towards services of our own choosing, by the days that they have left.
    fn tls(&self) -> Finding {
        let certificates = match &self.objects {
            Objects::S3(_) => Vec::new(),
            Objects::Service(service) => service.health(),
        };
        if certificates.is_empty() {
            return Finding::of(Status::NotConfigured, None);
        }
        let any = |status: &str| certificates.iter().any(|it| it.status == status);
        let finding = match (any("expired"), any("expiring")) {
            (true, _) => Finding::ill("expired"),
            (false, true) => Finding::of(Status::Degraded, Some("expiring")),
            (false, false) => Finding::well(),
        };
        finding.telling(json!({ "certificates": certificates }))
    }
}

fn by_outcome(outcome: Result<(), Error>) -> Finding {
    match outcome {
        Ok(()) => Finding::well(),
        Err(error) => {
            tracing::warn!(?error, "a check of health found a fault");
            Finding::ill("unavailable").telling(json!({"error": error.kind.label()}))
        }
    }
}
