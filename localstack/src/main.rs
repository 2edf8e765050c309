//! `local`: the gateway and the AWS it needs, on this machine.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use localstack::gateway::Limits;
use localstack::stack::{Options, Stack};
use localstack::{Error, Result, lambda, pace};
use tokio::signal::unix::{SignalKind, signal};

/// The embedded services make and drop a great many small things: with the system's allocator that is an eighth of their time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "The gateway and the AWS it needs, on this machine.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts everything that template.yaml describes, on the loopback interface, and runs until SIGTERM or SIGINT.
    Up(Box<Up>),
    /// Becomes a function's process that dies with its parent. For this program itself.
    #[command(hide = true)]
    RunFunction { parent: u32, program: PathBuf },
}

#[derive(Args)]
struct Up {
    /// The gateway's port [default: any free one]; with --tls the next port is used too, with --mutual-tls the one after that.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Where to write, as JSON, what runs where once everything is ready.
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
    /// How many environments each function has; each serves one request at a time.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100))]
    environments: u16,
    /// Keeps the authorizer's answers so long, whatever the template says; 0 keeps none.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3600))]
    authorizer_ttl: Option<u64>,
    /// Invokes scheduled functions this often, whatever the template says; 0 never does.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=86_400))]
    schedule_seconds: Option<u64>,
    /// Takes the template's parameter `Login` (identity providers and clients) from this file of JSON.
    #[arg(long, value_name = "PATH")]
    login: Option<PathBuf>,
    /// Gives the template's parameter of this name a value. What the template forbids it to be it may be here. Can be repeated.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// Writes no invocation log of the mock's calls, as if the account had none.
    #[arg(long)]
    no_invocation_log: bool,
    /// Keeps state here across restarts [default: a new folder, removed at the end].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Serves the gateway over TLS too, under a certificate authority of the data folder's own.
    #[arg(long)]
    tls: bool,
    /// Serves the gateway over mutual TLS, to clients with a certificate that leads to one of this file's (PEM). The template is told of
    /// the domain, and switches the plain port off.
    #[arg(long, value_name = "TRUSTSTORE")]
    mutual_tls: Option<PathBuf>,
    /// Uses this Bedrock Runtime instead of the mock.
    #[arg(long, value_name = "URL")]
    bedrock: Option<String>,
    /// Uses this DynamoDB, S3 and Secrets Manager instead of the embedded ones.
    #[arg(long, value_name = "URL")]
    aws_endpoint: Option<String>,
    /// Uses the functions that `cargo lambda watch` serves there instead of starting them.
    #[arg(long, value_name = "URL")]
    lambda: Option<String>,
    /// Runs release builds of the functions.
    #[arg(long)]
    release: bool,
    /// Goes by the clock that this file sets, where authorizers' answers are kept. For tests.
    #[arg(long, value_name = "PATH", hide = true)]
    clock: Option<PathBuf>,
    /// The template.
    #[arg(long, value_name = "PATH", hide = true)]
    template: Option<PathBuf>,
    /// The folder with the functions' binaries.
    #[arg(long, value_name = "DIR", hide = true)]
    binaries: Option<PathBuf>,
}

fn parameter(text: &str) -> std::result::Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("it must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::RunFunction { parent, program } => Err(lambda::run_function(parent, &program).into()),
        Command::Up(up) => run(*up),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(up: Up) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(up))
}

async fn serve(up: Up) -> Result<()> {
    let started = Instant::now();
    // Listening for signals comes first: one that comes while parts are starting must end those too.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let options = options(up)?;
    let stack = tokio::select! {
        stack = Stack::start(&options) => stack?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    tell(&stack, &options, started);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    say("stopping");
    stack.stop().await;
    Ok(())
}

fn tell(stack: &Stack, options: &Options, started: Instant) {
    let ready = stack.ready();
    say(&format!("gateway      {}", ready.gateway));
    if let (Some(gateway), Some(ca)) = (&ready.gateway_tls, &ready.ca) {
        say(&format!("over TLS     {gateway} (authority: {})", ca.display()));
    }
    if let (Some(gateway), Some(ca)) = (&ready.gateway_mutual_tls, &ready.ca) {
        say(&format!("mutual TLS   {gateway} (authority: {})", ca.display()));
    }
    say(&format!("bedrock      {}", ready.bedrock));
    if let Some(file) = &ready.env_file {
        let command = format!("cargo lambda watch --disable-cors --env-file {}", file.display());
        say(&format!("waiting for  {command} at {}", ready.lambda));
    }
    say(&format!("logs         {}", ready.logs.display()));
    if let Some(file) = &options.ready_file {
        say(&format!("ready file   {}", file.display()));
    }
    say(&format!("ready after  {} ms", started.elapsed().as_millis()));
}

fn options(up: Up) -> Result<Options> {
    let program = std::env::current_exe()?;
    Ok(Options {
        template: up.template.map_or_else(find_template, Ok)?,
        binaries: up.binaries.map_or_else(|| find_binaries(&program, up.release), Ok)?,
        launcher: Some(program),
        port: up.port,
        ready_file: up.ready_file,
        environments: usize::from(up.environments),
        authorizer_ttl_seconds: up.authorizer_ttl,
        clock: up.clock.map(pace::clock).unwrap_or_default(),
        schedule_seconds: up.schedule_seconds,
        invocation_log: !up.no_invocation_log,
        login: up.login.map(std::fs::read_to_string).transpose()?,
        parameters: up.parameters.into_iter().collect(),
        data: up.data,
        tls: up.tls,
        mutual_tls: up.mutual_tls,
        bedrock: up.bedrock,
        aws_endpoint: up.aws_endpoint,
        lambda: up.lambda,
        limits: Limits::default(),
    })
}

/// Tells the developer. Nobody listening any more is no reason to end.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "local: {line}");
}

/// `template.yaml` here or in the nearest folder above.
fn find_template() -> Result<PathBuf> {
    let here = std::env::current_dir()?;
    let mut candidates = here.ancestors().map(|folder| folder.join("template.yaml"));
    let found = candidates.find(|template| template.is_file());
    found.ok_or_else(|| Error::new(format!("there is no template.yaml in {} or above it", here.display())))
}

/// The functions are built where this program is: in the target folder's `debug` or `release`.
fn find_binaries(program: &std::path::Path, release: bool) -> Result<PathBuf> {
    let own = program
        .parent()
        .ok_or_else(|| Error::new("this program is in no folder"))?;
    Ok(if release {
        own.with_file_name("release")
    } else {
        own.to_owned()
    })
}
