//! A load of every kind of call and of uploads, on a stack of its own, and whether everybody who counts says the same of it: the clients, by
//! what they were answered; the usage rows, the budgets and the list of files; the mock's ledger, which is the bill; `GET /metrics`; and the
//! functions' metric lines. `make load` runs it (`docs/load.md`).

mod books;
mod call;
mod cast;
mod compare;
mod comparison;
mod differences;
mod evidence;
mod form;
mod kind;
mod matched;
mod reading;
mod report;
mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};

use crate::local::Stack;
use crate::samples::Samples;

pub use books::{Books, Budget, Rates};
pub use call::Seen;
pub use cast::Counts;
pub use comparison::{Comparison, Source};
pub use evidence::{Change, Evidence};
pub use form::Form;
pub use kind::{Fate, Kind};
pub use report::Report;
pub use upload::{Stored, Way};

use cast::Cast;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Calls of every kind.
    pub calls: usize,
    /// Files.
    pub uploads: usize,
    /// Calls at once, and uploads at once.
    pub at_once: usize,
    /// Environments of each function.
    pub environments: usize,
    /// After this no more calls and uploads begin.
    pub within: Duration,
    /// Tables, buckets and secrets that are not the stack's own.
    pub aws_endpoint: Option<String>,
    /// Calls that go to the mock by themselves, so that its ledger holds what nobody else knows of.
    pub past_the_gateway: usize,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            calls: 10_000,
            uploads: 100,
            at_once: 16,
            environments: 4,
            within: Duration::from_secs(1800),
            aws_endpoint: None,
            past_the_gateway: 0,
        }
    }
}

/// How far it is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Calls that were answered.
    pub calls: AtomicUsize,
    /// Uploads that are done.
    pub uploads: AtomicUsize,
}

/// An address that is not on this machine's loopback interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere(pub String);

/// Whether a URL leads nowhere but to this machine.
///
/// # Errors
/// When it leads elsewhere, or is none.
pub fn on_loopback(url: &str) -> Result<(), Elsewhere> {
    let parsed = reqwest::Url::parse(url).map_err(|_| Elsewhere(url.to_owned()))?;
    let host = parsed.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    match address {
        Ok(address) if address.is_loopback() => Ok(()),
        _ => Err(Elsewhere(url.to_owned())),
    }
}

/// Starts a stack, loads it, and gathers what everybody says.
///
/// # Errors
/// When anything would be asked that is not on loopback; nothing was asked then.
pub async fn run(wish: &Wish, progress: &Arc<Progress>) -> Result<Evidence, Elsewhere> {
    wish.aws_endpoint.as_deref().map_or(Ok(()), on_loopback)?;
    let stack = started(wish).await;
    let ready = stack.ready();
    for url in [
        &ready.gateway,
        &ready.bedrock,
        &ready.lambda,
        &ready.dynamodb,
        &ready.s3,
    ] {
        on_loopback(url)?;
    }
    let cast = Arc::new(Cast::of(&stack).await);
    let spent_before = books::budgets(&cast).await;
    let before = (
        Samples::of_gateway(cast.scraper.uncounted()).await,
        Samples::of_lines(&stack).await,
    );
    let began = Instant::now();
    let (seen, stored) = tokio::join!(calls(wish, &cast, progress), uploads(wish, &cast, progress));
    let took = began.elapsed();
    books::past_the_gateway(&stack, wish.past_the_gateway).await;
    books::sweep(&stack).await;
    // This scrape is a request as others are; the one before the load has counted itself when it was answered.
    let told = Samples::of(&cast.scraper.get("/metrics").await);
    let lines = Samples::of_lines(&stack).await;
    let counts = cast.counts();
    let books = Books::of(&stack, &cast, &spent_before).await;
    Ok(Evidence {
        wished: (wish.calls, wish.uploads),
        took,
        seen,
        stored,
        counts,
        books,
        told: Change::new(before.0, told),
        lines: Change::new(before.1, lines),
    })
}

async fn started(wish: &Wish) -> Stack {
    let environments = wish.environments.to_string();
    let mut arguments = vec!["--environments", &environments, "--parameter", "MetricsFlushSeconds=0"];
    if !cfg!(debug_assertions) {
        arguments.push("--release");
    }
    if let Some(endpoint) = &wish.aws_endpoint {
        arguments.extend(["--aws-endpoint", endpoint]);
    }
    Stack::start(&arguments).await
}

async fn calls(wish: &Wish, cast: &Arc<Cast>, progress: &Progress) -> Vec<Seen> {
    let call = |number| call::make(number, Arc::clone(cast));
    each(wish, wish.calls, &progress.calls, call, Seen::broken).await
}

async fn uploads(wish: &Wish, cast: &Arc<Cast>, progress: &Progress) -> Vec<Stored> {
    let upload = |number| upload::make(number, Arc::clone(cast));
    each(wish, wish.uploads, &progress.uploads, upload, Stored::broken).await
}

/// Makes so many, some at once and each in a task of its own, until the time is over. One that panics is broken.
async fn each<T, F>(
    wish: &Wish,
    count: usize,
    done: &AtomicUsize,
    make: impl Fn(usize) -> F,
    broken: fn(usize, &str) -> T,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let until = Instant::now() + wish.within;
    let one = async |number: usize| {
        if Instant::now() > until {
            return None;
        }
        let made = tokio::spawn(make(number)).await;
        done.fetch_add(1, Ordering::Relaxed);
        Some(made.unwrap_or_else(|error| broken(number, &error.to_string())))
    };
    let all = stream::iter(0..count).map(one).buffer_unordered(wish.at_once);
    all.filter_map(async |made| made).collect().await
}
