//! How much was finished and how long tasks waited to be claimed, over the recent past: counted as the history is read.

use std::collections::{HashMap, VecDeque};

use taskhost::{Change, Entry, Millis, Readiness, Status, TaskId};

/// How far the parts of the past that are counted reach back: as many as a wide terminal has columns.
const CELLS_MAX: usize = 240;
/// Since when so many tasks are ready is known at a time; how long others waited isn't counted.
const READY_MAX: usize = 100_000;

/// How long each part of the past is that is counted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Step {
    TenSeconds,
    #[default]
    Minute,
    TenMinutes,
}

impl Step {
    const ALL: [Self; 3] = [Self::TenSeconds, Self::Minute, Self::TenMinutes];

    fn ms(self) -> u64 {
        match self {
            Self::TenSeconds => 10_000,
            Self::Minute => 60_000,
            Self::TenMinutes => 600_000,
        }
    }

    /// Its length in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TenSeconds => "10s",
            Self::Minute => "1m",
            Self::TenMinutes => "10m",
        }
    }

    /// The next longer one; the shortest after the longest.
    pub fn next(self) -> Self {
        match self {
            Self::TenSeconds => Self::Minute,
            Self::Minute => Self::TenMinutes,
            Self::TenMinutes => Self::TenSeconds,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    finished: u64,
    claimed: u64,
    waited_ms: u64,
}

/// A part of the past after the other, the newest last.
#[derive(Debug, Clone, Default)]
struct Series {
    cells: VecDeque<Cell>,
    /// Which part of all time the last one is.
    newest: u64,
}

impl Series {
    /// The cell of this part of all time, if it isn't too long ago.
    fn cell(&mut self, at: u64) -> Option<&mut Cell> {
        if self.cells.is_empty() {
            self.newest = at;
            self.cells.push_back(Cell::default());
        }
        for _ in 0..at.saturating_sub(self.newest).min(CELLS_MAX as u64) {
            self.cells.push_back(Cell::default());
        }
        while self.cells.len() > CELLS_MAX {
            self.cells.pop_front();
        }
        self.newest = self.newest.max(at);
        let back = usize::try_from(self.newest - at).unwrap_or(usize::MAX);
        let place = self.cells.len().checked_sub(back.saturating_add(1))?;
        self.cells.get_mut(place)
    }

    /// The last `columns` parts up to this one.
    fn last(&self, now: u64, columns: usize, of: impl Fn(&Cell) -> u64) -> Vec<u64> {
        let value = |back: usize| {
            let at = now.checked_sub(back as u64)?;
            let behind = usize::try_from(self.newest.checked_sub(at)?).ok()?;
            let place = self.cells.len().checked_sub(behind + 1)?;
            self.cells.get(place).map(&of)
        };
        (0..columns).rev().map(|back| value(back).unwrap_or_default()).collect()
    }
}

/// What was counted.
#[derive(Debug, Clone, Default)]
pub struct Charts {
    series: [Series; 3],
}

impl Charts {
    fn count(&mut self, at: Millis, count: impl Fn(&mut Cell)) {
        for (series, step) in self.series.iter_mut().zip(Step::ALL) {
            if let Some(cell) = series.cell(at.0 / step.ms()) {
                count(cell);
            }
        }
    }

    /// How many tasks were completed or failed, the newest part last.
    pub fn finished(&self, step: Step, now: Millis, columns: usize) -> Vec<u64> {
        self.series[step as usize].last(now.0 / step.ms(), columns, |cell| cell.finished)
    }

    /// How long tasks waited on average, in milliseconds, from being ready to being claimed then; the newest part last.
    pub fn waited_ms(&self, step: Step, now: Millis, columns: usize) -> Vec<u64> {
        let mean = |cell: &Cell| cell.waited_ms.checked_div(cell.claimed).unwrap_or_default();
        self.series[step as usize].last(now.0 / step.ms(), columns, mean)
    }
}

/// Counts what is read of the history.
#[derive(Debug, Default)]
pub struct Counting {
    pub charts: Charts,
    ready: HashMap<TaskId, Millis>,
}

impl Counting {
    /// Counts an entry.
    pub fn count(&mut self, entry: &Entry) {
        let at = entry.time;
        for change in &entry.changes {
            match change {
                Change::Added(task) => self.answered(&task.id, &task.readiness, at),
                Change::Answered { id, readiness } => self.answered(id, readiness, at),
                Change::Claimed { id, .. } => {
                    if let Some(since) = self.ready.remove(id) {
                        let waited = at.0.saturating_sub(since.0);
                        self.charts.count(at, |cell| {
                            cell.claimed += 1;
                            cell.waited_ms = cell.waited_ms.saturating_add(waited);
                        });
                    }
                }
                Change::Finished { id, status, .. } => {
                    self.ready.remove(id);
                    if matches!(status, Status::Completed | Status::Failed) {
                        self.charts.count(at, |cell| cell.finished += 1);
                    }
                }
                Change::Accepted { .. } => self.charts.count(at, |cell| cell.finished += 1),
                Change::Blocked { id, .. } => {
                    self.ready.remove(id);
                }
                _ => {}
            }
        }
    }

    fn answered(&mut self, id: &TaskId, readiness: &Readiness, at: Millis) {
        if !matches!(readiness, Readiness::Ready(_)) {
            self.ready.remove(id);
        } else if self.ready.len() < READY_MAX {
            // What is answered once more, because something about it changed, was ready before.
            self.ready.entry(id.clone()).or_insert(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use taskhost::domain::{Command, Request};
    use taskhost_answers::sample;

    use super::*;

    fn count(counting: &mut Counting, at: u64, change: Change) {
        let request = Request::of(Command::Upkeep);
        counting.count(&Entry { time: Millis(at), request, seed: 0, changes: vec![change] });
    }

    fn id() -> TaskId {
        sample::task().id
    }

    fn finished() -> Change {
        Change::Finished {
            id: id(),
            status: Status::Completed,
            verb: None,
            reason: None,
            result: None,
            error: None,
        }
    }

    #[test]
    fn waiting_is_from_being_ready_to_being_claimed() {
        let mut counting = Counting::default();
        let ready = || Change::Answered { id: id(), readiness: Readiness::Ready(0) };
        count(&mut counting, 60_000, ready());
        count(&mut counting, 61_000, ready());
        count(
            &mut counting,
            65_000,
            Change::Claimed { id: id(), claim: Box::new(sample::claim()) },
        );
        count(&mut counting, 125_000, finished());
        let now = Millis(130_000);
        assert_eq!(counting.charts.waited_ms(Step::Minute, now, 3), [0, 5_000, 0]);
        assert_eq!(counting.charts.finished(Step::Minute, now, 3), [0, 0, 1]);
        assert_eq!(counting.charts.finished(Step::TenMinutes, now, 2), [0, 1]);
    }

    #[test]
    fn past_moves_on_also_while_nothing_happens_and_is_forgotten() {
        let mut counting = Counting::default();
        count(&mut counting, 60_000, finished());
        assert_eq!(counting.charts.finished(Step::Minute, Millis(180_000), 3), [1, 0, 0]);
        assert_eq!(counting.charts.finished(Step::Minute, Millis(240_000), 3), [0, 0, 0]);
        // A clock that was put far forward, and back.
        count(&mut counting, u64::MAX, finished());
        count(&mut counting, 70_000, finished());
        let cells = counting.charts.series.each_ref().map(|series| series.cells.len());
        assert!(cells.iter().all(|cells| *cells <= CELLS_MAX), "{cells:?}");
        assert_eq!(counting.charts.finished(Step::Minute, Millis(180_000), 3), [0, 0, 0]);
    }
}
