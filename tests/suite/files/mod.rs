//! Files, by the functions in this process: uploaded whole and in parts, kept and ended, read, finalized, named in messages; and what
//! is left when something fails on the way.

mod anthropic;
mod attached;
mod desk;
mod ends;
mod failures;
mod forms;
mod limits;
mod reading;
mod sessions;
