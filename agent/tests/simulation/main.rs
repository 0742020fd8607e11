//! The prober against a simulated network: time is a number, nothing sleeps, and every count is known beforehand.

mod back_off;
mod direction;
mod load;
mod network;
mod one_way;
mod plan;
mod prober;
mod seeded;
mod suspend;
