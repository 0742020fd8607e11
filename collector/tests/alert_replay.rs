//! `rules replay --csv` as a person meets it: one JSON object a line, and bad files named with line and remedy while the
//! good ones are still replayed.

#[path = "../benches/alert_scores/score.rs"]
mod score;

use std::fs;
use std::path::PathBuf;

use azimuth_collector::commands::rules::replay_csv;
use serde_json::Value;
use tempfile::TempDir;

struct Replayed {
    lines: Vec<Value>,
    error: Option<String>,
}

fn replay(files: &[(&str, &[u8])]) -> Replayed {
    let folder = TempDir::new().expect("a scratch directory");
    let paths: Vec<PathBuf> = files
        .iter()
        .map(|(name, bytes)| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).expect("a scratch file");
            path
        })
        .collect();
    let mut out = Vec::new();
    let error = replay_csv(&paths, &mut out).err().map(|error| error.to_string());
    let text = String::from_utf8(out).expect("JSON is UTF-8");
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    Replayed { lines, error }
}

/// Rows every four minutes from 1,000,000 s on; `None` is a lost probe.
fn csv(delays_ms: impl IntoIterator<Item = Option<f64>>) -> Vec<u8> {
    let rows = delays_ms.into_iter().enumerate().map(|(row, delay)| {
        let delay = delay.map_or(String::new(), |delay_ms| format!("{delay_ms:.3}"));
        format!("{},{delay}\n", 1_000_000 + row * 240)
    });
    format!("epoch_s,rtt_ms\n{}", rows.collect::<String>()).into_bytes()
}

fn wavering(level_ms: f64, rows: usize) -> impl Iterator<Item = Option<f64>> {
    (0..rows).map(move |row| Some(level_ms + (row * 7 % 5) as f64 * 0.05))
}

#[test]
fn a_step_up_and_back_is_one_alert_resolved_and_one_improvement() {
    let delays = wavering(150.0, 100)
        .chain(wavering(160.0, 60))
        .chain(wavering(150.0, 60));
    let replayed = replay(&[("paris-1.csv", &csv(delays))]);
    assert_eq!(replayed.error, None);
    assert_eq!(replayed.lines.len(), 2, "{:?}", replayed.lines);
    let [up, down] = [&replayed.lines[0], &replayed.lines[1]];
    assert_eq!(
        (&up["series"], &up["direction"]),
        (&"paris-1".into(), &"up".into())
    );
    assert_eq!(up["regressed_at_s"], 1_000_000 + 100 * 240);
    assert_eq!(up["fired_at_s"], 1_000_000 + 104 * 240);
    assert!((up["shift_ms"].as_f64().unwrap() - 10.0).abs() < 0.2, "{up}");
    assert_eq!(up["resolved_at_s"], down["fired_at_s"]);
    assert_eq!(
        (&down["direction"], &down["resolved_at_s"]),
        (&"down".into(), &Value::Null)
    );
}

#[test]
fn an_open_regression_is_null_and_a_lasting_one_a_new_baseline() {
    let open = replay(&[("a.csv", &csv(wavering(50.0, 100).chain(wavering(60.0, 100))))]);
    assert_eq!(open.lines[0]["resolved_at_s"], Value::Null);
    let lasting = replay(&[("a.csv", &csv(wavering(50.0, 100).chain(wavering(60.0, 500))))]);
    assert_eq!(lasting.lines[0]["resolution"], "new_baseline");
    let after_s = lasting.lines[0]["resolved_at_s"].as_u64().unwrap()
        - lasting.lines[0]["fired_at_s"].as_u64().unwrap();
    assert_eq!(after_s, 86_400);
}

#[test]
fn lost_probes_and_holes_in_time_are_gaps() {
    let mut text = String::from_utf8(csv(wavering(50.0, 100))).unwrap();
    text.push_str("1100000,\n1100240,50.1\n1500000,50.1\n1500000,\n1500000,50.2\n");
    let replayed = replay(&[("gaps.csv", text.as_bytes())]);
    assert_eq!((replayed.error, replayed.lines.len()), (None, 0));
}

#[test]
fn a_long_outage_is_a_loss_alert() {
    let delays = wavering(50.0, 100)
        .chain(vec![None; 20])
        .chain(wavering(50.0, 300));
    let replayed = replay(&[("a.csv", &csv(delays))]);
    assert_eq!(replayed.lines.len(), 1, "{:?}", replayed.lines);
    assert_eq!(replayed.lines[0]["direction"], "loss");
    assert_eq!(replayed.lines[0]["shift_ms"], Value::Null);
    assert_eq!(replayed.lines[0]["resolution"], "recovered");
}

#[test]
fn bad_files_are_named_with_line_and_remedy_and_the_others_are_replayed() {
    let good = csv(wavering(50.0, 100).chain(wavering(60.0, 100)));
    let replayed = replay(&[
        ("empty.csv", b""),
        ("header.csv", b"time,delay\n1,2\n"),
        ("order.csv", b"epoch_s,rtt_ms\n240,1.5\n480,1.5\n300,1.5\n"),
        ("number.csv", b"epoch_s,rtt_ms\n240,1.5\n480,abc\n"),
        ("nan.csv", b"epoch_s,rtt_ms\n240,NaN\n"),
        ("nothing.csv", b"epoch_s,rtt_ms\n240,\n"),
        ("binary.csv", b"epoch_s,rtt_ms\n\xff\xfe\x00\n"),
        ("good.csv", &good),
    ]);
    let error = replayed.error.unwrap();
    for says in [
        "empty.csv: is empty; the first line must be `epoch_s,rtt_ms`",
        "header.csv:1: the header has no column \"epoch_s\"",
        "order.csv:4: the time 300 is before 480 of a row above; sort the rows",
        "number.csv:3: rtt_ms is \"abc\"",
        "nan.csv:2: rtt_ms is \"NaN\"",
        "nothing.csv: has no row with a delay",
        "binary.csv:2: is not a line of text",
    ] {
        assert!(error.contains(says), "{says:?} is not in:\n{error}");
    }
    assert_eq!(error.lines().count(), 7);
    assert_eq!(replayed.lines.len(), 1);
    assert_eq!(replayed.lines[0]["series"], "good");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing = PathBuf::from("no-such-folder/series.csv");
    let error = replay_csv(&[missing], &mut Vec::new()).unwrap_err().to_string();
    assert!(
        error.starts_with("no-such-folder/series.csv: cannot be read"),
        "{error}"
    );
}

/// Labelled samples every four minutes: 400 at 10 ms, 100 at `level_ms`, 400 at 10 ms.
fn labelled(level_ms: f64) -> score::Series {
    let levels = [(400, 10.0), (100, level_ms), (400, 10.0)];
    let rtt_ms: Vec<Option<f64>> = levels
        .iter()
        .flat_map(|(samples, level_ms)| std::iter::repeat_n(Some(*level_ms), *samples))
        .collect();
    score::Series {
        name: "made".to_owned(),
        epoch_s: (0..rtt_ms.len() as u64).map(|at| at * 240).collect(),
        rtt_ms,
        labels: vec![400, 500],
    }
}

#[test]
fn the_scorer_of_the_bench_tells_hits_from_false_and_neutral_alarms() {
    let score_of = |level_ms: f64, alarms: &[usize]| {
        let mut score = score::Score::default();
        let said = score::Said {
            alarms: alarms.to_vec(),
            changes: alarms.to_vec(),
        };
        score.add(&labelled(level_ms), &said);
        (score.shifts, score.hits, score.false_alarms, score)
    };
    let series = labelled(14.0);
    assert_eq!(
        [0, 1, 240, 1_000_000].map(|second| series.at(second)),
        [0, 1, 1, 899]
    );
    // The first in time is the hit, the repeat is false, warm-up is not looked at.
    let (shifts, hits, false_alarms, score) = score_of(14.0, &[100, 405, 410]);
    assert_eq!((shifts, hits, false_alarms), (1, 1, 1));
    assert_eq!(score.delay_min(), Some((20.0, 20.0)));
    assert!((score.f1() - 2.0 / 3.0).abs() < 1e-9);
    assert!((score.false_per_day() - 360.0 / 540.0).abs() < 1e-9);
    // Too late, and too early.
    assert_eq!(score_of(14.0, &[397, 431]).1, 0);
    assert_eq!((score_of(14.0, &[398]).1, score_of(14.0, &[430]).1), (1, 1));
    // Below 2 ms nobody has to be told, and whoever is told near it is not wrong; elsewhere they are.
    let (shifts, hits, false_alarms, _) = score_of(11.0, &[405, 600]);
    assert_eq!((shifts, hits, false_alarms), (0, 0, 1));
    // Change times: one a label, within an hour.
    let (.., score) = score_of(14.0, &[402, 414, 516]);
    assert!(
        (score.f1_changes() - 2.0 / 5.0).abs() < 1e-9,
        "{}",
        score.f1_changes()
    );
}
