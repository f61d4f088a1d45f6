//! The agent's seat at the board: its session, and the tokens of what it claimed.
//!
//! The session begins with the first request that needs it, because the client says its name only when it has come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use taskhost::domain::Error as BoardError;
use taskhost::{Board, Error, Name, Proof, Session, SessionOptions, Task, TaskId, Token};

use crate::Options;

/// What an agent is called whose client has no name that could be one.
const NAME_DEFAULT: &str = "mcp-agent";

/// Where an agent sits.
pub struct Seat {
    board: Board,
    options: Options,
    session: OnceLock<Session>,
    /// Two requests may come before the session is there.
    beginning: Mutex<()>,
    tokens: Mutex<HashMap<TaskId, Token>>,
    waiting: AtomicUsize,
}

/// How many requests may wait for a task at once: each takes up a thread, and heartbeats need some too.
const WAITING_MAX: usize = 32;

impl Seat {
    /// A seat that nobody has taken yet.
    pub fn new(board: Board, options: Options) -> Self {
        let (session, beginning, tokens, waiting) = Default::default();
        Self { board, options, session, beginning, tokens, waiting }
    }

    /// The board.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Begins the session if the agent's name is known, so that what is wrong with it is said at once.
    pub fn take_if_named(&self) -> Result<(), Error> {
        match self.options.agent {
            Some(_) => self.session(None).map(|_| ()),
            None => Ok(()),
        }
    }

    /// The agent's session; it begins now if it hasn't. `client` is what the client calls itself.
    pub fn session(&self, client: Option<&str>) -> Result<&Session, Error> {
        if let Some(session) = self.session.get() {
            return Ok(session);
        }
        let _beginning = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = self.session.get() {
            return Ok(session);
        }
        let name = self.options.agent.clone().unwrap_or_else(|| name_of(client));
        let usual = SessionOptions::new(name);
        let session = self.board.session(&SessionOptions {
            kind: self.options.kind,
            hostname: self.options.hostname.clone().or(usual.hostname.clone()),
            capabilities: self.options.capabilities.clone(),
            session: self.options.session.clone(),
            ..usual
        })?;
        // What a session of the same id held before, if this one goes on from it.
        for claimed in session.held()? {
            self.remember(claimed.task());
        }
        Ok(self.session.get_or_init(|| session))
    }

    /// Room to wait for a task, if there is some.
    pub fn wait(&self) -> Option<Waiting<'_>> {
        let waiting = Waiting(&self.waiting);
        (self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX).then_some(waiting)
    }

    /// Keeps the token of a task that was claimed.
    pub fn remember(&self, task: &Task) {
        if let Some(claim) = &task.claim {
            let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            let token = tokens.entry(task.id.clone()).or_insert(claim.token);
            *token = claim.token.max(*token);
        }
    }

    /// Forgets this token, which doesn't hold its task any more. One that was got since stays.
    pub fn forget(&self, id: &TaskId, token: Option<Token>) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.get(id).copied() == token {
            tokens.remove(id);
        }
    }

    /// What shows that the agent holds a task: the token that it says, or the one that was kept for it.
    pub fn proof(&self, session: &Session, id: &TaskId, said: Option<Token>) -> Proof {
        let kept = || {
            let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.get(id).copied()
        };
        Proof { agent: session.agent().name.clone(), token: said.or_else(kept) }
    }

    /// Forgets the token if the error says that the claim isn't the agent's any more.
    pub fn forget_if_lost(&self, id: &TaskId, presented: Option<Token>, error: &Error) {
        if matches!(error, Error::Board(BoardError::Stale { .. } | BoardError::NoSuchTask(_))) {
            self.forget(id, presented);
        }
    }
}

/// A request that waits for a task.
pub struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A client's name as an agent's: `Claude Code` is `Claude-Code`.
fn name_of(client: Option<&str>) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._:-".contains(c) { c } else { '-' };
    let name: String = client.unwrap_or_default().trim().chars().map(allowed).take(64).collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if Name::new(name).is_ok() { name.to_owned() } else { NAME_DEFAULT.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_called_by_names_that_can_be() {
        assert_eq!(name_of(Some("Claude Code")), "Claude-Code");
        assert_eq!(name_of(Some("-- größe --")), "gr--e");
        for nameless in [None, Some(""), Some("  "), Some("名前")] {
            assert_eq!(name_of(nameless), NAME_DEFAULT);
        }
    }
}
