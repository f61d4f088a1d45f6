//! The same requests to a real board, and its answers in the words of the model.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use taskhost_board::Keeper as _;
use taskhost_board::{
    self as domain, AgentKind, Assignee, ChangeRequest, ClaimOutcome, ClaimRequest, Engine, Filter,
    Json, ListQuery, Name, NewTask, NothingWhy, Outcome, PolicyChange, PolicyTarget, SessionId,
    Store, SwitchError, TaskId, TaskUpdate, Token, View,
};
use taskhost_policy::{Runtime, RuntimeOptions};
use taskhost_simulated::Bug;
use taskhost_store_file::{FileStore, OpenOptions};

use super::words::{
    Action, Agent, Answer, Ask, Claim, Closed, Finish, Id, Key, New, No, Op, ParentRule, Proof,
    Session, Settings, Span, Status, Task, Verb, Whole, Why, Words,
};

/// How long anything may take before it is taken for something that never ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a request is answered that didn't find what it should.
type Asked<T> = std::result::Result<T, domain::Error>;

/// A real board, put together as `taskhost::Board` does, and with a bug if there is to be one.
pub struct Real {
    store: Arc<dyn Store>,
    compact: Box<Compact>,
    engine: Engine,
}

/// Makes what a board keeps short again, where that is ever done.
type Compact = dyn Fn(Instant) -> std::result::Result<(), SwitchError> + Send + Sync;

impl Real {
    /// Opens the board in this directory.
    pub fn open(path: &std::path::Path, bug: Option<Bug>) -> Result<Self> {
        let options = OpenOptions { planted: Bug::in_store(bug), ..OpenOptions::default() };
        let store = FileStore::open(path, options).context("the board can't be opened")?;
        let files = store.clone();
        Self::over(Arc::new(store), Box::new(move |until| files.compact(until).map(drop)), bug)
    }

    /// A board over whatever keeps it.
    fn over(store: Arc<dyn Store>, compact: Box<Compact>, bug: Option<Bug>) -> Result<Self> {
        let runtime = Runtime::new(RuntimeOptions::new(store.powers()))?;
        let entropy = Arc::new(|| getrandom::u64().unwrap_or_default());
        let engine = Engine::new(store.clone(), Arc::new(runtime), entropy);
        Ok(Self { store, compact, engine: engine.with_planted(Bug::in_board(bug)) })
    }

    /// Where it is kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Makes what it keeps short again.
    pub fn compact(&self, until: Instant) -> std::result::Result<(), SwitchError> {
        (self.compact)(until)
    }

    /// Asks.
    pub fn ask(&self, op: &Op) -> Answer {
        match self.try_ask(op) {
            Ok(answer) => answer,
            Err(error) => no(&error),
        }
    }

    fn try_ask(&self, op: &Op) -> Asked<Answer> {
        let until = Instant::now() + PATIENCE;
        match op {
            Op::Add(new) => {
                let added = self.engine.add(&[new_task(new)], until)?;
                match added.first() {
                    Some(added) => Ok(answered(&added.task, added.repeated)),
                    None => Ok(Answer::Odd("nothing was added".into())),
                }
            }
            Op::Claim(ask) => Ok(match self.engine.claim(&claim_request(ask), until)? {
                ClaimOutcome::Claimed { task, repeated } => answered(&task, repeated),
                ClaimOutcome::Nothing { why, .. } => Answer::Nothing(match why {
                    NothingWhy::Empty => Why::Empty,
                    NothingWhy::Waiting => Why::Waiting,
                    NothingWhy::NoMatch => Why::NoMatch,
                }),
            }),
            Op::Heartbeat { id, proof, lease_ms } => {
                let held = self.engine.heartbeat(&name_of(*id), &by(proof), *lease_ms, until)?;
                Ok(answered(&held.task, held.repeated))
            }
            Op::Finish { id, proof, how } => {
                let how = match how {
                    Finish::Complete(result) => domain::Finish::Complete(result.map(json)),
                    Finish::Fail(error) => domain::Finish::Fail(error.map(text)),
                    Finish::Release => domain::Finish::Release(None),
                };
                let held = self.engine.finish(&name_of(*id), &by(proof), &how, until)?;
                Ok(answered(&held.task, held.repeated))
            }
            Op::Change { ids, action } => {
                let changed = self.engine.change(&change_request(ids, action), until)?;
                let mut done = Vec::new();
                for (_, outcome) in changed.outcomes {
                    match outcome {
                        Outcome::Done => done.push(true),
                        Outcome::Already => done.push(false),
                        Outcome::Failed(error) => return Err(error),
                    }
                }
                Ok(Answer::Changed(done))
            }
            Op::Set(settings) => {
                let change = PolicyChange {
                    target: PolicyTarget::Current,
                    settings: policy_settings(settings),
                    standard_settings: Default::default(),
                    expect: None,
                };
                self.engine.set_policy(&change, until)?;
                Ok(Answer::Done)
            }
            Op::Show(id) => Ok(answered(&self.engine.task(&name_of(*id))?, false)),
            Op::Look => {
                let (view, _) = self.store.snapshot()?;
                Ok(match whole(&*view) {
                    Ok(whole) => Answer::Whole(Box::new(whole)),
                    Err(error) => Answer::Odd(error.to_string()),
                })
            }
        }
    }
}

/// A whole board as it is seen.
pub fn whole(view: &dyn View) -> Result<Whole> {
    let query = ListQuery { limit: 1_000, ..ListQuery::default() };
    let page = view.list(&query)?;
    let set = view.policies()?;
    let word = |name: &str| set.standard.settings.get(name).map_or("", String::as_str);
    let number = |name: &str| word(name).parse().unwrap_or_default();
    Ok(Whole {
        token: view.head()?.token.0,
        settings: Settings {
            parent: match word("parent") {
                "children-first" => ParentRule::ChildrenFirst,
                "independent" => ParentRule::Independent,
                _ => ParentRule::ParentFirst,
            },
            cascade: word("cascade") == "cancel",
            max_attempts: number("max_attempts"),
            retries: number("retries"),
            max_claims: number("max_claims_per_agent"),
        },
        tasks: page.tasks.iter().map(seen).collect::<Result<_>>()?,
    })
}

/// Settings in the standard policy's own words.
pub fn policy_settings(settings: &Settings) -> std::collections::BTreeMap<String, String> {
    let parent = match settings.parent {
        ParentRule::ParentFirst => "parent-first",
        ParentRule::ChildrenFirst => "children-first",
        ParentRule::Independent => "independent",
    };
    let cascade = if settings.cascade { "cancel" } else { "block" };
    let pairs = [
        ("parent", parent.to_owned()),
        ("cascade", cascade.to_owned()),
        ("max_attempts", settings.max_attempts.to_string()),
        ("retries", settings.retries.to_string()),
        ("max_claims_per_agent", settings.max_claims.to_string()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The id of a session on the board.
pub fn session_id(session: Session) -> SessionId {
    valid(SessionId::new(format!("s-{session}")))
}

fn answered(task: &domain::Task, repeated: bool) -> Answer {
    match seen(task) {
        Ok(task) => Answer::Task(Box::new(task), repeated),
        Err(error) => Answer::Odd(format!("`{}` was never written so: {error:#}", task.id)),
    }
}

/// Everything here is named by letters and digits.
fn valid<T, E: std::fmt::Display>(made: std::result::Result<T, E>) -> T {
    made.unwrap_or_else(|error| unreachable!("letters and digits make a valid name: {error}"))
}

fn name_of(id: Id) -> TaskId {
    valid(TaskId::new(id.to_string()))
}

fn agent_name(agent: Agent) -> Name {
    valid(Name::new(agent.as_str()))
}

/// The words of one kind: `k0` and `k1` are two types, say.
fn names(letter: char, words: Words) -> Vec<Name> {
    let bits = (0..8).filter(|bit| words.0 & (1 << bit) != 0);
    bits.map(|bit| valid(Name::new(format!("{letter}{bit}")))).collect()
}

fn json(number: u8) -> Json {
    valid(Json::parse(&number.to_string()))
}

fn text(number: u8) -> String {
    format!("because-{number}")
}

fn key_text(key: Key) -> String {
    format!("key-{key}")
}

fn by(proof: &Proof) -> domain::Proof {
    domain::Proof { agent: agent_name(proof.agent), token: Some(Token(proof.token)) }
}

fn assignee(agent: Agent) -> Assignee {
    Assignee { name: agent_name(agent), kind: AgentKind::Agent, hostname: None, by: None }
}

fn new_task(new: &New) -> NewTask {
    let kind = names('k', new.kind).into_iter().next();
    NewTask {
        id: Some(name_of(new.id)),
        parent: new.parent.map(name_of),
        after: new.after.iter().copied().map(name_of).collect(),
        priority: new.priority,
        labels: names('l', new.labels),
        needs: names('n', new.needs),
        assignee: new.assignee.map(assignee),
        data: json(new.data),
        key: new.key.map(key_text),
        ..NewTask::new(kind.unwrap_or_else(|| valid(Name::new("k0"))))
    }
}

fn claim_request(ask: &Ask) -> ClaimRequest {
    ClaimRequest {
        agent: domain::Agent {
            name: agent_name(ask.agent),
            kind: AgentKind::Agent,
            session: session_id(ask.session),
            hostname: None,
            capabilities: names('n', ask.capabilities),
            living: ask.living,
            process: None,
        },
        filter: Filter {
            types: names('k', ask.kinds),
            labels: names('l', ask.labels),
            capabilities: names('n', ask.capabilities),
            only: ask.only.map(name_of),
        },
        lease_ms: ask.lease_ms,
        key: ask.key.map(key_text),
    }
}

fn change_request(ids: &[Id], action: &Action) -> ChangeRequest {
    let update = |update| domain::Action::Update(Box::new(update));
    ChangeRequest {
        ids: ids.iter().copied().map(name_of).collect(),
        action: match *action {
            Action::Assign(agent) => domain::Action::Assign(assignee(agent)),
            Action::Unassign => domain::Action::Unassign(None),
            Action::Prioritize(priority) => {
                update(TaskUpdate { priority: Some(priority), ..TaskUpdate::default() })
            }
            Action::Need(needs) => {
                update(TaskUpdate { needs: Some(names('n', needs)), ..TaskUpdate::default() })
            }
            Action::Cancel { cascade, reason } => {
                domain::Action::Cancel { cascade, reason: reason.map(text) }
            }
            Action::Retry { cascade } => domain::Action::Retry { cascade, reason: None },
            Action::Block { reason, proof, force } => domain::Action::Block {
                reason: reason.map(text),
                proof: proof.as_ref().map(by),
                force,
            },
            Action::Unblock => domain::Action::Unblock { reason: None },
            Action::Release => domain::Action::Release { reason: None },
            Action::Archive => domain::Action::Archive,
        },
        by: None,
        together: ids.len() > 1,
        dry_run: false,
    }
}

/// The number after these letters.
fn number<T: std::str::FromStr>(text: &str, letters: &str) -> Result<T> {
    let digits = text.strip_prefix(letters).and_then(|digits| digits.parse().ok());
    digits.with_context(|| format!("`{text}` is no word that anybody used"))
}

fn words(letters: &str, names: &[Name]) -> Result<Words> {
    let mut words = Words::default();
    for name in names {
        words.0 |= 1 << number::<u8>(name.as_str(), letters)?.min(7);
    }
    Ok(words)
}

fn agent(name: &Name) -> Result<Agent> {
    let known = Agent::ALL.into_iter().find(|agent| agent.as_str() == name.as_str());
    known.with_context(|| format!("there is no agent `{name}`"))
}

fn seen(task: &domain::Task) -> Result<Task> {
    let id = |id: &TaskId| number(id.as_str(), "t").map(Id);
    // Other reasons are worded by the host and the policy.
    let reason = task.reason.as_deref().and_then(|text| number(text, "because-").ok());
    let closed = task.closed.as_ref().filter(|_| task.claim.is_none());
    Ok(Task {
        id: id(&task.id)?,
        kind: words("k", std::slice::from_ref(&task.task_type))?,
        status: status(task.status),
        reason,
        parent: task.parent.as_ref().map(id).transpose()?,
        after: task.after.iter().map(id).collect::<Result<_>>()?,
        priority: task.priority,
        labels: words("l", &task.labels)?,
        needs: words("n", &task.needs)?,
        assignee: task.assignee.as_ref().map(|assignee| agent(&assignee.name)).transpose()?,
        data: number(task.data.as_str(), "")?,
        key: task.key.as_deref().map(|key| number(key, "key-")).transpose()?,
        attempts: task.attempts,
        failures: task.failures,
        claim: task.claim.as_ref().map(claim).transpose()?,
        closed: closed.and_then(|closed| self::closed(closed).transpose()).transpose()?,
        result: task.result.as_ref().map(|result| number(result.as_str(), "")).transpose()?,
        error: task.error.as_deref().map(|error| number(error, "because-")).transpose()?,
    })
}

fn claim(claim: &domain::Claim) -> Result<Claim> {
    Ok(Claim {
        agent: agent(&claim.agent)?,
        session: number(claim.session.as_str(), "s-")?,
        living: claim.living,
        token: claim.token.0,
        lease_ms: claim.lease_ms,
        ends: Span::at(claim.lease.boot_ms),
    })
}

fn closed(closed: &domain::Closed) -> Result<Option<Closed>> {
    let Some(verb) = closed.verb else { return Ok(None) };
    let verb = match verb {
        domain::Verb::Heartbeat => bail!("a heartbeat ends no claim"),
        domain::Verb::Complete => Verb::Complete,
        domain::Verb::Fail => Verb::Fail,
        domain::Verb::Release => Verb::Release,
        domain::Verb::Block => Verb::Block,
    };
    Ok(Some(Closed { token: closed.token.0, agent: agent(&closed.agent)?, verb }))
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

/// What an error says, by the table of exit codes.
fn no(error: &domain::Error) -> Answer {
    use domain::Error;
    Answer::No(match error {
        Error::Refused(_) => No::Refused,
        Error::NoSuchTask(_) => No::Missing,
        Error::Held { .. }
        | Error::Reserved { .. }
        | Error::Assigned { .. }
        | Error::Stale { .. }
        | Error::KeyEnded { .. } => No::Taken,
        Error::TokenNeeded { .. } | Error::Invalid(_) => No::Usage,
        Error::KeyGone { .. }
        | Error::KeyReused(_)
        | Error::MetaChanged { .. }
        | Error::Transition { .. }
        | Error::Graph(_) => No::Invalid,
        Error::Begin(_)
        | Error::Commit(_)
        | Error::Read(_)
        | Error::Policy(_)
        | Error::Switch(_) => return Answer::Odd(error.to_string()),
    })
}
