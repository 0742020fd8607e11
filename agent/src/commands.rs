//! The bodies of commands that look at something and print it; each is one file.

mod first_config;
pub mod join;
pub mod locate;
pub mod spool_check;
