//! Who is dead: a session whose life lock, an advisory lock of its handle's own connection, is free.
//!
//! The server lets such a lock go when the connection ends: at once if the process died, because its kernel closes what
//! it had open. But it ends too when the server is restarted, or an administrator or something on the way cuts it, while
//! the agent lives and takes its lock again within a second. So a free lock proves a death only if it was found free
//! twice, some seconds apart, by the server's clock; or if the session said itself that it ended. A host that is cut off
//! without a word keeps its lock as long as the server takes its connection for alive: then the lease decides.
//!
//! What was found first stands in the table `missing`, so that those who look once and end find it together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use parking_lot::Mutex;
use taskhost_board::{Cell, LifeGuard, ReadError, SessionId, Vital};

use crate::home::{HoldError, Home, LifeHold};

use crate::keys::{Kind, key};
use crate::link::Call;
use crate::rows::bigint;
use crate::shared::{Shared, read_error};
use crate::sql;
use crate::tx::Tx;

/// How long after its lock was found free first a session is taken for dead, unless said otherwise.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// How long a session that ends tries to say so.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long what is known of sessions without claims is kept, in milliseconds.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// When the first of those whose life lock was found free are taken for dead, if it is free then; in a moment, where that
/// was to be looked at already.
pub(crate) const NEXT_PROOF: &str = "\
SELECT greatest(min(m.since) + $1::bigint, $2::bigint + 100) AS at FROM missing m \
WHERE m.since < 9223372036854775807 \
  AND EXISTS (SELECT FROM claims c WHERE c.session = m.session) HAVING count(*) > 0";

/// The advisory lock that a session holds for as long as it lives.
pub(crate) fn life_key(shared: &Shared, session: &SessionId) -> i64 {
    key(shared.address.schema(), Kind::Session, session.as_str())
}

impl Tx {
    /// Which of these are dead, unless another transaction is looking just now.
    pub(crate) fn look_for_dead(&mut self, holders: &[Vital]) -> Result<Vec<Vital>, ReadError> {
        let cell = Cell("dead".into());
        let key = crate::tx::cell_key(&self.shared, &cell);
        let rows = self.rows(Call::of(sql::TRY_LOCK, vec![&key]))?;
        if !rows.first().is_some_and(|row| row.get("got")) {
            return Ok(self.dead_processes(holders));
        }
        self.dead(holders, true)
    }

    /// Which of these are dead; what is found out is only noted by one at a time, so that nobody waits for another one.
    pub(crate) fn dead(
        &mut self,
        holders: &[Vital],
        may_note: bool,
    ) -> Result<Vec<Vital>, ReadError> {
        let mut dead = self.dead_processes(holders);
        let sessions = holders.iter().filter_map(|vital| match vital {
            Vital::Session(session) => Some((session.as_str(), session)),
            Vital::Process(_) => None,
        });
        let sessions: BTreeMap<&str, &SessionId> = sessions.collect();
        if sessions.is_empty() {
            return Ok(dead);
        }
        let names: Vec<&str> = sessions.keys().copied().collect();
        let locks: Vec<i64> =
            sessions.values().map(|session| life_key(&self.shared, session)).collect();
        let answers = self.run(&[
            Call::of(sql::FREE_LIVES, vec![&names, &locks]),
            Call::of(sql::MISSING, vec![&names]),
        ])?;
        let now = bigint(self.outset.now.wall.0);
        let mut missing: BTreeMap<&str, i64> = BTreeMap::new();
        for row in answers.get(1).into_iter().flatten() {
            missing.insert(row.get("session"), row.get("since"));
        }
        let (mut newly, mut found) = (Vec::new(), Vec::new());
        for row in answers.first().into_iter().flatten() {
            let (name, is_free): (&str, bool) = (row.get("session"), row.get("free"));
            match (is_free, missing.get(name)) {
                (true, Some(since)) if now - since >= self.shared.grace_ms => {
                    dead.extend(sessions.get(name).map(|id| Vital::Session((*id).clone())));
                }
                (true, Some(_)) | (false, None) => {}
                (true, None) => newly.push(name),
                (false, Some(_)) => found.push(name),
            }
        }
        if may_note && (!newly.is_empty() || !found.is_empty()) {
            self.has_notes = true;
            self.run(&[
                Call::of(sql::NOTE_MISSING, vec![&newly, &now]),
                Call::of(sql::NOTE_FOUND, vec![&found]),
                Call::of(sql::FORGET_MISSING, vec![&(now - KEPT_MS)]),
            ])?;
        }
        Ok(dead)
    }

    fn dead_processes(&self, holders: &[Vital]) -> Vec<Vital> {
        let is_dead = |vital: &&Vital| match vital {
            Vital::Process(process) => (self.shared.is_process_dead)(process),
            Vital::Session(_) => false,
        };
        holders.iter().filter(is_dead).cloned().collect()
    }
}

/// A session that lives.
pub(crate) struct Life {
    shared: Arc<Shared>,
    session: SessionId,
    /// The process that it lives in: a forked child has a copy of this.
    process: u32,
    /// Let go before the session says that it has ended.
    hold: Mutex<Option<LifeHold>>,
}

impl LifeGuard for Life {}

impl Life {
    /// Takes the session's life lock.
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        home: &Home,
        session: &SessionId,
    ) -> Result<Self, ReadError> {
        // Whoever goes by the same name as one that ended isn't that one: the home connection notes that it was found.
        let hold = home.live_as(life_key(shared, session), session.as_str());
        let hold = hold.map_err(|error| match error {
            HoldError::Busy => ReadError::Failed(format!("session `{session}` is living already")),
            HoldError::Link(error) => read_error(&error),
        })?;
        let (shared, session) = (shared.clone(), session.clone());
        let process = std::process::id();
        Ok(Self { shared, session, process, hold: Mutex::new(Some(hold)) })
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        drop(self.hold.lock().take());
        if std::process::id() != self.process {
            return;
        }
        // A hint: without it the session is found missing a little later.
        let name = self.session.as_str();
        let calls = [Call::of(sql::NOTE_ENDED, vec![&name]), self.shared.notify()];
        let _ = self.shared.ask(&calls, Deadline::now() + LAST_WORDS);
    }
}
