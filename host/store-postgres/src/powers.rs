//! What policies may do beyond their transaction: named locks, which are advisory locks, and small files, a row each.
//!
//! Names are as they are on a board in files, so that a policy finds the same on both. The files that several boards share
//! are in a schema of their own, `taskhost` (no board's is called so), under the name that the boards' setting `shared_files` has.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use parking_lot::Mutex;
use taskhost_board::{
    FILE_BYTES_MAX, FileFailure, LifeGuard, LockFailure, Place, Powers, ReadError,
};

use crate::begin;
use crate::keys::{Kind, key};
use crate::link::{Call, Link, LinkError, Param, Row};
use crate::shared::{Shared, read_error};
use crate::sql;

/// How long a connection is waited for, at least.
const CONNECTING: Duration = Duration::from_secs(2);

/// The powers of a board's policies.
pub(crate) struct PostgresPowers(pub(crate) Arc<Shared>);

/// One or several advisory locks of a connection that nobody else uses meanwhile.
pub(crate) struct SessionLock {
    shared: Arc<Shared>,
    link: Mutex<Option<Link>>,
    /// The first is what others know it by.
    keys: Vec<i64>,
    /// Whether it is held by hand: then others are told by whom, and hear of its end.
    is_by_hand: bool,
}

impl LifeGuard for SessionLock {}

impl Drop for SessionLock {
    fn drop(&mut self) {
        let Some(mut link) = self.link.lock().take() else { return };
        // A connection that doesn't let go of it is closed, and that does.
        let let_go = Call::of(sql::LET_GO, Vec::new());
        if self.is_by_hand {
            let _ = link.pipeline(&[let_go, self.shared.notify()]);
        } else if link.pipeline(&[let_go]).is_ok() {
            self.shared.put_aside(link);
        }
    }
}

impl SessionLock {
    /// The lock, and the server's process that has it for this one: by this others can see that it is held.
    pub(crate) fn marker(&self) -> String {
        let backend = self.link.lock().as_ref().map_or(0, |link| link.server().backend);
        format!(
            "postgres/{:016x}/{backend}",
            self.keys.first().copied().unwrap_or_default().cast_unsigned()
        )
    }

    /// Lets what this process starts from now on inherit the connection: the server takes it for alive, and the lock for
    /// held, as long as anybody has a descriptor of it.
    pub(crate) fn outlive_this_process(&self) -> io::Result<()> {
        match self.link.lock().as_ref() {
            Some(link) => link.socket().hand_on(),
            None => Ok(()),
        }
    }

    /// Says that it is held by hand, and by whom, where somebody looks.
    pub(crate) fn by_hand(mut self, who: Option<&str>) -> Result<Self, LinkError> {
        self.is_by_hand = true;
        if let (Some(who), Some(link)) = (who, self.link.lock().as_mut()) {
            // The server keeps 63 bytes of it.
            link.pipeline(&[Call::of(sql::CALL_ME, vec![&who])])?;
        }
        Ok(self)
    }

    /// Waits for the locks of these keys, one after the other, until `deadline`; `None` if somebody else had one of them all the
    /// while.
    pub(crate) fn take(
        shared: &Arc<Shared>,
        keys: Vec<i64>,
        deadline: Deadline,
    ) -> Result<Option<Self>, LinkError> {
        // However little patience there is for the lock: it may be free.
        let mut link = shared.link_aside(deadline.max(Deadline::now() + CONNECTING))?;
        let left = deadline.saturating_duration_since(Deadline::now());
        let timeout = left.max(Duration::from_millis(1)).as_millis().to_string();
        link.set_patience(left + Duration::from_secs(5));
        let mut calls = vec![Call::of(sql::SESSION_LOCK_TIMEOUT, vec![&timeout])];
        calls.extend(keys.iter().map(|key| Call::of(sql::TAKE, vec![key])));
        let taken = link.pipeline(&calls);
        link.set_patience(crate::link::PATIENCE);
        match taken {
            Ok(_) => {
                let (shared, link) = (shared.clone(), Mutex::new(Some(link)));
                Ok(Some(Self { shared, link, keys, is_by_hand: false }))
            }
            Err(LinkError::NotAvailable(_)) => {
                link.pipeline(&[Call::of(sql::LET_GO, Vec::new())])?;
                shared.put_aside(link);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether it is held still: it went with its connection, if that is lost.
    pub(crate) fn is_held(&self) -> bool {
        self.run(Call::new("SELECT 1", &[])).is_ok()
    }

    /// Runs a statement on the connection that has the lock: what is answered was done while it was held.
    pub(crate) fn run(&self, call: Call<'_>) -> Result<Vec<Row>, LinkError> {
        match self.link.lock().as_mut() {
            Some(link) => link.query(call),
            None => Err(LinkError::Other("the lock was let go".into())),
        }
    }
}

/// Makes the place for files that boards of this database share, unless it is there.
pub(crate) fn make_shared_files(shared: &Shared, deadline: Deadline) -> Result<(), ReadError> {
    // One maker at a time: that a schema isn't there is seen before it is made.
    let lock = key("taskhost", Kind::Create, "");
    let calls = [
        Call::of(sql::BEGIN, Vec::new()),
        Call::of(sql::LOCK_ALONE, vec![&lock]),
        Call::of(sql::MAKE_SHARED, Vec::new()),
        Call::of(sql::MAKE_SHARED_FILES, Vec::new()),
        Call::of(sql::COMMIT, Vec::new()),
    ];
    shared.ask(&calls, deadline).map(|_| ())
}

fn broken(error: impl std::fmt::Display) -> FileFailure {
    FileFailure::Failed(error.to_string())
}

/// The rule for names of locks and files.
fn check(name: &str) -> Result<(), String> {
    let is_name = name.len() <= 128
        && name.bytes().enumerate().all(|(i, byte)| {
            byte.is_ascii_alphanumeric() || (i > 0 && matches!(byte, b'.' | b'_' | b'-'))
        })
        && !name.is_empty();
    if is_name {
        Ok(())
    } else {
        Err(format!(
            "`{name}` is not a name of a lock or a file: it is a letter or digit, then up to 127 letters, digits, `.`, \
             `_` or `-`"
        ))
    }
}

impl PostgresPowers {
    /// The name under which several boards share files, if this one does.
    fn shared_name(&self, deadline: Deadline) -> Result<String, FileFailure> {
        let mut tx = begin::look(&self.0, deadline).map_err(broken)?;
        let Some(name) = tx.outset.basis.settings.shared_files.clone() else {
            return Err(FileFailure::Forbidden(
                "this board shares no files: `taskhost config set shared_files NAME` says with which boards".into(),
            ));
        };
        let there = tx.rows(Call::of(sql::ARE_FILES_SHARED, Vec::new())).map_err(broken)?;
        if there.first().is_some_and(|row| row.get(0)) {
            return Ok(name);
        }
        // The board came from elsewhere, and brought the setting along.
        Err(FileFailure::Forbidden(format!(
            "no board of this database shares files yet: `taskhost config set shared_files '{name}'` says that this one does"
        )))
    }

    fn ask(&self, call: Call<'_>, deadline: Deadline) -> Result<Vec<Row>, FileFailure> {
        let rows: Result<_, ReadError> = self.0.ask(&[call], deadline);
        Ok(rows.map_err(broken)?.pop().unwrap_or_default())
    }

    /// Changes something.
    fn change(&self, call: Call<'_>, deadline: Deadline) -> Result<(), FileFailure> {
        let changed = self.0.ask(&changing(call), deadline);
        changed.map(drop).map_err(|error| self.unchanged(broken(error), deadline))
    }

    /// The same for a change that isn't the same if it is made twice; what it gives back.
    fn change_once(&self, call: Call<'_>, deadline: Deadline) -> Result<Vec<Row>, FileFailure> {
        let mut link = self.0.pool.get(deadline).map_err(broken)?;
        match link.pipeline(&changing(call)) {
            Ok(mut answers) => Ok(answers.swap_remove(CHANGED)),
            Err(LinkError::Lost(why)) => Err(FileFailure::Failed(format!(
                "whether the file was replaced is unknown, so read it again: {why}"
            ))),
            Err(error) => {
                drop(link);
                Err(self.unchanged(broken(read_error(&error)), deadline))
            }
        }
    }

    /// Why nothing was changed: perhaps because the board is elsewhere.
    fn unchanged(&self, error: FileFailure, deadline: Deadline) -> FileFailure {
        let here = begin::look(&self.0, deadline).and_then(|tx| Ok(tx.changeable()?));
        here.err().map_or(error, broken)
    }
}

/// Which of the answers to [`changing`] is that of the change.
const CHANGED: usize = 2;

/// A change that is only made where the board is. Without the board's lock, which the transaction has in which the policy
/// runs: one who waits to have it alone would be waited for here, and waits for that transaction.
fn changing(call: Call<'_>) -> [Call<'_>; 4] {
    [
        Call::of(sql::BEGIN, Vec::new()),
        Call::of(sql::ALLOWED, Vec::new()),
        call,
        Call::of(sql::COMMIT, Vec::new()),
    ]
}

impl Powers for PostgresPowers {
    fn lock(&self, name: &str, timeout: Duration) -> Result<Box<dyn LifeGuard>, LockFailure> {
        check(name).map_err(LockFailure::Limit)?;
        let key = key(self.0.address.schema(), Kind::Policy, name);
        match SessionLock::take(&self.0, vec![key], Deadline::now() + timeout) {
            Ok(Some(lock)) => Ok(Box::new(lock)),
            Ok(None) => Err(LockFailure::Timeout),
            Err(error) => Err(LockFailure::Failed(error.to_string())),
        }
    }

    fn read(&self, at: Place, name: &str, timeout: Duration) -> Result<Vec<u8>, FileFailure> {
        check(name).map_err(FileFailure::Forbidden)?;
        let deadline = Deadline::now() + timeout;
        let rows = match at {
            Place::Board => self.ask(Call::of(sql::FILE, vec![&name]), deadline)?,
            Place::Shared => {
                let directory = self.shared_name(deadline)?;
                self.ask(Call::of(sql::SHARED_FILE, vec![&directory, &name]), deadline)?
            }
        };
        rows.first().map(|row| row.get("content")).ok_or(FileFailure::NotFound)
    }

    fn replace(
        &self,
        at: Place,
        name: &str,
        content: &[u8],
        expected: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<(), FileFailure> {
        check(name).map_err(FileFailure::Forbidden)?;
        if content.len() > FILE_BYTES_MAX {
            return Err(FileFailure::TooLarge);
        }
        let deadline = Deadline::now() + timeout;
        let directory = match at {
            Place::Board => None,
            Place::Shared => Some(self.shared_name(deadline)?),
        };
        let mut params: Vec<Param<'_>> = Vec::new();
        params.extend(directory.as_ref().map(|name| name as Param<'_>));
        params.extend([&name as Param<'_>, &content]);
        let Some(expected) = expected else {
            let statement = if directory.is_some() { sql::SET_SHARED_FILE } else { sql::SET_FILE };
            return self.change(Call::of(statement, params), deadline);
        };
        let mut changing = params.clone();
        changing.push(&expected);
        let statement =
            if directory.is_some() { sql::CHANGE_SHARED_FILE } else { sql::CHANGE_FILE };
        if !self.change_once(Call::of(statement, changing), deadline)?.is_empty() {
            return Ok(());
        }
        // A file that isn't there is as good as an empty one.
        let statement = if directory.is_some() { sql::NEW_SHARED_FILE } else { sql::NEW_FILE };
        let made = expected.is_empty()
            && !self.change_once(Call::of(statement, params), deadline)?.is_empty();
        if made { Ok(()) } else { Err(FileFailure::Changed) }
    }
}
