//! `kill -9` at any moment loses nothing that was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use taskhost::{Change, Sequence};
use taskhost_tests::{Kept, TestBoard};

/// A worker that churns the board, and the lines it says.
struct Worker {
    child: Child,
    lines: Receiver<String>,
}

impl Worker {
    fn start(board: &TestBoard, name: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.arg("churn").arg(board.address().as_os_str()).arg(name).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            // A line that was cut off by the kill has no end, and was not acknowledged.
            for line in out.split(b'\n').map_while(Result::ok) {
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Kills it once it has said `count` lines more, and gives all that it said.
    fn kill_after(mut self, count: usize) -> Vec<String> {
        let mut said: Vec<String> =
            (0..count).map(|_| self.lines.recv().expect("a worker goes on")).collect();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        said.extend(self.lines.iter());
        said
    }
}

#[test]
fn two_hundred_killed_writers_lose_nothing_that_was_acknowledged() {
    let board = TestBoard::new();
    let mut acknowledged = Vec::new();
    let mut seed = 7_usize;
    let mut kills = 0;
    let mut workers: Vec<Worker> =
        (0..4).map(|n| Worker::start(&board, &format!("w{n}"))).collect();
    while kills < 200 {
        // Which one dies, and after how many more answers, differs from kill to kill.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let victim = workers.swap_remove((seed >> 33) % workers.len());
        acknowledged.extend(victim.kill_after((seed >> 40) % 12));
        kills += 1;
        workers.push(Worker::start(&board, &format!("k{kills}")));
    }
    for worker in workers {
        acknowledged.extend(worker.kill_after(0));
    }

    board.assert_healthy();
    // What the journal says happened, in its order.
    let mut happened: BTreeSet<String> = BTreeSet::new();
    let mut holder: BTreeMap<String, u64> = BTreeMap::new();
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    let mut tokens: BTreeSet<u64> = BTreeSet::new();
    let record = |_: Sequence, entry: taskhost::Entry| {
        for change in &entry.changes {
            match change {
                Change::Added(task) => {
                    assert!(
                        happened.insert(format!("added {}", task.id)),
                        "{} was added twice",
                        task.id
                    );
                }
                Change::Claimed { id, claim } => {
                    let token = claim.token.0;
                    assert!(last.insert(id.to_string(), token) < Some(token), "tokens grow");
                    // On the whole board too, unless claims of different tasks are made side by side.
                    let greatest = tokens.last().copied().unwrap_or_default();
                    assert!(token > greatest || Kept::here() == Kept::InPostgres);
                    assert!(tokens.insert(token), "`{token}` was given twice");
                    assert!(
                        holder.insert(id.to_string(), token).is_none(),
                        "{id} was given away while it was held"
                    );
                    happened.insert(format!("claimed {id} {token}"));
                }
                Change::Finished { id, status, .. } => {
                    let token = holder.remove(id.as_str()).expect("only a held task ends here");
                    happened.insert(format!("{status} {id} {token}"));
                }
                Change::Released { id, .. } => {
                    let token = holder.remove(id.as_str()).expect("only a held task is released");
                    happened.insert(format!("released {id} {token}"));
                }
                Change::Recovered { id, .. } => {
                    holder.remove(id.as_str()).expect("only a held task is recovered");
                }
                _ => {}
            }
        }
        true
    };
    board.open().history(Sequence(0), record).unwrap();
    let lost: Vec<&String> = acknowledged.iter().filter(|line| !happened.contains(*line)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(acknowledged.len() > 200, "too little happened: {}", acknowledged.len());
}
