//! The same commands on a real board, and its answers in the words of the model.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use taskhost::domain::memory::MemoryStore;
use taskhost::domain::{self, Engine, LifeGuard, Limits, PolicyPin, Store as _};
use taskhost::{
    Agent, AgentKind, Assignee, Board, BoardSettings, ChangeRequest, ClaimOutcome, Digest, Filter,
    InitOptions, Json, ListQuery, Millis, Name, NewTask, NothingWhy, Outcome, PolicyChange,
    PolicySet, PolicyTarget, SessionId, TaskId, TaskUpdate, Token,
};
use taskhost_policy::{Runtime, RuntimeOptions};

use crate::commands::Kind;
use crate::tokens::Tokens;
use crate::words::{
    Action, Answer, Ask, Command, Finish, Hold, Id, New, No, Obstacle, Person, Proof, Seen, Status,
    WORKERS, Whole, Why, session,
};

/// A kind of place where boards are kept.
#[derive(Debug, Clone, Copy)]
pub struct Home {
    /// Which commands can be given there.
    pub kind: Kind,
    /// Makes a board there, whose policy is set so.
    pub new: fn(&BTreeMap<String, String>) -> Real,
}

/// In memory.
pub const MEMORY: Home = Home { kind: Kind::ManualClock, new: Real::in_memory };
/// In files.
pub const FILES: Home = Home { kind: Kind::OwnClock, new: Real::in_files };

/// Where the board is kept.
enum Place {
    /// In memory, with a clock that stands still until it is moved.
    Memory(MemoryStore, Engine),
    /// At this address, where it outlives whoever has it open, with a clock of its own.
    Kept {
        board: Box<Board>,
        address: PathBuf,
        /// What it is kept in, which goes with it.
        _room: Box<dyn Any>,
    },
}

/// A real board, and the workers on it.
pub struct Real {
    place: Place,
    lives: [u32; WORKERS.len()],
    guards: [Option<Box<dyn LifeGuard>>; WORKERS.len()],
    /// What made ids are made of, where it isn't chance.
    numbers: Arc<AtomicU64>,
    /// Whether somebody died since the dead were last looked for.
    mourning: bool,
    tokens: Tokens,
}

type Answered<T> = Result<T, domain::Error>;

impl Real {
    fn in_memory(settings: &BTreeMap<String, String>) -> Self {
        let digest = Digest::of(taskhost::STANDARD_POLICY);
        let standard = PolicyPin { digest, settings: settings.clone() };
        let components = BTreeMap::from([(digest, taskhost::STANDARD_POLICY.to_vec())]);
        let set = PolicySet { custom: None, standard };
        let store = MemoryStore::new(&set, components, &BoardSettings::default()).unwrap();
        let options = RuntimeOptions { cache_dir: None, ..RuntimeOptions::new(store.powers()) };
        let numbers = Arc::new(AtomicU64::new(1));
        let count = numbers.clone();
        let entropy = Arc::new(move || count.fetch_add(1, Ordering::Relaxed));
        let runtime = Arc::new(Runtime::new(options).unwrap());
        // How much of what is due one claim takes is bounded; the model takes all of it.
        let limits = Limits { due_max: 1_000, ..Limits::default() };
        let engine = Engine::new(Arc::new(store.clone()), runtime, entropy).with_limits(limits);
        Self::over(Place::Memory(store, engine), numbers)
    }

    fn in_files(settings: &BTreeMap<String, String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::kept_at(folder.path().join("board"), Box::new(folder), settings)
    }

    /// A new board at this address, which is kept in `room`.
    fn kept_at(address: PathBuf, room: Box<dyn Any>, settings: &BTreeMap<String, String>) -> Self {
        let options = InitOptions { policy_settings: settings.clone(), ..InitOptions::default() };
        let board = Box::new(Board::init(&address, &options).unwrap());
        Self::over(Place::Kept { board, address, _room: room }, Arc::default())
    }

    fn over(place: Place, numbers: Arc<AtomicU64>) -> Self {
        let mut real = Self {
            place,
            lives: [0; WORKERS.len()],
            guards: Default::default(),
            numbers,
            mourning: false,
            tokens: Tokens::default(),
        };
        for worker in 0..WORKERS.len() {
            real.revive(worker);
        }
        real
    }

    /// The board's time, where nobody else moves it.
    pub fn now(&self) -> u64 {
        match &self.place {
            Place::Memory(store, _) => store.snapshot().unwrap().1.wall.0,
            Place::Kept { .. } => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
            }
        }
    }

    /// Whether its clock goes on by itself, so that times can't be foretold.
    pub fn has_own_clock(&self) -> bool {
        matches!(self.place, Place::Kept { .. })
    }

    fn engine(&self) -> &Engine {
        match &self.place {
            Place::Memory(_, engine) => engine,
            Place::Kept { board, .. } => board.engine(),
        }
    }

    /// What the board answers, and the ids that it made. Of the same `number` it makes the same ids, whatever came
    /// before, so that commands can be left out.
    pub fn apply(&mut self, number: u64, command: &Command) -> (Answer, Vec<Id>) {
        self.numbers.store(number * 1_000, Ordering::Relaxed);
        let mut made = Vec::new();
        let answer = self.try_apply(&self.tokens.real_in(command), &mut made);
        let mut answer = answer.unwrap_or_else(|error| Answer::No(no(&error)));
        self.tokens.number_in(&mut answer);
        (answer, made)
    }

    fn try_apply(&mut self, command: &Command, made: &mut Vec<Id>) -> Answered<Answer> {
        match command {
            Command::Add(news) => {
                let tasks: Vec<NewTask> = news.iter().map(new_task).collect();
                let added = self.engine().add(&tasks, soon())?;
                for (outcome, new) in added.iter().zip(news) {
                    if new.id.is_none() && !outcome.repeated {
                        made.push(outcome.task.id.to_string());
                    }
                }
                let seen = added.iter().map(|outcome| (seen(&outcome.task), outcome.repeated));
                Ok(Answer::Added(seen.collect()))
            }
            Command::Claim(ask) => {
                let request = domain::ClaimRequest {
                    agent: self.agent(ask),
                    filter: filter(ask),
                    lease_ms: ask.lease,
                    key: ask.key.clone(),
                };
                let may = self.engine().may_claim(&request)?;
                let outcome = self.engine().claim(&request, soon())?;
                // That a holder died can't be seen from outside.
                let may = may || std::mem::take(&mut self.mourning);
                Ok(match outcome {
                    ClaimOutcome::Claimed { task, repeated } => {
                        assert!(may, "`may_claim` said no, and `{}` was claimed", task.id);
                        Answer::Task(Box::new(seen(&task)), repeated)
                    }
                    ClaimOutcome::Nothing { why, next_ready_at, .. } => Answer::Nothing {
                        why: match why {
                            NothingWhy::Empty => Why::Empty,
                            NothingWhy::Waiting => Why::Waiting,
                            NothingWhy::NoMatch => Why::NoMatch,
                        },
                        next_ready_at: next_ready_at.map(|at| at.0),
                    },
                })
            }
            Command::Heartbeat { id: of, proof: by, lease } => {
                let held = self.engine().heartbeat(&id(of), &proof(by), *lease, soon())?;
                Ok(Answer::Task(Box::new(seen(&held.task)), held.repeated))
            }
            Command::Finish { id: of, proof: by, how } => {
                let how = match how {
                    Finish::Complete(result) => {
                        domain::Finish::Complete(result.as_deref().map(json))
                    }
                    Finish::Fail(error) => domain::Finish::Fail(error.clone()),
                    Finish::Release(reason) => domain::Finish::Release(reason.clone()),
                };
                let held = self.engine().finish(&id(of), &proof(by), &how, soon())?;
                Ok(Answer::Task(Box::new(seen(&held.task)), held.repeated))
            }
            Command::Change { ids, action: what, together, dry_run } => {
                let request = ChangeRequest {
                    ids: ids.iter().map(|text| id(text)).collect(),
                    action: action(what),
                    by: None,
                    together: *together,
                    dry_run: *dry_run,
                };
                let changed = self.engine().change(&request, soon())?;
                let outcome = |outcome: &Outcome| match outcome {
                    Outcome::Done => Ok(false),
                    Outcome::Already => Ok(true),
                    Outcome::Failed(error) => Err(no(error)),
                };
                let outcomes = changed.outcomes.iter();
                let touched = changed.touched.iter().filter_map(|touched| {
                    let after = touched.after.as_ref().map(seen);
                    Some((touched.id()?.to_string(), after))
                });
                Ok(Answer::Changed {
                    outcomes: outcomes.map(|(id, how)| (id.to_string(), outcome(how))).collect(),
                    touched: touched.collect(),
                })
            }
            Command::Meta { key, value, expected } => {
                let value = value.as_deref().map(json);
                let expected = expected.as_deref().map(json);
                let (value, expected) = (value.as_ref(), expected.as_ref());
                self.engine().set_meta(&id(key), value, expected, None, soon())?;
                Ok(Answer::Done)
            }
            Command::Settings(settings) => {
                let change = PolicyChange {
                    target: PolicyTarget::Current,
                    settings: settings.clone(),
                    standard_settings: BTreeMap::new(),
                    expect: None,
                };
                self.engine().set_policy(&change, soon())?;
                // What the new settings make of each task is asked by and by.
                self.upkeep()?;
                Ok(Answer::Done)
            }
            Command::Advance(ms) => {
                if let Place::Memory(store, _) = &self.place {
                    store.advance(Duration::from_millis(*ms));
                }
                Ok(Answer::Done)
            }
            Command::Die(worker) => {
                self.guards[*worker] = None;
                self.lives[*worker] += 1;
                self.mourning = true;
                self.revive(*worker);
                Ok(Answer::Done)
            }
            Command::Reopen => {
                if let Place::Kept { board, address, .. } = &mut self.place {
                    **board = Board::open(&*address).unwrap();
                }
                Ok(Answer::Done)
            }
            Command::Compact => {
                if let Place::Kept { board, .. } = &self.place {
                    board.store().compact(soon())?;
                }
                Ok(Answer::Done)
            }
            Command::Check(ask) => {
                self.upkeep()?;
                self.mourning = false;
                Ok(Answer::Whole(Box::new(self.whole(ask)?)))
            }
        }
    }

    /// A living worker's session holds its life lock from its first moment to its last.
    fn revive(&mut self, worker: usize) {
        if WORKERS[worker].living {
            let session = SessionId::new(session(worker, self.lives[worker])).unwrap();
            self.guards[worker] = Some(self.engine().store().live(&session).unwrap());
        }
    }

    fn upkeep(&self) -> Answered<()> {
        for _ in 0..100 {
            if !self.engine().upkeep(soon())? {
                return Ok(());
            }
        }
        panic!("upkeep finds something to do for ever");
    }

    fn agent(&self, ask: &Ask) -> Agent {
        let worker = WORKERS[ask.worker];
        Agent {
            name: name(worker.name),
            kind: kind(worker.kind),
            session: SessionId::new(session(ask.worker, self.lives[ask.worker])).unwrap(),
            hostname: worker.hostname.map(name),
            capabilities: names(&ask.capabilities),
            living: worker.living,
            process: None,
        }
    }

    fn whole(&self, ask: &Ask) -> Answered<Whole> {
        if let Place::Memory(store, _) = &self.place {
            assert_eq!(store.check()?, Vec::<String>::new(), "derived records have drifted");
        }
        let (view, _) = self.engine().store().snapshot()?;
        let list = |query: ListQuery| Ok::<_, domain::Error>(view.list(&query)?.tasks);
        let every = ListQuery { limit: 1_000, ..ListQuery::default() };
        let tasks = list(every.clone())?;
        let ready = list(ListQuery { ready: true, ..every.clone() })?;
        let mut obstacles = BTreeMap::new();
        // Asking for all of them takes long; whoever's turn it is, is as good as another.
        for task in tasks.iter().filter(|task| ask.only.as_deref() == Some(task.id.as_str())) {
            let explained = self.engine().explain(&task.id, None)?;
            obstacles.insert(task.id.to_string(), explained.obstacles.first().map(obstacle));
        }
        let head = view.head()?;
        let counted = domain::Status::ALL.map(|of| (status(of), head.counts.of(of)));
        assert_eq!(head.counts.ready, ready.len() as u64, "the counter of ready tasks");
        let mut held = BTreeMap::new();
        for worker in ["ada", "bob"] {
            let count = u64::from(view.claims_held(&name(worker))?);
            let query = ListQuery { agent: Some(name(worker)), ..every.clone() };
            assert_eq!(count, list(query)?.len() as u64, "what `{worker}` holds");
            held.insert(worker.to_owned(), count);
        }
        held.retain(|_, count| *count > 0);
        let metas = view.metas()?.into_iter();
        let prospect = self.engine().prospect(&self.agent(ask), &filter(ask))?;
        Ok(Whole {
            tasks: tasks.iter().map(seen).collect(),
            ready: ready.iter().map(|task| task.id.to_string()).collect(),
            obstacles,
            counts: counted.into_iter().filter(|(_, count)| *count > 0).collect(),
            held,
            meta: metas.map(|(key, value)| (key.to_string(), value.as_str().to_owned())).collect(),
            next: prospect.next.map(|task| task.id.to_string()),
        })
    }
}

/// Long enough for whatever should happen at once, on a busy machine.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn names(texts: &[String]) -> Vec<Name> {
    texts.iter().map(|text| name(text)).collect()
}

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

fn kind(word: &str) -> AgentKind {
    match word {
        "human" => AgentKind::Human,
        "host" => AgentKind::Host,
        _ => AgentKind::Agent,
    }
}

fn kind_word(kind: AgentKind) -> &'static str {
    match kind {
        AgentKind::Human => "human",
        AgentKind::Host => "host",
        AgentKind::Agent => "agent",
    }
}

fn proof(proof: &Proof) -> domain::Proof {
    domain::Proof { agent: name(&proof.agent), token: proof.token.map(Token) }
}

fn assignee(person: &Person) -> Assignee {
    Assignee {
        name: name(&person.name),
        kind: kind(person.kind),
        hostname: person.hostname.as_deref().map(name),
        by: None,
    }
}

fn filter(ask: &Ask) -> Filter {
    Filter {
        types: names(&ask.types),
        labels: names(&ask.labels),
        capabilities: names(&ask.capabilities),
        only: ask.only.as_deref().map(id),
    }
}

fn new_task(new: &New) -> NewTask {
    NewTask {
        id: new.id.as_deref().map(id),
        task_type: name(&new.task_type),
        parent: new.parent.as_deref().map(id),
        after: new.after.iter().map(|text| id(text)).collect(),
        priority: new.priority,
        labels: names(&new.labels),
        needs: names(&new.needs),
        assignee: new.assignee.as_ref().map(assignee),
        data: json(&new.data),
        key: new.key.clone(),
        not_before: new.not_before.map(Millis),
    }
}

fn action(action: &Action) -> domain::Action {
    match action {
        Action::Assign(person) => domain::Action::Assign(assignee(person)),
        Action::Unassign(from) => domain::Action::Unassign(from.as_deref().map(name)),
        Action::Update(update) => domain::Action::Update(Box::new(TaskUpdate {
            priority: update.priority,
            labels: update.labels.as_deref().map(names),
            needs: update.needs.as_deref().map(names),
            data: update.data.as_deref().map(json),
            not_before: update.not_before.map(Millis),
            ..TaskUpdate::default()
        })),
        Action::Cancel { cascade, reason } => {
            domain::Action::Cancel { cascade: *cascade, reason: reason.clone() }
        }
        Action::Retry { cascade } => domain::Action::Retry { cascade: *cascade, reason: None },
        Action::Block { reason, proof: by, force } => domain::Action::Block {
            reason: reason.clone(),
            proof: by.as_ref().map(proof),
            force: *force,
        },
        Action::Unblock => domain::Action::Unblock { reason: None },
        Action::Release => domain::Action::Release { reason: None },
        Action::Review { accept } => domain::Action::Review { accept: *accept, reason: None },
        Action::Archive => domain::Action::Archive,
    }
}

fn status(status: domain::Status) -> Status {
    match status {
        domain::Status::Pending => Status::Pending,
        domain::Status::InProgress => Status::InProgress,
        domain::Status::InReview => Status::InReview,
        domain::Status::Blocked => Status::Blocked,
        domain::Status::Completed => Status::Completed,
        domain::Status::Failed => Status::Failed,
        domain::Status::Cancelled => Status::Cancelled,
    }
}

fn seen(task: &domain::Task) -> Seen {
    let texts = |names: &[Name]| names.iter().map(Name::to_string).collect();
    Seen {
        id: task.id.to_string(),
        task_type: task.task_type.to_string(),
        status: status(task.status),
        reason: task.reason.clone(),
        parent: task.parent.as_ref().map(TaskId::to_string),
        after: task.after.iter().map(TaskId::to_string).collect(),
        priority: task.priority,
        labels: texts(&task.labels),
        needs: texts(&task.needs),
        assignee: task.assignee.as_ref().map(|assignee| Person {
            name: assignee.name.to_string(),
            kind: kind_word(assignee.kind),
            hostname: assignee.hostname.as_ref().map(Name::to_string),
        }),
        data: task.data.as_str().to_owned(),
        key: task.key.clone(),
        attempts: task.attempts,
        failures: task.failures,
        claim: task.claim.as_ref().map(|claim| Hold {
            agent: claim.agent.to_string(),
            kind: kind_word(claim.kind),
            hostname: claim.hostname.as_ref().map(Name::to_string),
            session: claim.session.to_string(),
            token: claim.token.0,
            since: claim.since.0,
            lease_until: claim.lease.until.0,
        }),
        result: task.result.as_ref().map(|result| result.as_str().to_owned()),
        error: task.error.clone(),
        not_before: task.not_before.map(|at| at.0),
        created_at: task.created_at.0,
        updated_at: task.updated_at.0,
        completed_at: task.completed_at.map(|at| at.0),
    }
}

fn obstacle(obstacle: &domain::Obstacle) -> Obstacle {
    match obstacle {
        domain::Obstacle::Finished(_) => Obstacle::Finished,
        domain::Obstacle::Held { .. } => Obstacle::Held,
        domain::Obstacle::InReview { .. } => Obstacle::InReview,
        domain::Obstacle::Blocked(_) => Obstacle::Blocked,
        domain::Obstacle::Waiting { on, .. } => {
            Obstacle::Waiting(on.iter().map(|(id, _)| id.to_string()).collect())
        }
        domain::Obstacle::Until(at) => Obstacle::Until(at.0),
        other => panic!("nobody was named, and yet: {other:?}"),
    }
}

/// The exit code of an error, as the table of exit codes says.
fn no(error: &domain::Error) -> No {
    match error {
        domain::Error::Refused(_) => No::Refused,
        domain::Error::NoSuchTask(_) => No::Missing,
        domain::Error::Held { .. }
        | domain::Error::Reserved { .. }
        | domain::Error::Assigned { .. }
        | domain::Error::Stale { .. }
        | domain::Error::KeyEnded { .. } => No::Taken,
        domain::Error::TokenNeeded { .. } | domain::Error::Invalid(_) => No::Usage,
        domain::Error::KeyGone { .. }
        | domain::Error::KeyReused(_)
        | domain::Error::MetaChanged { .. }
        | domain::Error::Transition { .. }
        | domain::Error::Graph(_) => No::Invalid,
        other => {
            assert_eq!(other.to_string(), "", "no command here should meet this");
            No::Unexpected
        }
    }
}
