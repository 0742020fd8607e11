//! What a person in front of the terminal is told while a world runs. On stderr; the address alone on stdout.

use azimuth_testbed::clock::iso8601;
use azimuth_testbed::plan::Plan;
use azimuth_testbed::truth::line::IncidentLine;
use azimuth_testbed::world::directory::RunDirectory;
use azimuth_testbed::world::runner::{Options, Screen};

/// A terminal.
pub(crate) struct Terminal {
    demo: bool,
}

impl Terminal {
    /// For `demo`: tells what to look at.
    pub(crate) fn demo() -> Self {
        Self { demo: true }
    }

    /// For `run`.
    pub(crate) fn run() -> Self {
        Self { demo: false }
    }

    /// One line.
    pub(crate) fn note(&self, text: &str) {
        eprintln!("azimuth-testbed: {text}");
    }
}

impl Screen for Terminal {
    fn progress(&mut self, text: &str) {
        self.note(text);
    }

    fn running(&mut self, plan: &Plan, directory: &RunDirectory, options: &Options, began_unix_ns: u64) {
        let path = directory.path().display();
        eprintln!();
        if let Some(listen) = options.listen {
            eprintln!("  Open            http://{listen}/");
        }
        eprintln!("  World           {}: {}", plan.name, plan.about);
        eprintln!(
            "  The network between agents and zones is EMULATED. Packets, agents, reflectors and collector are"
        );
        eprintln!(
            "  real; delays, losses and incidents are invented and say nothing about any ISP or provider."
        );
        eprintln!("  Ground truth    {path}/truth.jsonl");
        eprintln!("  Logs            {path}/logs/");
        let fate = if directory.is_kept() {
            "stays"
        } else {
            "is removed at the end; --keep or --dir keeps it"
        };
        eprintln!("  The directory   {path} {fate}");
        for incident in &plan.incidents {
            let Some(first) = incident.times.coming(0, 1).next() else {
                continue;
            };
            let at = iso8601(began_unix_ns + first.from_ns);
            let clock_time = at.get(11..19).unwrap_or(&at);
            #[expect(clippy::cast_precision_loss, reason = "a week of nanoseconds is below 2^53")]
            let length_s = (first.to_ns - first.from_ns) as f64 / 1e9;
            eprintln!(
                "  {clock_time} UTC    {} (for {length_s} s)",
                incident.description
            );
        }
        if self.demo {
            eprintln!("  First cells on the map about 20 s from now. Ctrl-C ends everything.");
        }
        eprintln!();
        if let Some(listen) = options.listen {
            println!("http://{listen}/");
        }
    }

    fn incident(&mut self, incident: &IncidentLine) {
        let until = incident.to_at.get(11..19).unwrap_or(&incident.to_at);
        self.note(&format!(
            "incident until {until} UTC: {} ({})",
            incident.description, incident.name
        ));
    }
}
