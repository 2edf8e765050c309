//! Sign-in in process: the gateway between clients that a test plays, a browser that it plays, and providers on loopback.

mod certified;
pub(crate) mod desk;
mod device;
mod flow;
mod grants;
mod logout;
mod presets;
mod providers;
