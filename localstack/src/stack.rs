//! Everything together: what the template describes, started, bootstrapped and announced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gateway::clock::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::aws::{self, Endpoints};
use crate::bedrock;
use crate::bootstrap::bootstrap;
use crate::data::Data;
use crate::entrances::Entrances;
use crate::error::{Context, Error, Result};
use crate::gateway::{Gateway, Limits, Log};
use crate::invocation_log;
use crate::lambda::{self, Host, Lambda, Watch};
use crate::privileges::Privileges;
use crate::ready::Ready;
use crate::schedules;
use crate::template::{Template, Values};

/// What `local up` is asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The template.
    pub template: PathBuf,
    /// The folder with the functions' binaries.
    pub binaries: PathBuf,
    /// The `local` program, through which functions are started so that they die with it.
    pub launcher: Option<PathBuf>,
    /// The gateway's port; 0 is any free one. TLS takes the next one, mutual TLS the one after that, or any free ones.
    pub port: u16,
    /// Where to tell what runs where.
    pub ready_file: Option<PathBuf>,
    /// Environments of each function.
    pub environments: usize,
    /// How long authorizers' answers are kept, in seconds, in place of what the template says.
    pub authorizer_ttl_seconds: Option<u64>,
    /// What tells how long authorizers' answers have been kept.
    pub clock: Clock,
    /// The period of all schedules, in seconds, in place of what the template says; 0 switches them off.
    pub schedule_seconds: Option<u64>,
    /// The template's parameter `Login`, in place of its default.
    pub login: Option<String>,
    /// Other parameters of the template, in place of their defaults.
    pub parameters: BTreeMap<String, String>,
    /// Whether the mock writes Bedrock's invocation log, and the template is told where.
    pub invocation_log: bool,
    /// Where state is kept; without it, in a folder that is removed at the end.
    pub data: Option<PathBuf>,
    /// Whether to serve TLS too.
    pub tls: bool,
    /// The truststore of a domain with mutual TLS, if there is to be one.
    pub mutual_tls: Option<PathBuf>,
    /// Bedrock Runtime in place of the mock.
    pub bedrock: Option<String>,
    /// AWS in place of the embedded DynamoDB, S3 and Secrets Manager.
    pub aws_endpoint: Option<String>,
    /// `cargo lambda watch` in place of hosting the functions.
    pub lambda: Option<String>,
    /// The gateway's limits.
    pub limits: Limits,
}

impl Options {
    /// Somebody else's Bedrock writes its log wherever its account says.
    fn has_invocation_log(&self) -> bool {
        self.invocation_log && self.bedrock.is_none()
    }

    /// What functions are held to. `cargo lambda watch` gives all of them the same variables, so nobody can tell who calls, and
    /// somebody else's AWS knows nothing of their roles.
    fn privileges(&self) -> Option<Privileges> {
        (self.lambda.is_none() && self.aws_endpoint.is_none()).then(Privileges::default)
    }
}

/// The parameter that says who may sign in, and how.
const LOGIN_PARAMETER: &str = "Login";
/// The table of the ready file, and of the first keys.
const TABLE: &str = "Table";

/// A running stack.
#[derive(Debug)]
pub struct Stack {
    ready: Ready,
    lambda: Lambda,
    host: Option<Host>,
    endpoints: Endpoints,
    mock: Option<bedrock::Mock>,
    tasks: Vec<JoinHandle<()>>,
    _data: Data,
}

impl Stack {
    /// Starts everything; when this returns, all of it answers and the ready file is written. With `--lambda` the functions
    /// are not waited for: they need the file of variables that is named there.
    ///
    /// # Errors
    /// If any part does not start; nothing is left running then.
    pub async fn start(options: &Options) -> Result<Self> {
        let data = Data::open(options.data.as_deref())?;
        if let Some(file) = &options.ready_file {
            // What an earlier stack left there would be taken for this one's.
            let _ = std::fs::remove_file(file);
        }
        let entrances = Entrances::open(options).await?;
        let mut values = Values {
            parameters: entrances.parameters(),
            ..Values::default()
        };
        values.parameters.extend(options.parameters.clone());
        let login = options.login.clone();
        values
            .parameters
            .extend(login.map(|login| (LOGIN_PARAMETER.to_owned(), login)));
        if options.has_invocation_log() {
            values.parameters.extend(invocation_log::parameters());
        }
        let declared = Template::read(&options.template, &values)?;
        let privileges = options.privileges();
        let endpoints = Box::pin(start_aws(options, &data.path, &declared, privileges.as_ref())).await?;
        let mock = start_bedrock(options, &endpoints, privileges.as_ref()).await?;
        // Secrets have their ARNs only now, and functions are told ARNs.
        values.secret_arns.clone_from(&endpoints.secret_arns);
        let template = Template::read(&options.template, &values)?;
        let table = template
            .table_name(TABLE)
            .ok_or_else(|| Error::new(format!("the template has no table {TABLE}")))?;
        let keys = bootstrap(&endpoints, table, &data.path).await?;
        if let Some(privileges) = &privileges {
            privileges.enforce(&template.functions, Some(&data.logs));
        }
        let bedrock = options
            .bedrock
            .clone()
            .or_else(|| mock.as_ref().map(|mock| mock.url.clone()))
            .unwrap_or_default();
        let mut ready = Ready {
            logs: data.logs.clone(),
            gateway: entrances.gateway.url.clone(),
            api_key: keys.api_key,
            admin_key: keys.admin_key,
            bedrock,
            dynamodb: endpoints.dynamodb.clone(),
            s3: endpoints.s3.clone(),
            secretsmanager: endpoints.secretsmanager.clone(),
            table: table.to_owned(),
            invocation_log_bucket: options.has_invocation_log().then(|| invocation_log::BUCKET.to_owned()),
            ..Ready::default()
        };
        let reached = Reached {
            dynamodb: &endpoints.functions_dynamodb,
            privileges,
        };
        let (lambda, host) = start_lambda(options, &data, &template, reached, &mut ready).await?;
        let log = Log::open(&data.logs.join("gateway.log"))?;
        let mut tasks = schedules::start(&template.schedules, options.schedule_seconds, &lambda, &log);
        let gateway = Gateway::new(
            template.api,
            lambda.clone(),
            options.authorizer_ttl_seconds,
            options.clock.clone(),
            options.limits,
            log,
        );
        tasks.extend(entrances.serve(options, &data.path, &gateway, &mut ready)?);
        let mut stack = Self {
            ready,
            lambda,
            host,
            endpoints,
            mock,
            tasks,
            _data: data,
        };
        stack.announce(options.ready_file.as_deref())?;
        Ok(stack)
    }

    /// What runs where.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Where the functions run.
    #[must_use]
    pub fn lambda(&self) -> &Lambda {
        &self.lambda
    }

    /// Writes the ready file now, and again whenever a process of a function starts or ends.
    fn announce(&mut self, path: Option<&Path>) -> Result<()> {
        if let Some(host) = &self.host {
            self.ready.functions.clone_from(&host.processes().borrow());
        }
        let Some(path) = path else { return Ok(()) };
        self.ready.write(path)?;
        if let Some(host) = &self.host {
            let task = rewrite(self.ready.clone(), path.to_owned(), host.processes());
            self.tasks.push(tokio::spawn(task));
        }
        Ok(())
    }

    /// Ends everything: first the gateway takes nothing new, then the functions end, then what they use.
    pub async fn stop(self) {
        for task in &self.tasks {
            task.abort();
        }
        if let Some(host) = &self.host {
            host.shutdown().await;
        }
        if let Some(mock) = self.mock {
            mock.stop().await;
        }
        self.endpoints.stop().await;
    }
}

async fn rewrite(mut ready: Ready, path: PathBuf, mut processes: watch::Receiver<lambda::Processes>) {
    while processes.changed().await.is_ok() {
        ready.functions.clone_from(&processes.borrow_and_update());
        // The file may be gone with the folder it was in, when whoever wanted it has ended; the next change tries again.
        let _ = ready.write(&path);
    }
}

async fn start_aws(
    options: &Options,
    data: &Path,
    template: &Template,
    privileges: Option<&Privileges>,
) -> Result<Endpoints> {
    let mut buckets = template.buckets.clone();
    buckets.extend(options.has_invocation_log().then(|| invocation_log::BUCKET.to_owned()));
    let options = aws::Options {
        data: data.to_owned(),
        aws_endpoint: options.aws_endpoint.clone(),
        privileges: privileges.cloned(),
    };
    let secrets = template
        .secrets
        .iter()
        .map(|secret| (secret.name.clone(), secret.value.clone()));
    let resources = aws::Resources {
        tables: template.tables.iter().map(|table| table.definition.clone()).collect(),
        buckets,
        secrets: secrets.collect(),
    };
    aws::start(&options, &resources)
        .await
        .doing("starting DynamoDB, S3 and Secrets Manager")
}

async fn start_bedrock(
    options: &Options,
    endpoints: &Endpoints,
    privileges: Option<&Privileges>,
) -> Result<Option<bedrock::Mock>> {
    if options.bedrock.is_some() {
        return Ok(None);
    }
    let log = options.has_invocation_log();
    let mock = bedrock::Options {
        invocation_log: log.then(|| invocation_log::options(&endpoints.s3)),
        privileges: privileges.cloned().unwrap_or_default(),
        ..bedrock::Options::default()
    };
    bedrock::start_with(mock)
        .await
        .doing("starting the Bedrock mock")
        .map(Some)
}

/// How functions reach the table, and what they are held to.
struct Reached<'a> {
    dynamodb: &'a str,
    privileges: Option<Privileges>,
}

async fn start_lambda(
    options: &Options,
    data: &Data,
    template: &Template,
    reached: Reached<'_>,
    ready: &mut Ready,
) -> Result<(Lambda, Option<Host>)> {
    let variables = lambda::shared_variables(&[
        ("BEDROCK_RUNTIME", &ready.bedrock),
        ("DYNAMODB", reached.dynamodb),
        ("S3", &ready.s3),
        ("SECRETS_MANAGER", &ready.secretsmanager),
    ]);
    if let Some(url) = &options.lambda {
        let file = data.path.join("functions.env");
        let content = lambda::dotenv(&template.functions, &variables);
        std::fs::write(&file, content).doing(format!("writing {}", file.display()))?;
        ready.env_file = Some(file);
        ready.lambda.clone_from(url);
        return Ok((Lambda::Watched(Watch::new(url, &template.functions)?), None));
    }
    let options = lambda::Options {
        binaries: options.binaries.clone(),
        launcher: options.launcher.clone(),
        logs: data.logs.clone(),
        environments: options.environments,
        variables,
        privileges: reached.privileges,
    };
    let host = Host::start(&template.functions, &options).await?;
    ready.lambda = host.url().to_owned();
    Ok((Lambda::Hosted(host.clone()), Some(host)))
}
