//! The real binary, from outside: what it refuses, what it survives, what it answers, how it stops.

mod crash;
mod fleet;
mod process;
mod refusals;
mod surface;
