//! People, teams, roles and the directory, by the routes of admins and of a directory, in process.

mod admins;
mod directory;
mod groups;
mod keys;
mod operator;
mod roles;
mod teams;
mod users;
