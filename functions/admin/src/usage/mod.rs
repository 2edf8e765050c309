//! What was used, by whom and at what cost.

mod access;
mod records;

pub(crate) use records::records;
