//! invoke
fn main() {}
