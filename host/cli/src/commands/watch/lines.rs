//! What happens on a board as it happens, an event a line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use taskhost::{Board, Error, ListQuery, Mark, Sequence, Status};
use taskhost_answers::events::{self, Event, Gap, Holders};

use super::Args;
use crate::context::Context;
use crate::exit::Code;
use crate::output::Output;

/// How long a request to stop may go unheard.
const LOOK_UP: Duration = Duration::from_millis(100);
/// A look reads the board's newest journal from its start, so each is followed by a pause of this many times its own
/// length: nobody who only watches is to keep a processor busy. A request to stop is heard after the pause.
const PAUSE_TIMES: u32 = 3;
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How long to wait for an entry to become durable that is already written.
const SETTLING: Duration = Duration::from_millis(5);

/// Shows events until somebody asks it to stop, or what was asked for has come.
pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let began = Instant::now();
    let board = context.open()?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, stop.clone()).context("signals can't be heard")?;
    }
    let left = || args.at_most.map_or(PAUSE_MAX, |most| most.saturating_sub(began.elapsed()));
    let mut watcher = Watcher::start(&board, args.since)?;
    loop {
        let is_read = watcher.look(&board, context.output, |event| wanted(args, event))?;
        let is_stopped = !is_read || stop.load(Ordering::Relaxed);
        if is_stopped || (args.until_idle && watcher.is_idle(&board)?) {
            return Ok(Code::Done);
        }
        if left().is_zero() {
            // A script that waits for the end must not take a time that ran out for it.
            return Ok(if args.until_idle { Code::Nothing } else { Code::Done });
        }
        watcher.wait(&board, left())?;
    }
}

fn wanted(args: &Args, event: &Event) -> bool {
    args.task.as_ref().is_none_or(|id| event.is_about(id)) && args.wanted.has(event)
}

/// A place in the history up to which everything was shown.
struct Watcher {
    /// The last entry that was read.
    read: Sequence,
    /// What is known to have been written, if not read; and which deaths were heard of, which a watcher has no use
    /// for.
    heard: Mark,
    holders: Holders,
    /// What happened until then isn't shown.
    past: Sequence,
    /// How long the last look took.
    looked: Duration,
}

impl Watcher {
    fn start(board: &Board, since: Option<u64>) -> Result<Self, Error> {
        let heard = board.mark()?;
        if let Some(since) = since {
            // From the beginning, because only the claims before tell whose claim an event ended.
            let (read, past) = (Sequence(0), Sequence(since));
            return Ok(Self {
                read,
                heard,
                holders: Holders::default(),
                past,
                looked: Duration::ZERO,
            });
        }
        // Both from one instant: who holds what, and up to which entry that is so.
        let view = board.view()?;
        let held = ListQuery {
            statuses: vec![Status::InProgress],
            limit: usize::MAX,
            ..ListQuery::default()
        };
        let (now, held) = (view.head()?.sequence, view.list(&held)?.tasks);
        Ok(Self { read: now, heard, holders: Holders::at(held), past: now, looked: Duration::ZERO })
    }

    /// Shows what has come since the last look; `false` once nobody reads it any more.
    fn look(
        &mut self,
        board: &Board,
        output: Output,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<bool> {
        self.looked = Duration::ZERO;
        if self.heard.newest <= self.read {
            return Ok(true);
        }
        let began = Instant::now();
        // All of this is durable, so what of it can't be read below isn't kept any more.
        let head = board.head()?.sequence;
        let mut shown = Ok(true);
        board.history(self.read, |sequence, entry| {
            shown = self.skip_to(sequence, output);
            self.read = sequence;
            for event in events::of_entry(sequence, &entry, &mut self.holders) {
                if sequence > self.past && wanted(&event) && matches!(shown, Ok(true)) {
                    shown = output.event(&event);
                }
            }
            matches!(shown, Ok(true))
        })?;
        if self.read < head && matches!(shown, Ok(true)) {
            shown = self.skip_to(head.next(), output);
            self.read = head;
        }
        self.looked = began.elapsed();
        shown
    }

    /// Says what is missing if this is the next that is there; `false` once nobody reads it any more.
    fn skip_to(&mut self, next: Sequence, output: Output) -> Result<bool> {
        if next > self.read.next() {
            // Who took or let go of what in between isn't known.
            self.holders = Holders::default();
        }
        let gap = Gap::between(self.read.max(self.past), next);
        gap.map_or(Ok(true), |gap| output.aside(&gap))
    }

    /// Whether everything was shown and nothing is open.
    fn is_idle(&self, board: &Board) -> Result<bool, Error> {
        let head = board.head()?;
        Ok(head.sequence <= self.read && head.counts.open() == 0)
    }

    /// Waits until there is something to look at, no longer than `at_most`.
    fn wait(&mut self, board: &Board, at_most: Duration) -> Result<(), Error> {
        std::thread::sleep((self.looked * PAUSE_TIMES).min(PAUSE_MAX).min(at_most));
        // What was written last time and couldn't be read yet is waited for without being called again.
        let is_settling = self.heard.newest > self.read;
        let at_most = if is_settling { at_most.min(SETTLING) } else { at_most.min(LOOK_UP) };
        let newest = self.heard.newest.max(self.read);
        self.heard = board.wait(Mark { newest, ..self.heard }, at_most)?;
        Ok(())
    }
}
