//! Calls of every kind and uploads, on a stack of its own, and whether clients, books and metrics agree: `make load` (`docs/load.md`).
//! Ends with 0 if they do, with 1 if anything differs, and with 2 if it would have to leave this machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Parser;
use tests::load::{self, Progress, Wish};

/// Starts a local stack, sends calls of every kind and uploads through it, and compares what clients saw, what the books say and what the
/// metrics say, to the token and to the picodollar. Nothing but the loopback interface is asked.
#[derive(Parser)]
#[command(name = "load")]
struct Arguments {
    /// How many calls, of all kinds together; a round of all kinds is 50.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = up_to(1_000_000))]
    calls: usize,
    /// How many files: four in a row by a form, the fifth in parts.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = up_to(10_000))]
    uploads: usize,
    /// So many calls, and so many uploads, at the same time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = up_to(256))]
    at_once: usize,
    /// How many environments each function has.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = up_to(100))]
    environments: usize,
    /// After so many seconds no more calls begin, and the load has failed.
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = up_to(86_400))]
    seconds: usize,
    /// Takes tables, buckets and secrets there (LocalStack, ministack), which must be on loopback.
    #[arg(long, value_name = "URL")]
    aws_endpoint: Option<String>,
    /// Writes the report here too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Calls the mock so often past the gateway, which the report must find. For tests.
    #[arg(long, value_name = "N", default_value_t = 0, hide = true)]
    past_the_gateway: usize,
}

/// A count within bounds: a load that nobody means is not begun.
fn up_to(most: u64) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    move |text| match text.parse::<usize>() {
        Ok(count) if (count as u64) <= most => Ok(count),
        _ => Err(format!("it must be a number up to {most}")),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let wish = Wish {
        calls: arguments.calls,
        uploads: arguments.uploads,
        at_once: arguments.at_once.max(1),
        environments: arguments.environments.max(1),
        within: Duration::from_secs(arguments.seconds as u64),
        aws_endpoint: arguments.aws_endpoint.clone(),
        past_the_gateway: arguments.past_the_gateway,
    };
    let progress = Arc::<Progress>::default();
    let telling = tokio::spawn(tell(wish.clone(), Arc::clone(&progress)));
    let evidence = load::run(&wish, &progress).await;
    telling.abort();
    let report = match evidence {
        Ok(evidence) => evidence.report(),
        Err(load::Elsewhere(url)) => {
            eprintln!("load: {url} is not on the loopback interface of this machine");
            return ExitCode::from(2);
        }
    };
    println!("{report}");
    if let Some(file) = arguments.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report).unwrap()).unwrap();
    }
    ExitCode::from(u8::from(!report.agrees))
}

/// Says once in a while how far it is: on a terminal every second on one line, elsewhere every ten.
async fn tell(wish: Wish, progress: Arc<Progress>) {
    let (began, terminal) = (Instant::now(), std::io::stderr().is_terminal());
    let mut ticks = tokio::time::interval(Duration::from_secs(if terminal { 1 } else { 10 }));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let (calls, uploads) = (
            progress.calls.load(Ordering::Relaxed),
            progress.uploads.load(Ordering::Relaxed),
        );
        let seconds = began.elapsed().as_secs();
        let end = if terminal { "\r" } else { "\n" };
        eprint!(
            "load: {calls} of {} calls, {uploads} of {} uploads, {seconds} s   {end}",
            wish.calls, wish.uploads
        );
        if (calls, uploads) == (wish.calls, wish.uploads) {
            eprintln!("load: all are answered; now everybody who counts is asked");
            return;
        }
    }
}
