//! The spool under every fault we can think of: power cuts at any operation, torn writes, full and read-only disks, failing
//! syncs, rotten bytes, restored and copied directories. Nothing here touches a real disk but `real.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot build its own input should fail loudly"
)]

mod collector;
mod damage;
mod disk;
mod full;
mod life;
mod partition;
mod power;
mod real;
mod seeded;
