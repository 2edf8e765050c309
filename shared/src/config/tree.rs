//! Every setting that there is, each declared once: `docs/configuration.md`, the check of a file and what functions read are made of
//! this. A setting that is not here cannot be set.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use tracing_subscriber::filter::LevelFilter;

use super::Issuer;
use super::setting::{Declared, Function, Kind, Need, Setting};
use super::values::{BackendKind, HttpUrl, LoginText, RedisUrl, Region, Source, TrustedText};
use crate::jwt::KeyAlgorithm;
use crate::model::ApplicationProfiles;
use crate::price::Guardrails;
use crate::tls::MinimumVersion;
use crate::token_client::{Endpoint, Way};
use crate::upstream::config::{self as upstream, Order, Routes, Targets, ToldList};

use Function::{Admin, Authorizer, Invoke, Stream, Sweep, Token, Upload};
use Kind::{Flag, List, OneOf, Text, Whole};
use Need::{Default, Optional, Required, Unless, When, With};

const EVERY: &[Function] = &Function::ALL;
const MODELS: &[Function] = &[Invoke, Stream];
const TOKENS: &[Function] = &[Token, Authorizer];
/// Who must know of the targets of model calls.
const UPSTREAM: &[Function] = &[Invoke, Stream, Sweep];
const FILES: &[Function] = &[Invoke, Stream, Upload, Admin, Sweep];
const CACHED: &[Function] = &[Token, Authorizer, Invoke, Stream, Admin];

/// Declares settings, and lists them in their order.
macro_rules! settings {
    ($($(#[doc = $about:literal])+ $name:ident: $type:ty = $path:literal $(as $variable:literal)?, $kind:expr, $need:expr, $by:expr;)*) => {
        $(
            $(#[doc = $about])+
            pub static $name: Setting<$type> = Setting {
                declared: Declared {
                    path: $path,
                    named: settings!(@named $($variable)?),
                    kind: $kind,
                    need: $need,
                    read_by: $by,
                    about: concat!($($about),+),
                    fits: |text| text.parse::<$type>().is_ok(),
                },
                read: |text| text.parse::<$type>().ok(),
            };
        )*
        /// All of them.
        pub static ALL: &[&Declared] = &[$(&$name.declared),*];
    };
    (@named) => { None };
    (@named $variable:literal) => { Some($variable) };
}

const URL: &str = "an https:// URL without query, fragment or final slash (http:// on loopback)";
const SERVICE_URL: &str = "an https:// URL without user or query (http:// on loopback)";
const AWS_URL: &str = "an http:// or https:// URL without a user";
const SECRET: &str = "the name or ARN of a secret in Secrets Manager";
const PEM: &str = "the name of a PEM file";
const SUITES: &str = "names of cipher suites, for example TLS_AES_256_GCM_SHA384";
const BUCKET_NAME: &str = "the name of an S3 bucket";

settings! {
    /// What is logged: this level, and what is more urgent.
    LOG: LevelFilter = "log", OneOf(&["off", "error", "warn", "info", "debug", "trace"]), Default("info"), EVERY;
    /// The table.
    TABLE: String = "table", Text("the name of the DynamoDB table"), Required, EVERY;
    /// The bucket of files.
    BUCKET: String = "bucket", Text("the name of the S3 bucket"), Unless("storage.service.base_url"), FILES;
    /// The id of the AWS account, by which calls are found in Bedrock's invocation log.
    ACCOUNT: String = "account", Text("the id of the AWS account"), With("invocation_log.bucket"), &[Sweep];
    /// The issuer of access tokens. It is never made of what a request says of its host.
    ISSUER: Issuer = "issuer", Text(URL), Required, &[Token, Authorizer, Admin];
    /// Whom access tokens are for.
    AUDIENCE: String = "audience", Text("the audience of access tokens"), Required, TOKENS;
    /// Who may sign in, by which providers, for which clients: see login.md.
    LOGIN: LoginText = "login", Kind::Json("JSON with `clients`, `providers`, `users` and `directory`, with known members and known roles"), Optional, &[Token, Admin];
    /// The issuers whose tokens are accepted as they are: see api.md.
    TRUSTED_ISSUERS: TrustedText = "trusted_issuers", Kind::Json(crate::trusted::EXPECTED), Optional, &[Authorizer];
    /// Of local stacks alone: trusted issuers may be on this machine.
    TRUSTED_ISSUERS_LOOPBACK: String = "trusted_issuers_loopback", OneOf(&["1", "true"]), Optional, &[Authorizer];
    /// How long a signing key signs.
    KEY_ROTATION_DAYS: u16 = "key_rotation_days", Whole(1, 365, "whole days"), Default("30"), &[Sweep];
    /// So many live API keys an owner may have.
    API_KEYS_PER_OWNER: NonZeroU32 = "api_keys_per_owner", Whole(1, 100_000, "a whole number"), Default("25"), &[Admin];
    /// How long a call may take. After that its function is surely dead.
    CALL_SECONDS: u32 = "call_seconds", Whole(1, 900, "whole seconds"), Default("900"), MODELS;
    /// An answer that a budget shortens has at least so many tokens.
    LEAST_ANSWER_TOKENS: u32 = "least_answer_tokens", Whole(0, 1_000_000, "a whole number of tokens"), Default("256"), MODELS;
    /// How long usage rows are kept.
    USAGE_RETENTION_DAYS: u32 = "usage.retention_days", Whole(1, 36_500, "whole days"), Default("400"), &[Invoke, Stream, Sweep];
    /// After so long a silence an event stream says `ping`.
    SSE_PING_SECONDS: NonZeroU64 = "sse.ping_seconds", Whole(1, 240, "whole seconds"), Default("15"), MODELS;

    /// Application inference profiles that may be called, with what they run: see api.md.
    MODELS_APPLICATION_PROFILES: ApplicationProfiles = "models.application_profiles", List("ARN=MODEL with the ARN of a profile and the Bedrock id of its model"), Optional, MODELS;

    /// Guardrails that calls may name, with what each costs for a token of prompt or answer: see prices.md.
    MODELS_GUARDRAILS: Guardrails = "models.guardrails", List("GUARDRAIL=PICODOLLARS with an id or ARN, as calls name it, and a price a token"), Optional, MODELS;

    /// Where model calls go, in the order in which it is asked: see failover.md. Without it: the function's own region.
    UPSTREAM_TARGETS: Targets = "upstream.targets", Kind::Json(upstream::TARGETS), Optional, UPSTREAM;
    /// Which of the targets the calls of some models go to.
    UPSTREAM_ROUTES: Routes = "upstream.routes", Kind::Json(upstream::ROUTES), Optional, UPSTREAM;
    /// How targets are chosen for models that no route is for: the first that is well, or by weight and the same one for a conversation.
    UPSTREAM_ORDER: Order = "upstream.order", OneOf(&["first", "weight"]), Default("first"), MODELS;
    /// So many targets a call asks at the most.
    UPSTREAM_ATTEMPTS: u32 = "upstream.attempts", Whole(1, 10, "a whole number"), Default("3"), MODELS;
    /// Later than this after a call began no further target is asked.
    UPSTREAM_ATTEMPT_SECONDS: u64 = "upstream.attempt_seconds", Whole(0, 900, "whole seconds"), Default("60"), MODELS;
    /// How long the connection to a target may take.
    UPSTREAM_CONNECT_TIMEOUT_MILLISECONDS: u64 = "upstream.connect_timeout_milliseconds", Whole(100, 30_000, "whole milliseconds"), Default("5000"), MODELS;
    /// So long before its function is killed a call comes to its end.
    UPSTREAM_END_BEFORE_DEADLINE_MILLISECONDS: u64 = "upstream.end_before_deadline_milliseconds", Whole(100, 30_000, "whole milliseconds"), Default("1000"), MODELS;
    /// How long a target rests that was throttled or failed and does not say how long; doubled with each failure in a row.
    UPSTREAM_REST_SECONDS: u32 = "upstream.rest_seconds", Whole(1, 300, "whole seconds"), Default("2"), MODELS;
    /// No rest is longer.
    UPSTREAM_LONGEST_REST_SECONDS: u32 = "upstream.longest_rest_seconds", Whole(1, 3_600, "whole seconds"), Default("300"), MODELS;
    /// Whether a call whose answer was lost goes on to another target, though it may have been billed.
    UPSTREAM_REPEAT_LOST: bool = "upstream.repeat_lost", Flag, Default("false"), MODELS;
    /// What Bedrock is told of a call besides its id, for its own reports.
    UPSTREAM_METADATA: ToldList = "upstream.metadata", List("some of user, team, key, session"), Optional, MODELS;

    /// How often an environment adds what it has counted to the table, for `GET /metrics`: see metrics.md. 0 writes with every answer. Not set: never.
    METRICS_FLUSH_SECONDS: u32 = "metrics.flush_seconds", Whole(0, 3_600, "whole seconds"), Optional, EVERY;
    /// An OpenTelemetry collector that gets spans (OTLP over HTTP; `/v1/traces` is added): see metrics.md.
    OTLP_ENDPOINT: HttpUrl = "otlp.endpoint" as "OTEL_EXPORTER_OTLP_ENDPOINT", Text(AWS_URL), Optional, EVERY;

    /// The secret that the signing keys are in.
    SIGNING_SECRET: String = "signing.secret", Text("the name or ARN of the signing secret"), Required, &[Token, Authorizer, Sweep];
    /// What new signing keys are made for.
    SIGNING_ALGORITHM: KeyAlgorithm = "signing.algorithm", OneOf(&["EdDSA", "ES256", "RS256", "HS256"]), Default("EdDSA"), &[Token, Authorizer, Sweep];
    /// The domain that asks clients for a certificate, if there is one.
    MUTUAL_TLS_URL: Issuer = "mutual_tls.url", Text(URL), Optional, &[Token];

    /// The bucket of Bedrock's invocation log, if it is switched on.
    INVOCATION_LOG_BUCKET: String = "invocation_log.bucket", Text(BUCKET_NAME), Optional, &[Sweep];
    /// What the log's keys begin with.
    INVOCATION_LOG_PREFIX: String = "invocation_log.prefix", Text("the start of a key"), Optional, &[Sweep];
    /// So long after a call's end its record may still come.
    INVOCATION_LOG_GRACE_SECONDS: u32 = "invocation_log.grace_seconds", Whole(0, 86_400, "whole seconds"), Default("900"), &[Sweep];

    /// A bus of EventBridge that alerts of budgets go to.
    ALERT_BUS: String = "alert.bus", Text("the ARN or name of an event bus"), Optional, &[Sweep];
    /// A topic of SNS that they go to.
    ALERT_TOPIC: String = "alert.topic", Text("the ARN of a topic"), Optional, &[Sweep];
    /// A webhook that they go to.
    ALERT_WEBHOOK_URL: HttpUrl = "alert.webhook_url", Text("an https:// URL without user, whose host is no private address"), Optional, &[Sweep];
    /// The secret that the webhook's messages are signed with.
    ALERT_WEBHOOK_SECRET: String = "alert.webhook_secret", Text(SECRET), With("alert.webhook_url"), &[Sweep];
    /// Of local stacks alone: the webhook may be on this machine.
    ALERT_WEBHOOK_LOOPBACK: String = "alert.webhook_loopback", OneOf(&["1", "true"]), Optional, &[Sweep];

    /// What remembers lookups: see cache.md.
    CACHE_KIND: BackendKind = "cache.kind", OneOf(&["none", "memory", "redis"]), Default("none"), CACHED;
    /// So long an entry counts; entries whose lag is stated elsewhere never longer than that.
    CACHE_TTL_SECONDS: u32 = "cache.ttl_seconds", Whole(1, 300, "whole seconds"), Default("30"), CACHED;
    /// With Redis: so long an environment goes by what it has seen there, without asking again.
    CACHE_LOCAL_SECONDS: u32 = "cache.local_seconds", Whole(0, 30, "whole seconds"), Default("5"), CACHED;
    /// The most that an environment's own memory holds.
    CACHE_MEGABYTES: u64 = "cache.megabytes", Whole(1, 512, "whole megabytes"), Default("8"), CACHED;
    /// Where Redis is.
    CACHE_REDIS_URL: RedisUrl = "cache.redis.url", Text("rediss://HOST[:PORT][/DATABASE] without user or password (redis:// on loopback)"), When("cache.kind", "redis"), CACHED;
    /// The secret with `seal` (32 characters or more, by which entries are sealed) and, where Redis asks for them, `password` and `username`.
    CACHE_REDIS_SECRET: String = "cache.redis.secret", Text(SECRET), When("cache.kind", "redis"), CACHED;
    /// The authorities that Redis's certificate may come from. Without it: Amazon's.
    CACHE_REDIS_CA_FILE: PathBuf = "cache.redis.ca_file", Text(PEM), Optional, CACHED;
    /// How long Redis may take to answer, and to be connected to.
    CACHE_REDIS_TIMEOUT_MILLISECONDS: u64 = "cache.redis.timeout_milliseconds", Whole(5, 2_000, "whole milliseconds"), Default("100"), CACHED;
    /// So long it is not asked after it failed.
    CACHE_REDIS_PAUSE_SECONDS: u32 = "cache.redis.pause_seconds", Whole(1, 60, "whole seconds"), Default("5"), CACHED;

    /// So many bytes the files and open uploads of one owner may take up together.
    FILES_STORED_BYTES_PER_OWNER: u64 = "files.stored_bytes_per_owner", Whole(1, 1 << 60, "a whole number of bytes"), Default("107374182400"), &[Upload];
    /// So many uploads of one owner may be open.
    FILES_UPLOAD_SESSIONS_PER_OWNER: u32 = "files.upload_sessions_per_owner", Whole(1, 100_000, "a whole number"), Default("100"), &[Upload];

    /// A storage service for files, in the place of a bucket: see storage-service.md.
    STORAGE_SERVICE_BASE_URL: Endpoint = "storage.service.base_url", Text(SERVICE_URL), Optional, FILES;
    /// Whether TLS is spoken as configured here.
    STORAGE_SERVICE_TLS_ENABLED: bool = "storage.service.tls.enabled", Flag, Default("false"), FILES;
    /// The authorities that are trusted.
    STORAGE_SERVICE_TLS_CA_FILE: PathBuf = "storage.service.tls.ca_file", Text(PEM), Optional, FILES;
    /// Our certificate, and those that lead to its authority.
    STORAGE_SERVICE_TLS_CERTIFICATE_FILE: PathBuf = "storage.service.tls.certificate_file", Text(PEM), With("storage.service.tls.key_file"), FILES;
    /// The certificate's key.
    STORAGE_SERVICE_TLS_KEY_FILE: PathBuf = "storage.service.tls.key_file", Text(PEM), With("storage.service.tls.certificate_file"), FILES;
    /// The lowest version.
    STORAGE_SERVICE_TLS_MINIMUM_VERSION: MinimumVersion = "storage.service.tls.minimum_version", OneOf(&["1.2", "1.3"]), Default("1.2"), FILES;
    /// The suites that are offered. Empty: the library's own choice.
    STORAGE_SERVICE_TLS_CIPHER_SUITES: String = "storage.service.tls.cipher_suites", List(SUITES), Optional, FILES;
    /// Where its tokens are.
    STORAGE_SERVICE_TOKEN_BASE_URL: Endpoint = "storage.service.token.base_url", Text(SERVICE_URL), With("storage.service.base_url"), FILES;
    /// The path of the token endpoint.
    STORAGE_SERVICE_TOKEN_PATH: String = "storage.service.token.path", Text("a path"), Default("/api/v1/auth/token"), FILES;
    /// As whom tokens are asked for.
    STORAGE_SERVICE_TOKEN_CLIENT_ID: String = "storage.service.token.client_id", Text("the id of the client"), With("storage.service.token.base_url"), FILES;
    /// That client's secret.
    STORAGE_SERVICE_TOKEN_CLIENT_SECRET_NAME: String = "storage.service.token.client_secret_name", Text(SECRET), With("storage.service.token.base_url"), FILES;
    /// How the two are shown.
    STORAGE_SERVICE_TOKEN_WAY: Way = "storage.service.token.way", OneOf(&["json", "basic", "body"]), Default("json"), FILES;
    /// The scope that is asked for.
    STORAGE_SERVICE_TOKEN_SCOPE: String = "storage.service.token.scope", Text("scopes with spaces between them"), Optional, FILES;
    /// How long the token endpoint may take.
    STORAGE_SERVICE_TOKEN_TIMEOUT_SECONDS: u64 = "storage.service.token.timeout_seconds", Whole(1, 60, "whole seconds"), Default("10"), FILES;
    /// Whether TLS is spoken to it as configured here.
    STORAGE_SERVICE_TOKEN_TLS_ENABLED: bool = "storage.service.token.tls.enabled", Flag, Default("false"), FILES;
    /// The authorities that are trusted.
    STORAGE_SERVICE_TOKEN_TLS_CA_FILE: PathBuf = "storage.service.token.tls.ca_file", Text(PEM), Optional, FILES;
    /// Our certificate, and those that lead to its authority.
    STORAGE_SERVICE_TOKEN_TLS_CERTIFICATE_FILE: PathBuf = "storage.service.token.tls.certificate_file", Text(PEM), With("storage.service.token.tls.key_file"), FILES;
    /// The certificate's key.
    STORAGE_SERVICE_TOKEN_TLS_KEY_FILE: PathBuf = "storage.service.token.tls.key_file", Text(PEM), With("storage.service.token.tls.certificate_file"), FILES;
    /// The lowest version.
    STORAGE_SERVICE_TOKEN_TLS_MINIMUM_VERSION: MinimumVersion = "storage.service.token.tls.minimum_version", OneOf(&["1.2", "1.3"]), Default("1.2"), FILES;
    /// The suites that are offered. Empty: the library's own choice.
    STORAGE_SERVICE_TOKEN_TLS_CIPHER_SUITES: String = "storage.service.token.tls.cipher_suites", List(SUITES), Optional, FILES;

    /// Where all of AWS is, for a local stack.
    AWS_ENDPOINT_ALL: HttpUrl = "aws.endpoints.all" as "AWS_ENDPOINT_URL", Text(AWS_URL), Optional, EVERY;
    /// Where Bedrock is.
    AWS_ENDPOINT_BEDROCK_RUNTIME: HttpUrl = "aws.endpoints.bedrock_runtime" as "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", Text(AWS_URL), Optional, &[Invoke, Stream, Admin];
    /// Where the table is.
    AWS_ENDPOINT_DYNAMODB: HttpUrl = "aws.endpoints.dynamodb" as "AWS_ENDPOINT_URL_DYNAMODB", Text(AWS_URL), Optional, EVERY;
    /// Where the bus is.
    AWS_ENDPOINT_EVENTBRIDGE: HttpUrl = "aws.endpoints.eventbridge" as "AWS_ENDPOINT_URL_EVENTBRIDGE", Text(AWS_URL), Optional, &[Sweep];
    /// Where S3 is.
    AWS_ENDPOINT_S3: HttpUrl = "aws.endpoints.s3" as "AWS_ENDPOINT_URL_S3", Text(AWS_URL), Optional, FILES;
    /// Where Secrets Manager is.
    AWS_ENDPOINT_SECRETS_MANAGER: HttpUrl = "aws.endpoints.secrets_manager" as "AWS_ENDPOINT_URL_SECRETS_MANAGER", Text(AWS_URL), Optional, EVERY;
    /// Where the topic is.
    AWS_ENDPOINT_SNS: HttpUrl = "aws.endpoints.sns" as "AWS_ENDPOINT_URL_SNS", Text(AWS_URL), Optional, &[Sweep];
    /// The authorities that AWS's certificates may come from. Without it: Amazon's.
    AWS_CA_BUNDLE: PathBuf = "aws.ca_bundle" as "AWS_CA_BUNDLE", Text(PEM), Optional, EVERY;

    /// Where the file of settings is.
    SETTINGS: Source = "" as "TOLLGATE_SETTINGS", Text("a path, s3://BUCKET/KEY, or ssm:NAME"), Optional, EVERY;
    /// The region that everything is in. Lambda says so itself.
    AWS_REGION: Region = "" as "AWS_REGION", Text("the AWS region, for example us-east-1"), Required, EVERY;
    /// The id of the function's access key. Lambda says so itself, as what follows.
    AWS_ACCESS_KEY_ID: String = "" as "AWS_ACCESS_KEY_ID", Text("the id of the function's access key"), Required, EVERY;
    /// The function's secret access key.
    AWS_SECRET_ACCESS_KEY: String = "" as "AWS_SECRET_ACCESS_KEY", Text("the function's secret access key"), Required, EVERY;
    /// The token that belongs to the two.
    AWS_SESSION_TOKEN: String = "" as "AWS_SESSION_TOKEN", Text("a session token"), Optional, EVERY;
    /// Where the service is that gives credentials of roles, for a local stack.
    AWS_ENDPOINT_STS: HttpUrl = "" as "AWS_ENDPOINT_URL_STS", Text(AWS_URL), Optional, UPSTREAM;
    /// Where Systems Manager is, for a local stack.
    AWS_ENDPOINT_SSM: HttpUrl = "" as "AWS_ENDPOINT_URL_SSM", Text(AWS_URL), Optional, EVERY;
}
