//! What the functions stand on: the embedded AWS with the template's resources, the fixtures in it, and the Bedrock mock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aws_sdk_s3::Client as S3;
use gateway::aws::Aws;
use gateway::config::Variables;
use gateway::objects::Objects;
use gateway::store::Store;
use localstack::aws::{self, Endpoints, Resources, sdk_config};
use localstack::bedrock::{self, Mock};
use localstack::invocation_log;
use localstack::lambda::{dotenv, shared_variables};
use localstack::privileges::{Privileges, access_key_id};
use localstack::template::{Template, Values};
use tempfile::TempDir;

use crate::fixtures;
use crate::unreliable::Unreliable;

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What a backing is to have besides the usual.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Whether the functions reach the table by way of [`Unreliable`]. A test's own [`Backing::store`] does not.
    pub unreliable_table: bool,
    /// Whether the mock writes its invocation log, and the functions are told where.
    pub invocation_log: bool,
}

/// Variables by which a test names what rights are given to by the template's parameters, which it does not set. Functions that are given
/// one of them are held to nothing.
const OF_PARAMETERS: [&str; 6] = [
    "TOLLGATE_ALERT_WEBHOOK_SECRET",
    "TOLLGATE_CACHE_REDIS_SECRET",
    "TOLLGATE_INVOCATION_LOG_BUCKET",
    "TOLLGATE_SETTINGS",
    "TOLLGATE_SIGNING_SECRET",
    "TOLLGATE_STORAGE_SERVICE_TOKEN_CLIENT_SECRET_NAME",
];

/// A running AWS and Bedrock with the fixtures planted. Dropping it stops both. Functions may do what their roles allow, and nobody may have
/// asked for anything else when it is dropped.
pub struct Backing {
    /// Bedrock.
    pub mock: Mock,
    /// The template, with names and ARNs filled in.
    pub template: Template,
    unreliable: Option<Unreliable>,
    endpoints: Endpoints,
    privileges: Privileges,
    data: TempDir,
}

impl Backing {
    /// Starts all, with the template's resources and the fixtures of [`fixtures::plant`].
    pub async fn start() -> Self {
        Self::start_with(&Setup::default()).await
    }

    /// The same, with what `setup` asks for.
    pub async fn start_with(setup: &Setup) -> Self {
        let data = tempfile::Builder::new().prefix("tollgate-tests-").tempdir().unwrap();
        let mut values = Values {
            parameters: BTreeMap::from([("Issuer".to_owned(), fixtures::ISSUER.to_owned())]),
            ..Values::default()
        };
        if setup.invocation_log {
            let told = invocation_log::PARAMETERS.map(|(name, value)| (name.to_owned(), value.to_owned()));
            values.parameters.extend(told);
        }
        let mut declared = template(&values);
        declared
            .buckets
            .extend(setup.invocation_log.then(|| invocation_log::BUCKET.to_owned()));
        let secrets = declared.secrets.iter();
        let resources = Resources {
            tables: declared.tables.iter().map(|table| table.definition.clone()).collect(),
            buckets: declared.buckets.clone(),
            secrets: secrets
                .map(|secret| (secret.name.clone(), fixtures::SIGNING_SECRET.to_owned()))
                .collect(),
        };
        let privileges = Privileges::default();
        let options = aws::Options {
            data: data.path().to_owned(),
            aws_endpoint: None,
            privileges: None,
        };
        let endpoints = Box::pin(aws::start(&options, &resources)).await.unwrap();
        let mock = bedrock::start_with(bedrock::Options {
            invocation_log: setup.invocation_log.then(|| invocation_log::options(&endpoints.s3)),
            privileges: privileges.clone(),
            ..bedrock::Options::default()
        });
        values.secret_arns.clone_from(&endpoints.secret_arns);
        let unreliable = match setup.unreliable_table {
            true => Some(Unreliable::before(&endpoints).await),
            false => None,
        };
        let backing = Self {
            mock: mock.await.unwrap(),
            template: template(&values),
            unreliable,
            endpoints,
            privileges,
            data,
        };
        backing.privileges.enforce(&backing.template.functions, None);
        Box::pin(fixtures::plant(&backing.store(), &backing.objects())).await;
        backing
    }

    /// What stands between the functions and the table, if the setup asked for it.
    pub fn unreliable(&self) -> Option<&Unreliable> {
        self.unreliable.as_ref()
    }

    /// The table, reached as a function reaches it, but always directly.
    pub fn store(&self) -> Store {
        let direct = ("AWS_ENDPOINT_URL_DYNAMODB", &*self.endpoints.dynamodb);
        let variables = self.variables("admin", &[direct]);
        let table = variables.table().unwrap();
        Store::new(Aws::from_environment(variables).unwrap().dynamodb(), table)
    }

    /// S3, past the functions: the invocation log is in [`invocation_log::BUCKET`].
    pub fn s3(&self) -> S3 {
        let config = aws_sdk_s3::config::Builder::from(&sdk_config(false)).endpoint_url(&self.endpoints.s3);
        S3::from_conf(config.force_path_style(true).build())
    }

    /// The bucket of files.
    pub fn bucket(&self) -> String {
        self.variables("upload", &[]).bucket().unwrap()
    }

    fn objects(&self) -> Objects {
        let variables = self.variables("upload", &[]);
        Objects::new(&Aws::from_environment(variables).unwrap(), self.bucket())
    }

    /// DynamoDB, always directly.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let direct = ("AWS_ENDPOINT_URL_DYNAMODB", &*self.endpoints.dynamodb);
        Aws::from_environment(self.variables("admin", &[direct]))
            .unwrap()
            .dynamodb()
    }

    /// A function's environment: the template's variables and the local ones, some of them replaced. Who goes by it may do everything.
    pub fn variables(&self, function: &str, replaced: &[(&'static str, &str)]) -> Variables {
        given(self.environment(function, &self.endpoints.dynamodb), replaced)
    }

    /// The same for the function itself, which may do what its role allows, unless it is told of what the role cannot know.
    pub fn held_variables(&self, function: &str, replaced: &[(&'static str, &str)]) -> Variables {
        if replaced.iter().any(|(name, _)| OF_PARAMETERS.contains(name)) {
            return self.variables(function, replaced);
        }
        let mut all = self.environment(function, &self.endpoints.functions_dynamodb);
        all.insert("AWS_ACCESS_KEY_ID".to_owned(), access_key_id(function));
        given(all, replaced)
    }

    fn environment(&self, function: &str, table: &str) -> BTreeMap<String, String> {
        let function = self.template.functions.iter().find(|it| it.name == function).unwrap();
        let mut all = self.shared_variables(table);
        all.extend(function.environment.clone());
        all
    }

    /// A folder for files of a test, which goes when this is dropped.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// A file for `cargo lambda watch --env-file`, which gives every function the same.
    pub fn env_file(&self) -> PathBuf {
        let path = self.data().join("functions.env");
        std::fs::write(
            &path,
            dotenv(
                &self.template.functions,
                &self.shared_variables(&self.endpoints.dynamodb),
            ),
        )
        .unwrap();
        path
    }

    fn shared_variables(&self, table: &str) -> BTreeMap<String, String> {
        let table = self.unreliable.as_ref().map_or(table, |proxy| &proxy.url);
        shared_variables(&[
            ("BEDROCK_RUNTIME", &self.mock.url),
            ("DYNAMODB", table),
            ("S3", &self.endpoints.s3),
            ("SECRETS_MANAGER", &self.endpoints.secretsmanager),
        ])
    }
}

fn given(mut all: BTreeMap<String, String>, replaced: &[(&'static str, &str)]) -> Variables {
    for (name, value) in replaced {
        all.insert((*name).to_owned(), (*value).to_owned());
    }
    Variables::Given(all.into_iter().map(|(name, value)| (&*name.leak(), value)).collect())
}

impl Drop for Backing {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let denied = self.privileges.report().denied;
            assert!(denied.is_empty(), "asked for, and no role allows it: {denied:#?}");
        }
    }
}

fn template(values: &Values) -> Template {
    Template::read(&root().join("template.yaml"), values).unwrap()
}

/// A URL at which nothing listens: what is down.
pub fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
