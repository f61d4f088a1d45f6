//! Combining within a handle: where several threads want to claim at once, few of them have a transaction, and decide for
//! those who come meanwhile as well. So what a transaction costs (its turns to the server, its sync) is shared.
//!
//! - [`Desk`]: where those who claim meet. [`Turn`]: one who has a transaction. [`Post`]: what another one asks for.
//!
//! Invariants:
//!
//! - a post is answered once: its state goes one way, and whoever sets it has the lock on it;
//! - nobody waits long for one who has a turn: what isn't taken up in time is withdrawn, and done by itself;
//! - a turn that ends, however it ends, leaves no post behind that it has taken up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How many must wait for there to be another turn beside the first, and so on: the more share one, the less it costs each, and
/// the more are idle while it waits for the server.
const WAITING_FOR_ANOTHER: usize = 8;
/// How many have a turn at once at most.
const TURNS_MAX: usize = 2;
/// How many are served in one transaction at most.
pub(crate) const SERVED_MAX: usize = 32;
/// How long a post is left for others to take up, beside twice what the last turn took.
const PATIENCE: Duration = Duration::from_millis(20);
/// How often a poster looks after one who has taken its post up and should be done long since.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Where those who claim with one handle meet.
#[derive(Default)]
pub(crate) struct Desk(Mutex<State>);

#[derive(Default)]
struct State {
    turns: usize,
    waiting: VecDeque<Arc<Post>>,
    /// How long the last turn took.
    took: Duration,
}

impl State {
    /// Whether one more may have a turn.
    fn has_room(&self) -> bool {
        self.turns < TURNS_MAX && self.waiting.len() >= self.turns * WAITING_FOR_ANOTHER
    }
}

/// What one who waits asks for.
pub(crate) struct Post {
    pub(crate) request: Vec<u8>,
    at: Mutex<At>,
    changed: Condvar,
}

/// How far a post is.
enum At {
    Waiting,
    /// Nobody else decides it: its poster has a turn.
    Called,
    TakenUp,
    Answered(Vec<u8>),
    /// Its poster is to do it.
    Declined,
    /// It was decided, and what came of it can't be found out.
    Unknown(String),
    /// Nobody will look at it any more.
    Left,
}

/// What comes of asking for a turn.
pub(crate) enum Asked {
    /// A transaction is to be opened, and those who wait meanwhile are to be served.
    Turn(Turn),
    /// It was done by another one.
    Answered(Vec<u8>),
    /// It is to be done by itself.
    Declined,
    /// It may have been done.
    Unknown(String),
}

impl Desk {
    /// One whose last turn took so long.
    #[cfg(test)]
    pub(crate) fn after(took: Duration) -> Self {
        Self(Mutex::new(State { took, ..State::default() }))
    }

    /// Has a turn, or what came of waiting for one.
    pub(crate) fn ask(self: &Arc<Self>, request: &[u8], deadline: Instant) -> Asked {
        let (post, until) = {
            let mut state = self.0.lock();
            if state.has_room() {
                state.turns += 1;
                return Asked::Turn(Turn::new(self));
            }
            let (at, changed) = (Mutex::new(At::Waiting), Condvar::new());
            let post = Arc::new(Post { request: request.to_vec(), at, changed });
            state.waiting.push_back(post.clone());
            (post, Instant::now() + PATIENCE + state.took * 2)
        };
        self.wait(&post, deadline.min(until))
    }

    fn wait(self: &Arc<Self>, post: &Arc<Post>, until: Instant) -> Asked {
        let mut at = post.at.lock();
        loop {
            match std::mem::replace(&mut *at, At::Left) {
                At::Called => {
                    return Asked::Turn(Turn::new(self));
                }
                At::Answered(answer) => return Asked::Answered(answer),
                At::Declined | At::Left => return Asked::Declined,
                At::Unknown(why) => return Asked::Unknown(why),
                At::Waiting if Instant::now() >= until => {
                    drop(at);
                    self.0.lock().waiting.retain(|other| !Arc::ptr_eq(other, post));
                    return Asked::Declined;
                }
                At::Waiting => {
                    *at = At::Waiting;
                    post.changed.wait_until(&mut at, until);
                }
                // Whoever is at it is done within the patience that it has with the server.
                At::TakenUp => {
                    *at = At::TakenUp;
                    post.changed.wait_for(&mut at, LOOK_AGAIN);
                }
            }
        }
    }
}

impl Post {
    /// Takes it up, unless its poster has gone on.
    fn take_up(&self) -> bool {
        let mut at = self.at.lock();
        let is_waiting = matches!(*at, At::Waiting);
        if is_waiting {
            *at = At::TakenUp;
        }
        is_waiting
    }

    /// Gives its poster a turn, unless it has gone on.
    fn call(&self) -> bool {
        let mut at = self.at.lock();
        let is_waiting = matches!(*at, At::Waiting);
        if is_waiting {
            *at = At::Called;
            self.changed.notify_one();
        }
        is_waiting
    }

    fn set(&self, to: At) {
        *self.at.lock() = to;
        self.changed.notify_one();
    }
}

/// The turn of one who has a transaction, or is about to. When it ends, those that it took up and didn't answer are declined,
/// and the next one who waits is called.
pub(crate) struct Turn {
    desk: Arc<Desk>,
    taken: Vec<Arc<Post>>,
    began: Instant,
}

impl Turn {
    fn new(desk: &Arc<Desk>) -> Self {
        Self { desk: desk.clone(), taken: Vec::new(), began: Instant::now() }
    }

    /// Takes up the next ones, so many at most.
    pub(crate) fn take_up(&mut self, most: usize) -> Vec<Arc<Post>> {
        let mut state = self.desk.0.lock();
        while self.taken.len() < most
            && let Some(post) = state.waiting.pop_front()
        {
            if post.take_up() {
                self.taken.push(post);
            }
        }
        self.taken.clone()
    }

    /// Has all who wait do it themselves: there is nothing to be had together.
    pub(crate) fn decline_all(&mut self) {
        self.take_up(usize::MAX);
        self.taken.drain(..).for_each(|post| post.set(At::Declined));
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.desk.0.lock().waiting.len()
    }

    /// Tells those that were taken up, in that order; those that there is no answer for do it themselves.
    pub(crate) fn answer(&mut self, answers: Vec<Vec<u8>>) {
        let rest = self.taken.split_off(answers.len().min(self.taken.len()));
        for (post, answer) in std::mem::replace(&mut self.taken, rest).iter().zip(answers) {
            post.set(At::Answered(answer));
        }
    }

    /// Tells them that nobody knows.
    pub(crate) fn leave_unknown(&mut self, why: &str) {
        self.taken.drain(..).for_each(|post| post.set(At::Unknown(why.to_owned())));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.taken.drain(..).for_each(|post| post.set(At::Declined));
        let mut state = self.desk.0.lock();
        state.took = self.began.elapsed();
        state.turns -= 1;
        while state.has_room() {
            let Some(post) = state.waiting.pop_front() else { return };
            // It has this turn.
            state.turns += usize::from(post.call());
        }
    }
}
