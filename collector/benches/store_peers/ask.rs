//! Asks a running server the same question again and again, and says what an answer costs it.

use azimuth_collector::clock;

use super::client::Client;
use super::process::{Server, spent_ns};

/// What one answer cost: the server's processor time, and how long it was waited for. Milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) cpu_median_ms: f64,
    pub(crate) cpu_max_ms: f64,
    pub(crate) wall_median_ms: f64,
    pub(crate) wall_max_ms: f64,
}

/// Asks all `questions` one after the other, `times` times over, and gives the last answers.
pub(crate) fn ask(
    server: &Server,
    questions: &[String],
    times: usize,
) -> anyhow::Result<(Cost, Vec<Vec<u8>>)> {
    let mut client = Client::connect(server.address)?;
    let (mut cpu_ms, mut wall_ms) = (Vec::new(), Vec::new());
    let mut answers = Vec::new();
    for _ in 0..times.max(1) {
        let (threads, began) = (server.threads_ns()?, clock::monotonic());
        answers = questions
            .iter()
            .map(|question| client.get(question))
            .collect::<anyhow::Result<_>>()?;
        wall_ms.push((clock::monotonic() - began).as_secs_f64() * 1e3);
        cpu_ms.push(spent_ns(&threads, &server.threads_ns()?) as f64 / 1e6);
    }
    let (cpu_median_ms, cpu_max_ms) = median_and_max(&mut cpu_ms);
    let (wall_median_ms, wall_max_ms) = median_and_max(&mut wall_ms);
    let cost = Cost {
        cpu_median_ms,
        cpu_max_ms,
        wall_median_ms,
        wall_max_ms,
    };
    Ok((cost, answers))
}

fn median_and_max(values: &mut [f64]) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[values.len() - 1])
}
