//! The local stack with fake functions (`examples/fake.rs`) behind it: API Gateway and Lambda as clients and functions see
//! them. Nothing here waits for a time to pass where an event can be awaited: functions wait at gates that the tests open.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod authorizer;
mod buffered;
mod hosting;
mod mutual_tls;
mod program;
mod schedules;
mod streamed;
mod support;
