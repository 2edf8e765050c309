//! What stands on the wire: the bodies of callers and of Bedrock, event-stream frames, server-sent events, and the error
//! bodies of every dialect.

pub mod anthropic;
mod apart;
pub mod bedrock;
pub mod betas;
pub mod converse;
pub mod count;
pub mod dialect;
pub mod file_sources;
pub mod frames;
pub mod json;
pub mod openai;
pub mod sse;
pub mod survey;
