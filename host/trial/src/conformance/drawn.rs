//! Scenarios drawn by chance, for what nobody thought of.

use std::fmt::Write as _;

use fastrand::Rng;

/// How many steps each has.
const STEPS: usize = 80;
/// How many tasks there are at most.
const TASKS_MAX: usize = 24;

const AGENTS: [&str; 4] = ["ada", "bob", "cy", "dan"];
const TYPES: [&str; 3] = ["plan", "build", "test"];
const LABELS: [&str; 3] = ["red", "green", "blue"];
const CAPABILITIES: [&str; 2] = ["rust", "gpu"];
const LENGTHS: [&str; 5] = ["1s", "40s", "10m", "45m", "8h"];

/// The scenario of this number, as a file.
pub(super) fn scenario(seed: u64) -> String {
    let mut draw = Draw { rng: Rng::with_seed(seed), tasks: 0 };
    let mut text = format!("# Drawn by chance, from the number {seed}.\n");
    for _ in 0..3 {
        draw.add(&mut text);
    }
    for _ in 0..STEPS {
        draw.step(&mut text);
    }
    text
}

struct Draw {
    rng: Rng,
    /// How many were added: they are called `t0`, `t1` and so on.
    tasks: usize,
}

impl Draw {
    fn of(&mut self, words: &[&'static str]) -> &'static str {
        words[self.rng.usize(..words.len())]
    }

    /// True once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.rng.usize(..times) == 0
    }

    fn task(&mut self) -> usize {
        self.rng.usize(..self.tasks)
    }

    fn add(&mut self, text: &mut String) {
        let task_type = self.of(&TYPES);
        let mut line = format!("add t{} --type {task_type}", self.tasks);
        // Only what was added before can be a parent or come before it.
        if self.tasks > 0 {
            if self.once_in(3) {
                let _ = write!(line, " --parent t{}", self.task());
            }
            if self.once_in(3) {
                let _ = write!(line, " --after t{}", self.task());
            }
        }
        if self.once_in(3) {
            let _ = write!(line, " --label {}", self.of(&LABELS));
        }
        if self.once_in(5) {
            let _ = write!(line, " --needs {}", self.of(&CAPABILITIES));
        }
        if self.once_in(8) {
            let _ = write!(line, " --assignee {}", self.of(&AGENTS));
        }
        if self.once_in(8) {
            let _ = write!(line, " --not-before {}", self.of(&LENGTHS));
        }
        if self.once_in(4) {
            let _ = write!(line, " --data {{\"cost\": {}, \"hours\": 2}}", self.rng.u32(..100));
        }
        let _ = writeln!(text, "{line} --priority {} => anything", self.rng.i32(-3..4));
        self.tasks += 1;
    }

    fn claim(&mut self) -> String {
        let mut line = format!("claim {}", self.of(&AGENTS));
        if self.once_in(4) {
            let _ = write!(line, " --type {}", self.of(&TYPES));
        }
        if self.once_in(6) {
            let _ = write!(line, " --label {}", self.of(&LABELS));
        }
        if self.once_in(3) {
            line += " --capability rust,gpu";
        }
        if self.once_in(8) {
            let _ = write!(line, " --task t{}", self.task());
        }
        if self.once_in(6) {
            let _ = write!(line, " --lease {}", self.of(&LENGTHS));
        }
        line
    }

    fn step(&mut self, text: &mut String) {
        let agent = self.of(&AGENTS);
        let task = self.task();
        let line = match self.rng.u32(..100) {
            0..12 if self.tasks < TASKS_MAX => return self.add(text),
            0..45 => self.claim(),
            45..60 => format!("complete @{agent}"),
            60..67 => format!("fail @{agent} --error \"by chance\""),
            67..70 => format!("release @{agent}"),
            70..73 => format!("heartbeat @{agent}"),
            73..80 => {
                let _ = writeln!(text, "wait {}", self.of(&LENGTHS));
                return;
            }
            80..83 => {
                let _ = writeln!(text, "die {agent}");
                return;
            }
            83..86 => {
                let _ = writeln!(text, "explain t{task} {agent}");
                return;
            }
            86..88 => format!("cancel t{task} --cascade"),
            88..91 => format!("retry t{task}"),
            91..93 => format!("block t{task} --force"),
            93..95 => format!("unblock t{task}"),
            95..97 => format!("update t{task} --priority {}", self.rng.i32(-3..4)),
            97..99 => format!("assign t{task} --to {agent}"),
            _ => format!("release t{task} --force"),
        };
        let _ = writeln!(text, "{line} => anything");
    }
}
