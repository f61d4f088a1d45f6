//! What is measured, a part each. A part makes the boards that it needs, has everybody take turns, and records figures.

mod blocked;
mod bulk;
mod claims;
mod one_shot;
mod policy;
mod postgres;
mod size;
mod swap;
mod tail;
mod waking;

use anyhow::Result;

use crate::bench::Bench;
use crate::figure::{Series, Unit};
use crate::fleet::Run;

/// A part.
pub struct Part {
    /// As `--only` has it.
    pub name: &'static str,
    /// One line.
    pub about: &'static str,
    /// Measures it.
    pub run: fn(&mut Bench) -> Result<()>,
}

/// All of them, in the order in which they are measured.
pub const PARTS: &[Part] = &[
    Part {
        name: "claims",
        about: "durable claims a second: taskhost, the bare loop, SQLite, a JSON file",
        run: claims::run,
    },
    Part { name: "size", about: "the same on small and on large boards", run: size::run },
    Part {
        name: "one-shot",
        about: "one claim by the command line, from its start to its exit",
        run: one_shot::run,
    },
    Part {
        name: "policy",
        about: "what WebAssembly costs, and what other languages cost",
        run: policy::run,
    },
    Part { name: "bulk", about: "adding very many tasks, and what they take up", run: bulk::run },
    Part {
        name: "blocked",
        about: "claims where most tasks aren't ready, or aren't asked for",
        run: blocked::run,
    },
    Part {
        name: "tail",
        about: "the longest claims while the board is compacted or its policy changes",
        run: tail::run,
    },
    Part {
        name: "waking",
        about: "from an added task to the answer for somebody who waits for it",
        run: waking::run,
    },
    Part {
        name: "swap",
        about: "setting another policy on a large board that is in use",
        run: swap::run,
    },
    Part {
        name: "postgres",
        about: "a board in PostgreSQL beside a queue by hand on the same server",
        run: postgres::run,
    },
];

/// A million tasks, where a figure is about very many.
const MILLION: crate::bench::Size<u64> = crate::bench::Size { full: 1_000_000, quick: 3_000 };

/// The percentiles of several runs, in microseconds.
fn percentile(name: impl Into<String>, runs: &[Run], part: f64) -> Series {
    let us = runs.iter().map(|run| run.percentile_us(part)).collect();
    Series::new(name, Unit::Microseconds, us)
}

/// The claims a second of several runs.
fn per_second(name: impl Into<String>, runs: &[Run]) -> Series {
    Series::new(name, Unit::PerSecond, runs.iter().map(|run| run.per_second).collect())
}

/// The places from 0 on, beginning with another one in each round, so that nobody always comes after the same.
fn turns(count: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |place| (place + round) % count)
}
