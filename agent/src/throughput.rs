//! Throughput tests: one TCP flow in one direction, stopped as soon as its rate has settled or a cap is reached. Not a speed test
//! that runs for ten seconds.
//!
//! | file | what it does |
//! |---|---|
//! | [`estimator`] | when to stop, and what the rate is. Pure |

pub mod estimator;
