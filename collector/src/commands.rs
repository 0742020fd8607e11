//! What `azimuth-collector` can be told to do: one file a command, with its arguments, its help and its exit code.

pub mod accounts;
pub mod ask;
pub mod backup;
pub mod catalogue;
pub mod config_check;
pub mod credential;
pub mod doctor;
pub mod export;
pub mod fleet;
mod http;
pub mod import;
pub mod plan;
pub mod rules;
pub mod serve;
pub mod snapshot;
pub mod status;
