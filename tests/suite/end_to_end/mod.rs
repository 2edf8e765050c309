//! The whole house from outside: the program `local` as a child process, asked over HTTP.
//!
//! A test of behaviour is written once, as `async fn(&Stack)`, and runs with both hosts of functions; see `docs/testing.md`.

/// Makes two tests of each function: one with the functions under `local`'s own Runtime API, one under `cargo lambda watch`.
macro_rules! on_both_hosts {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn on_the_runtime_api() {
                super::$name(&tests::local::shared(tests::local::Host::Runtime).await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_cargo_lambda_watch() {
                super::$name(&tests::local::shared(tests::local::Host::Watch).await).await;
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
mod credentials;
mod directory;
mod faults;
mod files;
mod keys;
mod killed;
mod lags;
mod large_files;
pub(crate) mod login;
mod metering;
mod models;
mod mutual_tls;
mod restart;
mod rotation;
mod secrecy;
mod shape;
mod streams;
mod tokens;
mod upstream;
