//! The whole house from outside: the program `local` as a child process, asked over HTTP.
//!
//! A test of behaviour is written once, as `async fn(&Stack)`, and runs on every host of functions; see `docs/testing.md`.

/// Makes three tests of each function: one with the functions under `local`'s own Runtime API, one under `cargo lambda watch`, and one over
/// `ministack`, a table, buckets and secrets that are not this project's own.
macro_rules! on_every_host {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn on_the_runtime_api() {
                let stack = tests::local::shared(tests::local::Host::Runtime).await;
                super::$name(&stack).await;
                stack.assert_nothing_was_denied();
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_cargo_lambda_watch() {
                super::$name(&tests::local::shared(tests::local::Host::Watch).await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn over_ministack() {
                super::$name(&tests::local::shared(tests::local::Host::Ministack).await).await;
            }
        }
    )+};
}

mod allowed;
mod authorization;
mod authorizer_cache;
mod bad_bodies;
mod bad_fields;
mod bad_forms;
mod bad_inputs;
mod canary;
mod credentials;
mod directory;
mod faults;
mod files;
mod keys;
mod killed;
mod killed_uploads;
mod lags;
mod large_files;
pub(crate) mod login;
mod metering;
mod metrics;
mod migrations;
mod models;
mod mutual_tls;
mod privileges;
mod restart;
mod rotation;
mod secrecy;
mod shape;
mod shutdown;
mod streams;
mod tokens;
mod traces;
mod upstream;
