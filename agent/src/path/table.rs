//! A path as text for a person at a terminal, and as JSON. Pure.

use std::fmt::Write as _;

use azimuth_measurement::{Method, Path, PathHop};
use serde_json::{Value, json};

use super::trace::Trace;
use crate::oneshot::board::Colour;
use crate::oneshot::outcome::milliseconds;

/// The table: one line a hop, further addresses of a hop below it.
#[must_use]
pub fn table(target: &str, method: Method, trace: &Trace, colour: Colour) -> String {
    let path = trace.path();
    let mut text = String::new();
    let width = addresses(&path)
        .map(|address| address.len())
        .max()
        .unwrap_or(0)
        .max("address".len());
    let heading = format!(
        "{:>3}  {:<width$} {:>8} {:>9} {:>9} ms",
        "hop", "address", "loss", "min", "median"
    );
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", colour.paint("1", &heading));
    for (number, hop) in (1..).zip(&path.hops) {
        let mut named = hop.addresses.iter().map(ToString::to_string);
        let first = named.next().unwrap_or_else(|| "*".to_owned());
        let _ = writeln!(
            text,
            "{number:>3}  {first:<width$} {:>8} {:>9} {:>9}",
            loss(hop),
            milliseconds(hop.min_us),
            milliseconds(hop.median_us),
        );
        for other in named {
            let _ = writeln!(text, "     {other}");
        }
    }
    let end = match (path.reached, trace.blocked()) {
        (true, _) => format!("{target} reached after {} hops ({method})", path.hops.len()),
        (false, Some((router, kind))) => format!("{target} not reached: {router} says {}", kind.as_str()),
        (false, None) => format!("{target} has not answered so far ({method})"),
    };
    let _ = writeln!(text, "{end}");
    text
}

/// The same for machines: one object.
#[must_use]
pub fn json(target: &str, address: std::net::SocketAddr, method: Method, trace: &Trace) -> Value {
    let path = trace.path();
    let hops = (1..).zip(&path.hops).map(|(number, hop): (u32, _)| {
        json!({
            "hop": number, "addresses": hop.addresses, "sent": hop.sent, "answered": hop.answered,
            "min_us": hop.min_us, "median_us": hop.median_us,
        })
    });
    json!({
        "target": target, "address": address, "method": method.as_str(), "reached": path.reached,
        "hops": hops.collect::<Vec<_>>(),
        "blocked": trace.blocked().map(|(router, kind)| json!({ "router": router, "error": kind.as_str() })),
        "unattributed": trace.unattributed(),
    })
}

fn addresses(path: &Path) -> impl Iterator<Item = String> + '_ {
    path.hops
        .iter()
        .flat_map(|hop| hop.addresses.iter().map(ToString::to_string))
}

fn loss(hop: &PathHop) -> String {
    if hop.sent == 0 {
        return "-".to_owned();
    }
    let lost = f64::from(hop.sent - hop.answered) / f64::from(hop.sent);
    format!("{:.1} %", lost * 100.0)
}

#[cfg(test)]
mod tests {
    use super::super::trace::{Answer, Said, TracePlan};
    use super::*;
    use crate::clock::{Monotonic, NS_PER_S};
    use azimuth_measurement::ErrorKind;

    fn traced() -> Trace {
        let mut trace = Trace::new(TracePlan::default(), [10, 0, 0, 9].into(), Monotonic::from_ns(0));
        for (at, from, said) in [
            (0, [10, 0, 0, 1], Said::Error(ErrorKind::TtlExceeded)),
            (1, [0; 4], Said::Arrived),
            (2, [10, 0, 0, 9], Said::Arrived),
        ] {
            let now = Monotonic::from_ns(at * NS_PER_S);
            let sending = trace.poll_send(now).expect("due");
            if from != [0; 4] {
                let id = Some(sending.id);
                let (from, delay_us) = (from.into(), 1_500);
                trace.handle_answer(
                    Answer {
                        id,
                        from,
                        said,
                        delay_us,
                    },
                    now,
                );
            }
            trace.handle_timeout(now.plus_ns(NS_PER_S));
        }
        trace
    }

    #[test]
    fn hops_stand_below_each_other_and_silence_is_a_star() {
        let text = table("zone-a", Method::Stamp, &traced(), Colour::Never);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "  1  10.0.0.1    0.0 %     1.500     1.500");
        assert_eq!(lines[2], "  2  *         100.0 %         -         -");
        assert_eq!(lines[4], "zone-a reached after 3 hops (stamp)");
    }

    #[test]
    fn machines_get_the_same() {
        let found = json("zone-a", ([10, 0, 0, 9], 8620).into(), Method::Stamp, &traced());
        assert_eq!(
            (&found["reached"], &found["hops"][2]["hop"]),
            (&json!(true), &json!(3))
        );
        assert_eq!(
            found["hops"][1],
            json!({"hop": 2, "addresses": [], "sent": 1, "answered": 0, "min_us": null, "median_us": null})
        );
    }
}
