//! A board: the store that keeps it, the policies that decide, and the commands over both.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskhost_board::recording::OnKept;
use taskhost_board::{
    AddOutcome, BoardSettings, ChangeRequest, Changed, Claim, Compaction, Contexts, Digest, Engine,
    Finish, HandLock, Held, InheritedLocks, InitPlan, Json, Keeper, Limits, Mark, Millis, Name,
    NewTask, OnProgress, Policies, PolicyChange, PolicyPin, PolicySet, Proof, Report, Retention,
    TaskId,
};
use taskhost_policy::{Runtime, RuntimeOptions};
use taskhost_store_file::OpenError as DirectoryError;
use tracing::field::display;

use crate::announced::Announced;
use crate::contexts::TracedContexts;
use crate::spans::{note, operation};
use crate::tending::Tending;
use crate::{
    Address, Error, OpenError, Session, SessionOptions, bare, problem_of_board, recorded, stores,
    system,
};

/// The standard policy that this version makes new boards with.
pub const STANDARD_POLICY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/standard.wasm"));

/// How to open a board.
#[derive(Clone)]
pub struct OpenOptions {
    /// How long a command waits for the board's lock.
    pub timeout: Duration,
    /// Open a board on a file system whose locks can't be trusted.
    pub allow_unsafe_file_system: bool,
    /// Told about what takes long, such as making the index anew.
    pub progress: Option<OnProgress>,
    /// The locks that are held around this process by `taskhost lock`: those that its environment names, unless said
    /// otherwise.
    pub inherited: InheritedLocks,
    /// Given the first decision that fails or is refused, if there is one: see [`crate::recording`]. Nothing is recorded
    /// unless it is there.
    pub record: Option<OnKept>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            allow_unsafe_file_system: false,
            progress: None,
            inherited: InheritedLocks::from_env(),
            record: None,
        }
    }
}

impl std::fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenOptions")
            .field("timeout", &self.timeout)
            .field("allow_unsafe_file_system", &self.allow_unsafe_file_system)
            .finish_non_exhaustive()
    }
}

/// How to make a board.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// The board's own settings.
    pub settings: BoardSettings,
    /// Settings of the standard policy.
    pub policy_settings: BTreeMap<String, String>,
    /// How to open it then.
    pub open: OpenOptions,
}

/// An open board. Clones are handles of the same board; any number of threads may use them.
#[derive(Clone)]
pub struct Board {
    store: Arc<dyn Keeper>,
    engine: Engine,
    address: Arc<Address>,
    timeout: Duration,
    tending: Arc<Tending>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board")
            .field("address", &self.address)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Board {
    /// Makes a board at `address`, a directory or a `postgres://…`, decided by the standard policy.
    pub fn init(address: impl Into<Address>, options: &InitOptions) -> Result<Self, Error> {
        let address = address.into();
        operation!("taskhost.init", address).run(|| {
            let digest = Digest::of(STANDARD_POLICY);
            let standard = PolicyPin { digest, settings: options.policy_settings.clone() };
            let runtime = bare::runtime()?;
            let limits = Limits::default().of_policies(&options.settings.policy_limits);
            (&runtime as &dyn Policies).check_pin(&standard, STANDARD_POLICY, &limits)?;
            let plan = InitPlan {
                policies: PolicySet { custom: None, standard },
                components: BTreeMap::from([(digest, STANDARD_POLICY.to_vec())]),
                settings: options.settings.clone(),
            };
            let store = stores::init(&address, &plan, &options.open)?;
            Self::recorded(store, address.clone(), &options.open)
        })
    }

    /// Opens the board at `address`, a directory or a `postgres://…`.
    pub fn open(address: impl Into<Address>) -> Result<Self, Error> {
        Self::open_with(address, &OpenOptions::default())
    }

    /// Opens the board at `address`, a directory or a `postgres://…`.
    pub fn open_with(address: impl Into<Address>, options: &OpenOptions) -> Result<Self, Error> {
        let address = address.into();
        operation!("taskhost.open", address)
            .run(|| Self::recorded(stores::open(&address, options)?, address.clone(), options))
    }

    /// A board over a store that was opened in a way of the caller's own; its commands wait this long for the board's
    /// lock.
    pub fn over(store: impl Keeper + 'static, timeout: Duration) -> Result<Self, Error> {
        let options = OpenOptions { timeout, ..OpenOptions::default() };
        Self::recorded(Arc::new(store), Address::from(""), &options)
    }

    /// A board over an open store, whose decisions are recorded if the options say so.
    pub(crate) fn recorded(
        store: Arc<dyn Keeper>,
        address: Address,
        options: &OpenOptions,
    ) -> Result<Self, Error> {
        let recorder = options.record.clone().map(|kept| recorded::recorder(&store, kept));
        let mut powers = store.powers();
        if let Some(recorder) = &recorder {
            powers = recorder.powers(powers);
        }
        let mut policies: Arc<dyn Policies> = Arc::new(Runtime::new(RuntimeOptions::new(powers))?);
        if let Some(progress) = options.progress.clone() {
            policies = Arc::new(Announced { behind: policies, progress });
        }
        if let Some(recorder) = &recorder {
            policies = recorder.policies(policies);
        }
        let mut engine = Engine::new(store.clone(), policies, Arc::new(system::entropy));
        if recorder.is_some() {
            engine = engine.without_combining();
        }
        Ok(Self {
            store,
            engine,
            address: Arc::new(address),
            timeout: options.timeout,
            tending: Arc::default(),
        })
    }

    /// The same, whose commands have this bug, so that tests can show that they would find it.
    #[cfg(feature = "planted")]
    #[must_use]
    pub fn with_planted(self, bug: Option<taskhost_board::PlantedBug>) -> Self {
        Self { engine: self.engine.with_planted(bug), ..self }
    }

    /// The commands, with all their options.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where the board is, as it was named when it was opened; an empty directory's name if it was a store that was
    /// given.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether this claim's holder is known to have ended, so that the next claim takes the task back.
    pub fn has_ended(&self, claim: &Claim) -> bool {
        claim.vitals().any(|vital| self.store.is_dead(&vital))
    }

    /// What keeps the board.
    pub fn store(&self) -> &dyn Keeper {
        &*self.store
    }

    /// What the clock says that the board's times are given by. It needn't be this machine's.
    pub fn now(&self) -> Millis {
        self.store.wall()
    }

    pub(crate) fn tend(&self) {
        self.tending.tend(&self.store);
    }

    /// Until when a command that begins now waits for the board's lock.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Adds all of these tasks, or none.
    pub fn add(&self, tasks: &[NewTask]) -> Result<Vec<AddOutcome>, Error> {
        operation!("taskhost.add", self.address(), tasks = tasks.len())
            .run(|| Ok(self.engine.add(tasks, self.deadline())?))
    }

    /// Starts a running agent.
    pub fn session(&self, options: &SessionOptions) -> Result<Session, Error> {
        operation!("taskhost.session", self.address(), agent = %options.name, session = tracing::field::Empty).run_told(
            || Session::start(self.clone(), options),
            |span, session| {
                span.record("session", session.agent().session.as_str());
            },
        )
    }

    /// Starts an agent of this name that holds its life lock.
    pub fn agent(&self, name: &str) -> Result<Session, Error> {
        self.session(&SessionOptions::new(name))
    }

    /// Ends a claim, by the proof that its holder has.
    pub fn finish(&self, id: &TaskId, proof: &Proof, how: &Finish) -> Result<Held, Error> {
        self.finish_by(id, proof, how, self.deadline())
    }

    /// The same, but waits for the board's lock no longer than until `deadline`.
    pub fn finish_by(
        &self,
        id: &TaskId,
        proof: &Proof,
        how: &Finish,
        deadline: Instant,
    ) -> Result<Held, Error> {
        let (agent, token) = (&proof.agent, proof.token.map(|token| token.0));
        let operation = match how {
            Finish::Complete(_) => {
                operation!("taskhost.complete", self.address(), %agent, task = %id, token)
            }
            Finish::Fail(_) => {
                operation!("taskhost.fail", self.address(), %agent, task = %id, token)
            }
            Finish::Release(_) => {
                operation!("taskhost.release", self.address(), %agent, task = %id, token)
            }
        };
        operation.run_told(
            || Ok(self.engine.finish(id, proof, how, deadline)?),
            |span, held| {
                span.record("outcome", held.task.status.as_str());
            },
        )
    }

    /// Extends a lease, by the proof that its holder has.
    pub fn heartbeat(
        &self,
        id: &TaskId,
        proof: &Proof,
        lease: Option<Duration>,
    ) -> Result<Held, Error> {
        self.heartbeat_by(id, proof, lease, self.deadline())
    }

    /// The same, but waits for the board's lock no longer than until `deadline`.
    pub fn heartbeat_by(
        &self,
        id: &TaskId,
        proof: &Proof,
        lease: Option<Duration>,
        deadline: Instant,
    ) -> Result<Held, Error> {
        let (agent, token) = (&proof.agent, proof.token.map(|token| token.0));
        let lease_ms = lease.map(|lease| u64::try_from(lease.as_millis()).unwrap_or(u64::MAX));
        operation!("taskhost.heartbeat", self.address(), %agent, task = %id, token)
            .run(|| Ok(self.engine.heartbeat(id, proof, lease_ms, deadline)?))
    }

    /// Does something with tasks that one doesn't hold, or says what it would do.
    pub fn change(&self, request: &ChangeRequest) -> Result<Changed, Error> {
        let ChangeRequest { ids, action, by, .. } = request;
        let verb = action.command().as_str();
        let (tasks, task) = (ids.len(), ids.first().filter(|_| ids.len() == 1).map(display));
        let agent = by.as_ref().map(display);
        operation!("taskhost.change", self.address(), verb, tasks, task, agent).run_told(
            || Ok(self.engine.change(request, self.deadline())?),
            |span, changed| {
                let failure = changed.first_failure();
                span.record("outcome", if failure.is_none() { "done" } else { "failed" });
                note(span, "error", failure.map(|(_, error)| problem_of_board(error).code));
            },
        )
    }

    /// Sets a value of the workflow's own metadata, or removes it; with `expected`, only if it is still that.
    pub fn set_meta(
        &self,
        key: &TaskId,
        value: Option<&Json>,
        expected: Option<&Json>,
        by: Option<&Name>,
    ) -> Result<(), Error> {
        operation!("taskhost.set_meta", self.address(), agent = by.map(display))
            .run(|| Ok(self.engine.set_meta(key, value, expected, by, self.deadline())?))
    }

    /// Changes the board's own settings; `edit` may be called more than once. A directory that it newly sets as
    /// `shared_files` is shared with this board's policies, as by [`Board::share_files`].
    pub fn configure(
        &self,
        edit: &dyn Fn(&mut BoardSettings) -> Result<(), String>,
        by: Option<&Name>,
    ) -> Result<BoardSettings, Error> {
        operation!("taskhost.configure", self.address(), agent = by.map(display))
            .run(|| self.configure_and_share(edit, by))
    }

    fn configure_and_share(
        &self,
        edit: &dyn Fn(&mut BoardSettings) -> Result<(), String>,
        by: Option<&Name>,
    ) -> Result<BoardSettings, Error> {
        let was = RefCell::new(None);
        let edit = |settings: &mut BoardSettings| {
            was.replace(settings.shared_files.clone());
            edit(settings)
        };
        let settings = self.engine.configure(&edit, by, self.deadline())?;
        if settings.shared_files != was.into_inner() {
            self.share_files(&settings)?;
        }
        if settings.history != Retention::default() {
            // What can't be removed now goes with the next compaction.
            let _ = self.store.trim_history();
        }
        Ok(settings)
    }

    /// Lets this board's policies use the directory that `settings` names as `shared_files`, if they name one. The
    /// setting alone doesn't, because a board that came from elsewhere brings its settings along; whoever calls this
    /// must be able to write there.
    pub fn share_files(&self, settings: &BoardSettings) -> Result<(), Error> {
        let Some(directory) = &settings.shared_files else { return Ok(()) };
        operation!("taskhost.share_files", self.address()).run(|| {
            let shared = self.store.share_files(directory);
            Ok(shared.map_err(|error| {
                OpenError::Directory(DirectoryError::Io { path: directory.into(), error })
            })?)
        })
    }

    /// The large values beside the board.
    pub fn contexts(&self) -> Arc<dyn Contexts> {
        Arc::new(TracedContexts { address: self.address.clone(), behind: self.store.contexts() })
    }

    /// Makes the board small again, and removes what of the history isn't kept. Others go on working meanwhile.
    pub fn compact(&self) -> Result<Compaction, Error> {
        operation!("taskhost.compact", self.address())
            .run(|| Ok(self.store.compact(self.deadline()).map_err(taskhost_board::Error::from)?))
    }

    /// Compacts if that is worth it by now and nobody is at it already; says whether it did.
    pub fn compact_if_due(&self) -> Result<bool, Error> {
        operation!("taskhost.compact_if_due", self.address()).run(|| {
            let done = self.store.compact_if_due(self.deadline());
            Ok(done.map_err(taskhost_board::Error::from)?)
        })
    }

    /// Locks a task by hand: nobody is given it meanwhile, but whoever runs inside.
    pub fn hold_task(&self, id: &TaskId, who: Option<&str>) -> Result<Box<dyn HandLock>, Error> {
        self.hold_task_by(id, who, self.deadline())
    }

    /// The same, but waits no longer than until `deadline`.
    pub fn hold_task_by(
        &self,
        id: &TaskId,
        who: Option<&str>,
        deadline: Instant,
    ) -> Result<Box<dyn HandLock>, Error> {
        operation!("taskhost.hold_task", self.address(), task = %id, agent = who)
            .run(|| Ok(self.store.hold_task(id, who, deadline)?))
    }

    /// Locks the board by hand: nobody changes it meanwhile, but whoever runs inside. This handle isn't inside.
    pub fn hold_board(&self, who: Option<&str>) -> Result<Box<dyn HandLock>, Error> {
        self.hold_board_by(who, self.deadline())
    }

    /// The same, but waits no longer than until `deadline`.
    pub fn hold_board_by(
        &self,
        who: Option<&str>,
        deadline: Instant,
    ) -> Result<Box<dyn HandLock>, Error> {
        operation!("taskhost.hold_board", self.address(), agent = who)
            .run(|| Ok(self.store.hold_board(who, deadline)?))
    }

    /// Sets another policy or other settings, for every process at one instant.
    pub fn set_policy(&self, change: &PolicyChange) -> Result<PolicySet, Error> {
        operation!("taskhost.set_policy", self.address()).run(|| {
            let (set, _) = self.engine.set_policy(change, self.deadline())?;
            Ok(set)
        })
    }

    /// Looks at every part of the board and says what is wrong with it. Repairs nothing. A board that is too
    /// damaged to be opened is examined by [`examine`](crate::examine).
    pub fn doctor(&self) -> Report {
        operation!("taskhost.doctor", self.address()).run_surely(|| self.store.doctor())
    }

    /// What the store did by itself since the board was opened and somebody should know of, a sentence each.
    pub fn mended(&self) -> Vec<String> {
        self.store.mended()
    }

    /// What to wait past.
    pub fn mark(&self) -> Result<Mark, Error> {
        Ok(self.store.mark()?)
    }

    /// Waits until something was committed or a holder may have died since `past`, or `timeout` has passed; says
    /// what to wait past next.
    pub fn wait(&self, past: Mark, timeout: Duration) -> Result<Mark, Error> {
        operation!("taskhost.wait", self.address()).run_told(
            || Ok(self.store.wait(past, timeout)?),
            |span, now| {
                span.record("outcome", if *now == past { "nothing" } else { "woken" });
            },
        )
    }

    /// The same, but no longer than until the board's clock says `until`.
    pub fn wait_for(
        &self,
        past: Mark,
        until: Option<Millis>,
        at_most: Duration,
    ) -> Result<Mark, Error> {
        self.wait(past, patience(until, self.now(), at_most))
    }
}

/// How long to wait for what comes at `until`, both by the board's clock, but no longer than `at_most`.
fn patience(until: Option<Millis>, now: Millis, at_most: Duration) -> Duration {
    /// A time that has come may be a moment away from being acted upon.
    const MOMENT: Duration = Duration::from_millis(1);
    until.map_or(at_most, |until| until.since(now).max(MOMENT).min(at_most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_at_a_time_of_the_board_is_waited_for_by_the_boards_clock() {
        let second = Duration::from_secs(1);
        // As it is where the board's server and this machine are a year apart.
        let now = Millis(Millis::of_this_machine().0 + 365 * 24 * 60 * 60 * 1000);
        assert_eq!(patience(Some(now.plus(250)), now, second), Duration::from_millis(250));
        assert_eq!(patience(Some(now.plus(2500)), now, second), second);
        assert_eq!(patience(Some(Millis(0)), now, second), Duration::from_millis(1));
        assert_eq!(patience(Some(now.plus(250)), now, Duration::ZERO), Duration::ZERO);
        assert_eq!(patience(None, now, second), second);
    }
}
