//! Lambda: events in, answers out. The functions run either in environments that this program hosts, or under
//! `cargo lambda watch`.

mod answer;
mod dispatch;
mod environment;
mod host;
mod invoke_api;
mod launch;
mod metrics;
mod process;
mod prompt;
mod runtime_api;
mod variables;
mod watch;

use bytes::Bytes;

pub use answer::{Answer, Body, Failure};
pub use host::{Host, Options, Processes};
pub use launch::run_function;
pub use variables::{dotenv, function_variables, shared_variables};
pub use watch::Watch;

/// The largest payload of an invocation, in and out, in bytes: 6 MB and a little for its envelope, as AWS enforces it.
pub const PAYLOAD_LIMIT_BYTES: usize = 6_291_556;

/// Where the functions run.
#[derive(Debug, Clone)]
pub enum Lambda {
    /// In processes of this program.
    Hosted(Host),
    /// Under `cargo lambda watch`.
    Watched(Watch),
}

impl Lambda {
    /// Passes an event to a function. The answer begins when its first byte is here. The invocation goes on to its end also
    /// when the answer is dropped: that is what Lambda does when a caller leaves.
    ///
    /// # Errors
    /// If the function failed, ended or ran out of time before its answer began.
    pub async fn invoke(&self, function: &str, event: Bytes) -> Result<Answer, Failure> {
        match self {
            Self::Hosted(host) => host.invoke(function, event).await,
            Self::Watched(watch) => watch.invoke(function, event).await,
        }
    }
}
