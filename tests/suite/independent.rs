//! Clients that are not ours, and a browser, around the whole stack: what they expect of the specifications is what they find.
//!
//! Each reports what it did, a line a step, past the captured output. `docs/login.md` lists them.

mod access_tokens;
mod browser;
mod flows;
mod house;
