//! The thread that has the home connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use tokio_postgres::types::ToSql;

use super::{Shared, State};
use crate::connect::{Purpose, Server};
use crate::fault::LinkError;
use crate::link::{Call, Link};
use crate::socket::timespec;

/// How long an answer is waited for, and a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pauses between two tries to connect: at first, and at last. Once the server is there, those who live here have the
/// grace, a few seconds, to say so.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
/// How often a lock that somebody else has is asked for again.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);
/// How often the question is asked while somebody waits: soon after something has happened, and seldom where nothing does.
const QUESTION_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// How often the keeper looks though nothing has woken it.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long after a lock was taken again that is noted once more: whoever found it free before may have written that down only
/// after it was noted first.
const NOTE_AGAIN: Duration = Duration::from_secs(5);

const TAKE: &str = "SELECT pg_try_advisory_lock($1)";
const LEAVE: &str = "SELECT pg_advisory_unlock($1)";
/// Ends the server's process of a connection that is gone here, where that isn't known there: it holds what is to be taken.
const END_FORMER: &str = "\
SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
WHERE pid = $1 AND (extract(epoch FROM backend_start) * 1000000)::bigint = $2";

/// What the keeper knows.
struct Keeper<'a> {
    shared: &'a Shared,
    link: Option<Link>,
    /// The other end of the last connection that was lost.
    former: Option<Server>,
    /// How many notifications of this connection were counted.
    heard: u64,
    /// When the question was asked, and what the answer was.
    asked: Option<Instant>,
    answer: Option<i64>,
    /// How long after that it is asked again.
    ask_after: Duration,
    pause: Duration,
    /// Not before this is there another try to connect.
    connect_at: Instant,
    /// When it is noted once more that those who live here were found alive.
    note_at: Option<Instant>,
}

/// What is to be done, as the state says.
struct Duty {
    wanted: Vec<i64>,
    leaving: Vec<i64>,
    is_awaited: bool,
    /// Whether a connection is needed at all.
    is_needed: bool,
}

/// Keeps the connection until the handle is dropped and nothing is held any more.
pub(super) fn keep(shared: &Arc<Shared>) {
    let mut keeper = Keeper {
        shared,
        link: None,
        former: None,
        heard: 0,
        asked: None,
        answer: None,
        ask_after: QUESTION_EVERY.0,
        pause: PAUSE.0,
        connect_at: Instant::now(),
        note_at: None,
    };
    loop {
        shared.bell.calm();
        let mut state = shared.state.lock();
        let Some(duty) = duty(&state) else {
            state.is_running = false;
            return;
        };
        drop(state);
        if let Err(error) = keeper.turn(&duty) {
            keeper.lose(error);
        }
        keeper.rest();
    }
}

/// `None` if it is time to go.
fn duty(state: &State) -> Option<Duty> {
    if state.is_dropped && state.holds.is_empty() && state.leaving.is_empty() && state.waiters == 0
    {
        return None;
    }
    let unheld = state.holds.iter().filter(|(_, hold)| !hold.is_held);
    Some(Duty {
        wanted: unheld.map(|(key, _)| *key).collect(),
        leaving: state.leaving.clone(),
        is_awaited: state.waiters > 0,
        is_needed: state.waiters > 0 || !state.holds.is_empty(),
    })
}

impl Keeper<'_> {
    /// Does what is to be done now.
    fn turn(&mut self, duty: &Duty) -> Result<(), LinkError> {
        if let Some(link) = &mut self.link {
            link.take_in()?;
        } else if duty.is_needed && Instant::now() >= self.connect_at {
            self.connect()?;
        }
        if self.link.is_none() {
            // What was held was let go with the connection.
            self.have_left(&duty.leaving);
            return Ok(());
        }
        self.leave(&duty.leaving)?;
        self.take(&duty.wanted)?;
        self.note_again()?;
        if duty.is_awaited {
            self.ask()?;
        }
        self.count_notifications();
        Ok(())
    }

    fn connect(&mut self) -> Result<(), LinkError> {
        let until = Instant::now() + PATIENCE;
        let mut link = Link::connect_for(Purpose::Life, &self.shared.address, until)?;
        link.set_patience(PATIENCE);
        if let Some(former) =
            self.former.filter(|server| server.started_us == link.server().started_us)
        {
            // Whoever may not do this waits until the server notices by itself.
            let _ =
                link.query(Call::new(END_FORMER, &[&former.backend, &former.backend_started_us]));
        }
        link.batch(&format!("LISTEN {}", self.shared.address.schema()))?;
        self.link = Some(link);
        (self.heard, self.answer, self.asked) = (0, None, None);
        self.pause = PAUSE.0;
        let mut state = self.shared.state.lock();
        state.trouble = None;
        // What happened until now was missed.
        state.signs += 1;
        self.shared.changed.notify_all();
        Ok(())
    }

    fn leave(&mut self, keys: &[i64]) -> Result<(), LinkError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.for_each(LEAVE, keys)?;
        self.have_left(keys);
        Ok(())
    }

    fn have_left(&self, keys: &[i64]) {
        if !keys.is_empty() {
            self.shared.state.lock().leaving.retain(|key| !keys.contains(key));
            self.shared.changed.notify_all();
        }
    }

    fn take(&mut self, keys: &[i64]) -> Result<(), LinkError> {
        if keys.is_empty() {
            return Ok(());
        }
        let taken = self.for_each(TAKE, keys)?;
        self.note_found(|key| keys.iter().zip(&taken).any(|(taken, is)| taken == key && *is))?;
        let mut state = self.shared.state.lock();
        for (key, taken) in keys.iter().zip(taken) {
            match state.holds.get_mut(key) {
                Some(hold) if taken => (hold.is_held, hold.refused_since) = (true, None),
                Some(hold) => {
                    hold.refused_since.get_or_insert_with(Instant::now);
                }
                // Whoever wanted it has given up meanwhile.
                None if taken => state.leaving.push(*key),
                None => {}
            }
        }
        if !state.leaving.is_empty() {
            self.shared.bell.ring();
        }
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Says of those whose locks these are that they were found alive.
    fn note_found(&mut self, is_one: impl Fn(&i64) -> bool) -> Result<(), LinkError> {
        let state = self.shared.state.lock();
        let found = state.holds.iter().filter(|(key, hold)| is_one(key) && !hold.name.is_empty());
        let names: Vec<String> = found.map(|(_, hold)| hold.name.clone()).collect();
        drop(state);
        let (Some(link), Some(found)) = (&mut self.link, &self.shared.found) else {
            return Ok(());
        };
        if names.is_empty() {
            return Ok(());
        }
        self.note_at = Some(Instant::now() + NOTE_AGAIN);
        match link.query(Call::new(found, &[&names])) {
            // The lock counts all the same.
            Err(error) if !error.is_lost() => Ok(()),
            noted => noted.map(drop),
        }
    }

    fn note_again(&mut self) -> Result<(), LinkError> {
        if self.note_at.is_none_or(|at| Instant::now() < at) {
            return Ok(());
        }
        self.note_found(|_| true)?;
        self.note_at = None;
        Ok(())
    }

    /// Whether each of them said so.
    fn for_each(&mut self, sql: &str, keys: &[i64]) -> Result<Vec<bool>, LinkError> {
        let Some(link) = &mut self.link else { return Ok(Vec::new()) };
        let params: Vec<[&(dyn ToSql + Sync); 1]> = keys.iter().map(|key| [key as _]).collect();
        let calls: Vec<_> = params.iter().map(|params| Call::new(sql, params)).collect();
        let answers = link.pipeline(&calls)?;
        Ok(answers.iter().map(|rows| rows.first().is_some_and(|row| row.get(0))).collect())
    }

    /// Asks whether something has happened, if it is time to.
    fn ask(&mut self) -> Result<(), LinkError> {
        let now = Instant::now();
        let (Some(link), Some(question)) = (&mut self.link, &self.shared.question) else {
            return Ok(());
        };
        if self.asked.is_some_and(|asked| now < asked + self.ask_after) {
            return Ok(());
        }
        (self.asked, self.ask_after) = (Some(now), (self.ask_after * 2).min(QUESTION_EVERY.1));
        let rows = link.query(Call::new(question, &[]))?;
        let answer = rows.first().and_then(|row| row.try_get(0).ok()).flatten();
        if answer != self.answer {
            self.answer = answer;
            self.sign(1);
        }
        Ok(())
    }

    fn count_notifications(&mut self) {
        let heard = self.link.as_ref().map_or(self.heard, Link::heard);
        if heard > self.heard {
            self.sign(heard - self.heard);
            self.heard = heard;
        }
    }

    fn sign(&mut self, count: u64) {
        self.ask_after = QUESTION_EVERY.0;
        self.shared.state.lock().signs += count;
        self.shared.changed.notify_all();
    }

    /// The connection is lost, and everything that was held.
    fn lose(&mut self, error: LinkError) {
        let lost = self.link.take().map(|link| link.server());
        let had_one = lost.is_some();
        self.former = lost.or(self.former);
        // One that was lost is made again at once.
        self.connect_at = Instant::now() + if had_one { Duration::ZERO } else { self.pause };
        self.pause = if had_one { PAUSE.0 } else { (self.pause * 2).min(PAUSE.1) };
        let mut state = self.shared.state.lock();
        for hold in state.holds.values_mut() {
            (hold.is_held, hold.refused_since) = (false, None);
        }
        state.leaving.clear();
        state.trouble = Some(error);
        self.shared.changed.notify_all();
    }

    /// Waits until there is something to do.
    fn rest(&self) {
        let now = Instant::now();
        let Some(duty) = duty(&self.shared.state.lock()) else { return };
        let timeout = match &self.link {
            None if duty.is_needed => self.connect_at.saturating_duration_since(now),
            Some(_) if !duty.wanted.is_empty() => REFUSED_PAUSE,
            Some(_) if duty.is_awaited && self.shared.question.is_some() => {
                self.asked.map_or(Duration::ZERO, |asked| {
                    (asked + self.ask_after).saturating_duration_since(now)
                })
            }
            _ => LOOK_EVERY,
        };
        let note_in = self.note_at.map(|at| at.saturating_duration_since(now));
        let timeout =
            note_in.filter(|_| self.link.is_some()).map_or(timeout, |due| timeout.min(due));
        let mut asked = Vec::with_capacity(2);
        asked.extend(
            self.shared.bell.descriptor().map(|end| PollFd::from_borrowed_fd(end, PollFlags::IN)),
        );
        if let Some(link) = &self.link {
            asked.push(PollFd::new(link.socket(), link.socket().interest()));
        }
        // Whatever it is, the next turn finds out; without a bell nobody sleeps for long.
        let timeout =
            if self.shared.bell.descriptor().is_some() { timeout } else { timeout.min(PAUSE.0) };
        let _ = poll(&mut asked, Some(&timespec(timeout)));
    }
}
