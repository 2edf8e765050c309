//! Tollgate shared crate.
