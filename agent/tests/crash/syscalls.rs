//! A kill at every system call that changes or sends something, on either side, by `strace`'s fault injection: a random
//! kill hardly ever hits the few microseconds between an answer and a write. Every k-th of them in the short run;
//! `AZIMUTH_EVERY_SYSCALL=1` takes all.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::world::{World, ends_well};

const CALLS: &str = "write,writev,pwrite64,fdatasync,fsync,ftruncate,rename,unlink,sendto,sendmsg";
/// Reports of the scripted run.
const REPORTS: u64 = 6;
/// Positions of one side in the short run.
const SHORT: usize = 40;
/// Runs of the collector for one position.
const ATTEMPTS: usize = 5;

fn strace(arguments: &[String]) -> Vec<String> {
    // As the tracee's grandchild, so that the process started is the one to be killed and waited for.
    let always = ["strace", "-D", "-f", "-qq"].map(str::to_owned);
    always.into_iter().chain(arguments.iter().cloned()).collect()
}

fn counting(log: &Path) -> Vec<String> {
    let log = log.display().to_string();
    strace(&["-o".to_owned(), log, "-e".to_owned(), format!("trace={CALLS}")])
}

fn killing((call, at): &(String, usize)) -> Vec<String> {
    strace(&[
        "-o".to_owned(),
        "/dev/null".to_owned(),
        "-e".to_owned(),
        format!("trace={call}"),
        "-e".to_owned(),
        format!("inject={call}:signal=KILL:when={at}"),
    ])
}

/// Every (call, number) that a thread came to. `strace` counts thread by thread.
fn positions(log: &Path) -> Vec<(String, usize)> {
    let text = std::fs::read_to_string(log).unwrap();
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.splitn(2, ' ');
        let (Some(thread), Some(rest)) = (words.next(), words.next()) else {
            continue;
        };
        if let Some((call, _)) = rest.trim_start().split_once('(') {
            *counts.entry((call.to_owned(), thread.to_owned())).or_default() += 1;
        }
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((call, _), count) in counts {
        let known = most.entry(call).or_default();
        *known = count.max(*known);
    }
    let all: Vec<(String, usize)> = most
        .into_iter()
        .flat_map(|(call, count)| (1..=count).map(move |at| (call.clone(), at)))
        .collect();
    let every = if std::env::var_os("AZIMUTH_EVERY_SYSCALL").is_some() {
        1
    } else {
        all.len().div_ceil(SHORT)
    };
    all.into_iter().step_by(every.max(1)).collect()
}

fn is_strace_here() -> bool {
    let here = Command::new("strace").arg("-V").output().is_ok();
    if !here {
        eprintln!("skipped: strace is not installed (`ci/prepare test` installs it)");
    }
    here
}

#[test]
fn the_agent_may_be_killed_at_any_system_call() {
    if !is_strace_here() {
        return;
    }
    let (world, scratch) = (World::new(), tempfile::tempdir().unwrap());
    let mut collector = world.collector("collector", &[]);
    collector.wait_until_it_answers();
    let log = scratch.path().join("calls");
    let orders = world.orders("counted", "collector", REPORTS);
    ends_well(&mut orders.command(&counting(&log)).spawn().unwrap());
    std::thread::sleep(Duration::from_millis(200));
    let positions = positions(&log);
    assert!(positions.len() >= SHORT / 2, "{positions:?}");
    let mut killed = 0;
    for (number, position) in positions.iter().enumerate() {
        let orders = world.orders(&format!("killed-{number}"), "collector", REPORTS);
        let mut agent = orders.command(&killing(position)).spawn().unwrap();
        killed += usize::from(!agent.wait().unwrap().success());
        world.judge(&orders, &mut collector);
    }
    eprintln!("agent: {killed} kills at {} positions", positions.len());
    assert!(killed * 10 >= positions.len() * 8, "the kills did hit: {killed}");
}

#[test]
fn the_collector_may_be_killed_at_any_system_call() {
    if !is_strace_here() {
        return;
    }
    let (world, scratch) = (World::new(), tempfile::tempdir().unwrap());
    let log = scratch.path().join("calls");
    let mut counted = world.collector("counted", &counting(&log));
    counted.wait_until_it_answers();
    let orders = world.orders("counted", "counted", REPORTS);
    ends_well(&mut orders.start());
    counted.kill();
    std::thread::sleep(Duration::from_millis(200));
    let positions = positions(&log);
    assert!(positions.len() >= SHORT / 2, "{positions:?}");
    let mut missed = Vec::new();
    for (number, position) in positions.iter().enumerate() {
        // Which thread does what differs from run to run, so a position may take several until a thread comes to it.
        let hit = (0..ATTEMPTS).any(|attempt| {
            let name = format!("killed-{number}-{attempt}");
            kill_the_collector(&world, &name, position)
        });
        if !hit {
            missed.push(position);
        }
    }
    let killed = positions.len() - missed.len();
    eprintln!(
        "collector: {killed} kills at {} positions; no thread came to {missed:?}",
        positions.len()
    );
    assert!(killed * 10 >= positions.len() * 9, "the kills did hit: {killed}");
}

/// A run with a collector that is killed at this position, if a thread comes to it. Says whether one did.
fn kill_the_collector(world: &World, name: &str, position: &(String, usize)) -> bool {
    let mut collector = world.collector(name, &killing(position));
    // As in the run that was counted: an agent that comes too early delivers everything at once, in fewer calls.
    let mut hit = !collector.answers_or_ends();
    if hit {
        collector = world.collector(name, &[]);
    }
    let orders = world.orders(name, name, REPORTS);
    let mut agent = orders.start();
    while agent.try_wait().unwrap().is_none() {
        if !hit && collector.child.try_wait().unwrap().is_some() {
            hit = true;
            collector = world.collector(name, &[]);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // The judge's questions must not meet a kill that is still to come.
    hit |= collector.child.try_wait().unwrap().is_some();
    collector.kill();
    collector = world.collector(name, &[]);
    assert_eq!(
        world.judge(&orders, &mut collector),
        REPORTS as usize,
        "{position:?}"
    );
    hit
}
