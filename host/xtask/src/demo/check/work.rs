//! The evidence against the holds: every crate was digested once, by its holder, while it was held, after
//! everything that it depends on.

use super::Hold;
use crate::demo::evidence::Evidence;
use crate::demo::graph::Crate;
use crate::demo::moment::Moment;
use std::collections::BTreeMap;

/// Says of each piece of evidence, and of each crate without any, what is wrong with it.
pub fn compare<'a>(
    job: &'a [Crate],
    evidence: &'a [Evidence],
    holds: &BTreeMap<&'a str, Hold<'a>>,
    faults: &mut Vec<String>,
) {
    let mut work: BTreeMap<&str, &Evidence> = BTreeMap::new();
    for found in evidence {
        let task = found.task.as_str();
        if let Some(other) = work.insert(task, found) {
            let (first, second) = (other.token, found.token);
            faults.push(format!("`{task}` was digested twice, with tokens {first} and {second}"));
        }
        match holds.get(task) {
            Some(hold) => compare_one(found, hold, faults),
            None => faults.push(format!(
                "`{task}` was digested by `{}` with token {}, of which the history knows nothing",
                found.agent, found.token
            )),
        }
    }
    for built in job {
        let task = built.task.as_str();
        let Some(found) = work.get(task) else {
            faults.push(format!("there is no evidence that `{task}` was digested"));
            continue;
        };
        let on = built.after.iter().filter_map(|on| work.get(on.as_str()));
        for on in on.filter(|on| found.started_at < on.finished_at) {
            faults.push(format!(
                "`{task}` was begun {:?} before `{}`, which it depends on, was finished",
                on.finished_at.since(found.started_at),
                on.task
            ));
        }
    }
}

fn compare_one(found: &Evidence, hold: &Hold, faults: &mut Vec<String>) {
    let Evidence { task, agent, token, started_at, finished_at, sha256, .. } = found;
    if *token != hold.token {
        faults.push(format!(
            "`{task}` was digested with token {token}, and the history says {}",
            hold.token
        ));
    }
    if agent != hold.agent {
        faults.push(format!(
            "`{task}` was digested by `{agent}`, and the history says `{}`",
            hold.agent
        ));
    }
    if hold.sha256 != Some(sha256) {
        faults.push(format!("the result of `{task}` isn't the digest that its evidence says"));
    }
    if started_at > finished_at {
        faults.push(format!("`{task}` was finished before it was begun"));
    }
    if started_at.to_ms() < hold.from || finished_at.to_ms() > hold.until {
        faults.push(format!(
            "`{task}` was digested from {started_at} to {finished_at}, and held from {} to {}",
            hold.from, hold.until
        ));
    }
}

/// How many of the spans overlap at one moment, at most.
pub fn at_once_max(spans: impl Iterator<Item = (Moment, Moment)>) -> usize {
    let (mut starts, mut ends): (Vec<_>, Vec<_>) = spans.unzip();
    starts.sort();
    ends.sort();
    let mut ends = ends.into_iter().peekable();
    let (mut now, mut max) = (0_usize, 0);
    for start in starts {
        // What ends as the other begins doesn't overlap it.
        while ends.next_if(|end| *end <= start).is_some() {
            now = now.saturating_sub(1);
        }
        now += 1;
        max = max.max(now);
    }
    max
}
