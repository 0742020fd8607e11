//! How good the detector is on labelled series, beside what others would do, and on the same series changed. `--data DIR` names a folder of
//! CSV files with the header `epoch_s,rtt_ms,cp` (one series a file, a sample every 240 s, an empty delay for a lost probe,
//! cp = 1 on the first sample of a new regime); without it, a small set is made here. Method: docs/benchmarks.md.

mod changed;
mod made;
mod peers;
mod score;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use azimuth_collector::alert::Settings;
use azimuth_collector::alert::replay::{Columns, Replay, Row};
use azimuth_collector::clock;

use score::{Said, Score, Series};

fn main() -> ExitCode {
    let set = match asked(std::env::args().skip(1)) {
        Ok(Some(folder)) => read(&folder),
        Ok(None) => Ok(made::set()),
        Err(error) => Err(error),
    };
    match set {
        Ok(set) => {
            table(&set);
            changed_table(&set);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The folder that `--data` names. Cargo adds `--bench` of its own.
fn asked(mut arguments: impl Iterator<Item = String>) -> Result<Option<PathBuf>, String> {
    let mut folder = None;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--data" => {
                let named = arguments
                    .next()
                    .ok_or("--data names no folder; write --data DIR")?;
                folder = Some(PathBuf::from(named));
            }
            other => return Err(format!("{other:?} is not known; there is only --data DIR")),
        }
    }
    Ok(folder)
}

fn read(folder: &Path) -> Result<Vec<Series>, String> {
    let at = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at)? {
        let path = entry.map_err(at)?.path();
        if path.extension().is_some_and(|ending| ending == "csv") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(format!(
            "{}: no .csv file in it; name a folder of labelled series",
            folder.display()
        ));
    }
    files.iter().map(|file| read_one(file)).collect()
}

fn read_one(file: &Path) -> Result<Series, String> {
    let wrong = |line: usize, why: String| format!("{}:{}: {why}", file.display(), line + 1);
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut lines = text.lines().enumerate();
    let (_, header) = lines.next().ok_or_else(|| wrong(0, "it is empty".to_owned()))?;
    let columns = Columns::of(header).map_err(|error| wrong(0, error.to_string()))?;
    let label = header.split(',').position(|name| name.trim() == "cp");
    let label = label.ok_or_else(|| wrong(0, "the header has no column \"cp\"".to_owned()))?;
    let name = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut series = Series {
        name,
        epoch_s: Vec::new(),
        rtt_ms: Vec::new(),
        labels: Vec::new(),
    };
    for (number, line) in lines {
        let row = columns
            .row(line)
            .map_err(|error| wrong(number, error.to_string()))?;
        let Some(row) = row else { continue };
        let cp = line.split(',').nth(label).unwrap_or_default().trim();
        if cp == "1" || cp == "1.0" {
            series.labels.push(series.epoch_s.len());
        }
        series.epoch_s.push(row.at_unix_ms / 1_000);
        series
            .rtt_ms
            .push(row.delay_us.map(|delay_us| f64::from(delay_us) / 1_000.0));
    }
    if series.rtt_ms.iter().all(Option::is_none) {
        return Err(wrong(0, "there is no delay in it".to_owned()));
    }
    Ok(series)
}

/// What the default rule says of a series, as `rules replay --csv` does.
fn azimuth(series: &Series) -> Said {
    said(series, &["up"])
}

/// What the default rule says of a series; `alarms` are the directions that are alarms.
fn said(series: &Series, alarms: &[&str]) -> Said {
    let mut replay = Replay::new(series.name.clone(), Settings::default());
    for (epoch_s, rtt_ms) in series.epoch_s.iter().zip(&series.rtt_ms) {
        let row = Row {
            at_unix_ms: epoch_s * 1_000,
            delay_us: rtt_ms.map(|rtt_ms| (rtt_ms * 1_000.0).round() as u32),
        };
        if let Err(error) = replay.feed(row) {
            eprintln!("{}: {error}; the rest of it is left out", series.name);
            break;
        }
    }
    let mut said = Said::default();
    for alert in replay.finish() {
        said.changes.push(series.at(alert.regressed_at_s));
        if alarms.contains(&alert.direction) {
            said.alarms.push(series.at(alert.fired_at_s));
        }
    }
    said
}

fn table(set: &[Series]) {
    let samples: usize = set.iter().map(|series| series.epoch_s.len()).sum();
    let labels: usize = set.iter().map(|series| series.labels.len()).sum();
    println!(
        "{} series, {samples} samples, {labels} labelled changes",
        set.len()
    );
    println!(
        "{:<50} {:>5} {:>5} {:>5} {:>9} {:>7} {:>7} {:>10}",
        "method", "P", "R", "F1", "false/s-d", "median", "p90", "us/sample"
    );
    let row = |name: &str, said: &dyn Fn(&Series) -> Said| {
        let mut score = Score::default();
        let began = clock::monotonic();
        let all: Vec<Said> = set.iter().map(said).collect();
        let took = clock::monotonic() - began;
        for (series, said) in set.iter().zip(&all) {
            score.add(series, said);
        }
        let (median, p90) = score.delay_min().map_or_else(
            || ("-".to_owned(), "-".to_owned()),
            |(median, p90)| (format!("{median:.0} min"), format!("{p90:.0} min")),
        );
        println!(
            "{name:<50} {:>5.3} {:>5.3} {:>5.3} {:>9.3} {median:>7} {p90:>7} {:>10.2}",
            score.precision(),
            score.recall(),
            score.f1(),
            score.false_per_day(),
            took.as_secs_f64() * 1e6 / samples.max(1) as f64,
        );
        score
    };
    let ours = row("Azimuth, default rule", &azimuth);
    for (name, alarms) in peers::PEERS {
        row(name, &|series| Said {
            alarms: alarms(&series.filled()),
            changes: Vec::new(),
        });
    }
    println!(
        "{} of {} shifts in {:.0} series-days; change times within 1 h: F1 {:.3}",
        ours.hits,
        ours.shifts,
        ours.days,
        ours.f1_changes()
    );
}

/// The same series changed; alerts of loss are alarms there too.
fn changed_table(set: &[Series]) {
    println!(
        "\n{:<50} {:>5} {:>5} {:>5} {:>9} {:>7} {:>7} {:>10}",
        "the default rule on the series", "P", "R", "F1", "false/s-d", "median", "p90", "changes F1"
    );
    for (name, changed) in changed::sets(set) {
        let mut score = Score::default();
        for series in &changed {
            score.add(series, &said(series, &["up", "loss"]));
        }
        let (median, p90) = score.delay_min().unwrap_or((f64::NAN, f64::NAN));
        println!(
            "{name:<50} {:>5.3} {:>5.3} {:>5.3} {:>9.3} {median:>3.0} min {p90:>3.0} min {:>10.3}",
            score.precision(),
            score.recall(),
            score.f1(),
            score.false_per_day(),
            score.f1_changes()
        );
    }
}
