//! What was used, by whom and at what cost.

mod access;
mod records;
mod summary;

pub(crate) use records::records;
pub(crate) use summary::summary;
