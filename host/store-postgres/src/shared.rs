//! What all transactions of a handle share: connections, and what hardly ever changes of the board.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant as Deadline};

use parking_lot::Mutex;
use taskhost_board::{
    Asking, BoardSettings, BootId, InheritedLocks, Instant, Mark, Meter, Millis, Name, Order,
    PolicySet, Process, ReadError, ReadyQuery, Reservation, Tally, TaskId,
};

use crate::address::Address;
use crate::desk::Desk;
use crate::figures::Recorder;
use crate::keys::{Kind, key};
use crate::link::{Call, Link, LinkError, Row};
use crate::options::OpenOptions;
use crate::per_process::PerProcess;
use crate::pool::{Pool, PoolError};
use crate::rows::Class;
use crate::vacuum::Vacuum;

/// How many connections are kept aside.
const ASIDE_MAX: usize = 4;
/// So many locks by hand on the board, one inside the other, are more than anybody has.
const INSIDE_MAX: u32 = 3;
/// How often a handle looks for dead holders by itself.
const LOOK_FOR_DEAD_EVERY: Duration = Duration::from_millis(500);

/// Whether a process that a claim names is proved dead, as far as this machine can tell.
pub type IsProcessDead = Arc<dyn Fn(&Process) -> bool + Send + Sync>;

/// A handle's connections, and what it knows of the board.
pub(crate) struct Shared {
    pub(crate) address: Address,
    pub(crate) pool: Pool,
    /// The advisory lock that all transactions have together, or one alone.
    board_lock: i64,
    inside: Mutex<Inside>,
    /// What distinguishes the locks by hand on this board's tasks from those on another's.
    pub(crate) hand_seed: i64,
    /// How long a reader waits for a connection.
    pub(crate) lock_wait: Duration,
    /// Connections for locks that outlive a transaction, while nobody needs one.
    aside: Mutex<Vec<Link>>,
    notify: String,
    /// How long after its life lock was found free first a session is taken for dead, in milliseconds.
    pub(crate) grace_ms: i64,
    pub(crate) is_process_dead: IsProcessDead,
    /// Where components are kept that were fetched.
    pub(crate) component_cache: Option<PathBuf>,
    /// The locks that are held around this process by hand.
    pub(crate) inherited: InheritedLocks,
    /// When what of the history isn't kept was last removed.
    trimmed: Mutex<Deadline>,
    pub(crate) vacuum: Vacuum,
    /// Added to the server's clock, in milliseconds: for tests that can't wait.
    pub(crate) clock_offset: Arc<AtomicI64>,
    basis: Mutex<Option<Arc<Basis>>>,
    classes: Mutex<Arc<Classes>>,
    /// What the last claim looked for first: the next one is likely to look for the same.
    usual: Mutex<Option<(Order, Reserved)>>,
    /// How many were served in the last transaction beside the one that began it: about as many come again.
    pub(crate) served: AtomicI64,
    looked_for_dead: Mutex<Option<Deadline>>,
    /// How far the server's clock is from this machine's, in milliseconds, as the last transaction saw it.
    skew: AtomicI64,
    /// Where claims of this handle meet that may share a transaction.
    desk: PerProcess<Arc<Desk>>,
    pub(crate) recorder: Arc<Recorder>,
    /// The last mark of this handle, and since when it is known.
    pub(crate) marked: Mutex<Option<(Mark, Deadline)>>,
}

/// For whom the tasks are reserved that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reserved {
    For,
    Nobody,
    Either,
}

/// What is locked by hand around this process.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    /// How many locks on the board, one inside the other.
    pub(crate) boards: u32,
    /// By which key each task is, and which of the server's processes has it.
    pub(crate) tasks: BTreeMap<TaskId, (i64, i32)>,
}

/// What every transaction rests on: it commits only in the epoch in which it began.
#[derive(Debug)]
pub(crate) struct Basis {
    pub(crate) epoch: i64,
    pub(crate) policies: PolicySet,
    pub(crate) settings: BoardSettings,
}

/// The classes that ready tasks are of, as far as they are known here. None ever goes.
#[derive(Debug, Default, Clone)]
pub(crate) struct Classes {
    pub(crate) last: i64,
    pub(crate) by_id: BTreeMap<i64, Class>,
}

impl Shared {
    pub(crate) fn new(address: Address, pool: Pool, options: &OpenOptions) -> Self {
        let schema = address.schema().to_owned();
        Self {
            board_lock: key(&schema, Kind::Board, ""),
            inside: Mutex::default(),
            hand_seed: key(&schema, Kind::Task, ""),
            notify: format!("NOTIFY {}", address.schema()),
            address,
            pool,
            lock_wait: options.lock_wait,
            aside: Mutex::default(),
            grace_ms: i64::try_from(options.grace.as_millis()).unwrap_or(i64::MAX),
            is_process_dead: options.is_process_dead.clone(),
            component_cache: options.component_cache.clone(),
            inherited: options.inherited.clone(),
            trimmed: Mutex::new(Deadline::now()),
            vacuum: Vacuum::default(),
            clock_offset: options.clock_offset.clone(),
            basis: Mutex::default(),
            classes: Mutex::default(),
            usual: Mutex::default(),
            served: AtomicI64::new(0),
            looked_for_dead: Mutex::default(),
            skew: AtomicI64::new(0),
            desk: PerProcess::new(Arc::default()),
            marked: Mutex::default(),
            recorder: Arc::new(Recorder::new(
                options.this_process.clone(),
                options.measured.clone(),
            )),
        }
    }

    /// The lock that all transactions have together, or one alone.
    pub(crate) fn board_lock(&self) -> i64 {
        let deep = self.inside.lock().boards;
        self.board_lock_inside(deep)
    }

    /// The locks of whoever has the board alone to change it as a whole: also those of such as run inside a lock by hand. It may be
    /// lost, with its connection, and they don't know.
    pub(crate) fn board_locks_alone(&self) -> Vec<i64> {
        let deep = self.inside.lock().boards;
        (deep..=deep + INSIDE_MAX).map(|deep| self.board_lock_inside(deep)).collect()
    }

    /// The one in its place for those who run inside so many locks by hand on the board.
    pub(crate) fn board_lock_inside(&self, deep: u32) -> i64 {
        match deep {
            0 => self.board_lock,
            deep => key(self.address.schema(), Kind::Board, &format!("inside {deep}")),
        }
    }

    /// By which key, and by which of the server's processes, this task was locked by hand around this process when it began.
    pub(crate) fn hand_around(&self, task: &TaskId) -> Option<(i64, i32)> {
        self.inside.lock().tasks.get(task).copied()
    }

    pub(crate) fn set_inside(&self, inside: Inside) {
        *self.inside.lock() = inside;
    }

    pub(crate) fn offset(&self) -> i64 {
        self.clock_offset.load(Ordering::Relaxed)
    }

    /// What the last transaction rested on.
    pub(crate) fn known_basis(&self) -> Option<Arc<Basis>> {
        self.basis.lock().clone()
    }

    /// What a transaction rests on that saw this epoch, with these policies and settings if they weren't known.
    pub(crate) fn basis(
        &self,
        epoch: i64,
        fresh: Option<(String, String)>,
    ) -> Result<Arc<Basis>, ReadError> {
        let mut known = self.basis.lock();
        if let Some((policies, settings)) = fresh {
            let damaged = |what: &str, error: serde_json::Error| {
                ReadError::Damaged(format!("the board's {what} can't be read: {error}"))
            };
            let basis = Arc::new(Basis {
                epoch,
                policies: serde_json::from_str(&policies).map_err(|e| damaged("policies", e))?,
                settings: serde_json::from_str(&settings).map_err(|e| damaged("settings", e))?,
            });
            *known = Some(basis.clone());
            return Ok(basis);
        }
        let found = known.clone().filter(|basis| basis.epoch == epoch);
        // Another thread of this handle has seen a later one meanwhile.
        found.ok_or_else(|| ReadError::Failed("the board's policies changed just now".into()))
    }

    pub(crate) fn classes(&self) -> Arc<Classes> {
        self.classes.lock().clone()
    }

    /// Whether these classes are known here.
    pub(crate) fn knows_classes(&self, ids: &[i64]) -> bool {
        let classes = self.classes.lock();
        ids.iter().all(|id| classes.by_id.contains_key(id))
    }

    /// Takes note of classes; whether those up to the number `last` are known then.
    pub(crate) fn learn_classes(&self, rows: &[Row]) -> Result<(), ReadError> {
        let mut known = self.classes.lock();
        let classes = Arc::make_mut(&mut *known);
        for row in rows {
            let class = Class {
                task_type: name(row.get("type"))?,
                needs: row
                    .get::<_, Vec<String>>("needs")
                    .into_iter()
                    .map(name)
                    .collect::<Result<_, _>>()?,
                assignee: row.get::<_, Option<String>>("assignee").map(name).transpose()?,
            };
            classes.by_id.insert(row.get("id"), class);
            classes.last = classes.last.max(row.get("number"));
        }
        Ok(())
    }

    /// What one who asks is likely to look for first: what the last one did.
    pub(crate) fn usual(&self, asking: &Asking) -> Option<ReadyQuery> {
        let (order, reserved) = (*self.usual.lock())?;
        let asker = || asking.asker.clone();
        let reserved = match reserved {
            Reserved::For => Reservation::For(asker()),
            Reserved::Nobody => Reservation::Nobody,
            Reserved::Either => Reservation::Either(asker()),
        };
        Some(ReadyQuery { filter: asking.filter.clone(), reserved, order })
    }

    /// Takes note of what one who asks has looked for, as far as another one is likely to do the same.
    pub(crate) fn set_usual(&self, query: &ReadyQuery, asking: Option<&Asking>) {
        let reserved = match &query.reserved {
            Reservation::For(_) => Reserved::For,
            Reservation::Nobody => Reserved::Nobody,
            Reservation::Either(_) => Reserved::Either,
        };
        let is_usual = asking.is_some_and(|asking| asking.filter == query.filter);
        *self.usual.lock() = is_usual.then_some((query.order, reserved));
    }

    /// Whether it is time that this handle looks for dead holders; then it isn't for a while.
    pub(crate) fn is_time_to_look_for_dead(&self) -> bool {
        let mut looked = self.looked_for_dead.lock();
        let is_time = looked.is_none_or(|at| at.elapsed() >= LOOK_FOR_DEAD_EVERY);
        if is_time {
            *looked = Some(Deadline::now());
        }
        is_time
    }

    /// How long ago this handle removed what isn't kept, or looked whether others had; or was opened.
    pub(crate) fn trimmed_since(&self) -> Duration {
        self.trimmed.lock().elapsed()
    }

    pub(crate) fn note_trimmed(&self) {
        *self.trimmed.lock() = Deadline::now();
    }

    /// Takes note of what the server's clock says.
    pub(crate) fn hear_clock(&self, server_ms: i64) {
        self.skew.store(server_ms.saturating_sub(local_ms()), Ordering::Relaxed);
    }

    /// The server's clock, as far as it is known without asking.
    pub(crate) fn server_now(&self) -> Millis {
        let now = local_ms().saturating_add(self.skew.load(Ordering::Relaxed));
        Millis(u64::try_from(now).unwrap_or_default())
    }

    /// Runs statements that need no transaction, on a connection that works.
    pub(crate) fn ask(
        &self,
        calls: &[Call<'_>],
        deadline: Deadline,
    ) -> Result<Vec<Vec<Row>>, ReadError> {
        /// How often it is tried anew because an idle connection turned out to be broken.
        const TRIES: usize = 3;
        let mut tries = 0;
        loop {
            let mut link = self.pool.get(deadline).map_err(|error| no_connection(&error))?;
            match link.pipeline(calls) {
                Err(LinkError::Lost(_)) if tries < TRIES => tries += 1,
                answered => return answered.map_err(|error| read_error(&error)),
            }
        }
    }

    /// The statement that tells those who wait that something happened.
    pub(crate) fn notify(&self) -> Call<'_> {
        Call::of(&self.notify, Vec::new())
    }

    /// A connection beside the pool's, which may be kept for long.
    pub(crate) fn link_aside(&self, deadline: Deadline) -> Result<Link, LinkError> {
        let idle = self.aside.lock().pop();
        match idle.filter(|link| !link.is_broken() && link.is_here()) {
            Some(link) => Ok(link),
            None => Link::connect(&self.address, deadline),
        }
    }

    /// Keeps such a connection for the next one.
    pub(crate) fn put_aside(&self, link: Link) {
        let mut aside = self.aside.lock();
        if aside.len() < ASIDE_MAX && !link.is_broken() {
            aside.push(link);
        }
    }

    /// Where claims of this handle meet. A child that was forked has one of its own.
    pub(crate) fn desk(&self) -> &Arc<Desk> {
        self.desk.get(|_| Arc::default())
    }

    /// Takes note of a transaction that couldn't have what others have.
    pub(crate) fn count_conflict(&self) {
        self.recorder.count(Tally::Contended);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.recorder.end(self);
    }
}

fn local_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

fn name(text: String) -> Result<Name, ReadError> {
    Name::new(text).map_err(|e| ReadError::Damaged(e.to_string()))
}

/// The time that a transaction has: by the server's clock, which is the only one that all hosts have in common. It tells
/// no time since its boot, so a jump of that clock is a jump of the board's time.
pub(crate) fn instant(server_ms: i64) -> Instant {
    let wall = u64::try_from(server_ms).unwrap_or_default();
    Instant { wall: Millis(wall), boot: BootId("postgres".into()), boot_ms: wall }
}

/// What came of a statement, for one who reads.
/// Why there was no connection.
pub(crate) fn no_connection(error: &PoolError) -> ReadError {
    match error {
        PoolError::Connect(error) => read_error(error),
        PoolError::Exhausted { .. } => ReadError::Unreachable(error.to_string()),
    }
}

pub(crate) fn read_error(error: &LinkError) -> ReadError {
    match error {
        LinkError::Undefined(_) => ReadError::Damaged(error.to_string()),
        // Nothing was committed by what failed so: commits ask what became of them.
        LinkError::Unreachable(_) | LinkError::Lost(_) => ReadError::Unreachable(error.to_string()),
        _ => ReadError::Failed(error.to_string()),
    }
}
