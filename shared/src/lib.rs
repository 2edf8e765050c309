//! Tollgate shared crate.

pub mod model;
pub mod money;
pub mod price;
pub mod usage;
