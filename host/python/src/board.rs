//! An open board.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Serialize;
use taskhost::wire::{WireTask, parse_task};
use taskhost::{
    AddOutcome, BoardSettings, ChangeRequest, Error, Finish, Held, InitOptions, ListQuery,
    OpenOptions, Outcome, Owner, Proof, Status, Token,
};

use crate::action::action as parse_action;
use crate::error::{invalid, raised};
use crate::foreign;
use crate::guarded::Guarded;
use crate::locks::{HandLock, in_slices};
use crate::looking::{self, Wanted};
use crate::parse::{self, id, json, name, names, seconds};
use crate::session::Session;

/// A board, open in this process. Any number of threads may use it.
#[pyclass(frozen, module = "taskhost._native")]
pub struct Board {
    inner: Guarded<taskhost::Board>,
    /// How it was opened.
    options: OpenOptions,
}

/// A task that was added, claimed or finished, and whether the same request had done so before.
#[derive(Serialize)]
pub struct Answered {
    pub task: WireTask,
    pub repeated: bool,
}

impl From<AddOutcome> for Answered {
    fn from(added: AddOutcome) -> Self {
        Self { task: WireTask::from(&added.task), repeated: added.repeated }
    }
}

impl From<Held> for Answered {
    fn from(held: Held) -> Self {
        Self { task: WireTask::from(&*held.task), repeated: held.repeated }
    }
}

#[derive(Serialize)]
struct Listed {
    tasks: Vec<WireTask>,
    total: u64,
    next_cursor: Option<u64>,
}

#[derive(Serialize)]
struct Counted {
    total: u64,
    ready: u64,
    by_status: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Changed {
    outcomes: Vec<ChangedOne>,
    touched: Vec<WireTask>,
}

#[derive(Serialize)]
struct ChangedOne {
    task: String,
    done: bool,
    kind: Option<&'static str>,
    code: Option<&'static str>,
    retryable: bool,
    message: Option<String>,
    details: serde_json::Map<String, serde_json::Value>,
}

impl Board {
    /// Does something that may wait, without the interpreter's lock.
    fn run<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&taskhost::Board) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let board = self.inner.get()?;
        py.detach(|| work(board)).map_err(|error| raised(py, &error))
    }

    fn answer<T: Serialize + Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&taskhost::Board) -> Result<T, Error> + Send,
    ) -> PyResult<String> {
        parse::write(&self.run(py, work)?)
    }
}

#[pymethods]
impl Board {
    /// Opens the board in a directory, or at an address in PostgreSQL; every command then waits so many seconds for its lock.
    #[staticmethod]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        timeout: f64,
        allow_unsafe_file_system: bool,
    ) -> PyResult<Self> {
        let options = open_options(timeout, allow_unsafe_file_system)?;
        let opened = py.detach(|| taskhost::Board::open_with(&path, &options));
        let inner = Guarded::new(opened.map_err(|error| raised(py, &error))?);
        Ok(Self { inner, options })
    }

    /// Makes a board in a directory, or at an address in PostgreSQL, and opens it.
    #[staticmethod]
    fn init(
        py: Python<'_>,
        path: PathBuf,
        timeout: f64,
        allow_unsafe_file_system: bool,
        unfenced: bool,
        policy_settings: BTreeMap<String, String>,
    ) -> PyResult<Self> {
        let options = open_options(timeout, allow_unsafe_file_system)?;
        let settings = BoardSettings { unfenced, ..BoardSettings::default() };
        let init = InitOptions { settings, policy_settings, open: options.clone() };
        let made = py.detach(|| taskhost::Board::init(&path, &init));
        let inner = Guarded::new(made.map_err(|error| raised(py, &error))?);
        Ok(Self { inner, options })
    }

    /// Adds tasks, each a JSON object as `add --from` takes it; all or none.
    fn add(&self, py: Python<'_>, tasks: Vec<String>) -> PyResult<String> {
        let tasks = tasks.iter().map(|text| parse_task(text.as_bytes()).map_err(invalid));
        let tasks = tasks.collect::<PyResult<Vec<_>>>()?;
        self.answer(py, |board| {
            let added = board.add(&tasks)?;
            Ok(added.into_iter().map(Answered::from).collect::<Vec<_>>())
        })
    }

    fn task(&self, py: Python<'_>, task: &str) -> PyResult<String> {
        let task = id(task)?;
        self.answer(py, |board| Ok(WireTask::from(&board.task(&task)?)))
    }

    #[pyo3(signature = (statuses, types, labels, parent, assignee, agent, ready, roots, past, limit))]
    #[expect(clippy::too_many_arguments, reason = "they are the fields of a query")]
    fn list_tasks(
        &self,
        py: Python<'_>,
        statuses: Vec<String>,
        types: Vec<String>,
        labels: Vec<String>,
        parent: Option<&str>,
        assignee: Option<&str>,
        agent: Option<&str>,
        ready: bool,
        roots: bool,
        past: Option<u64>,
        limit: Option<usize>,
    ) -> PyResult<String> {
        let statuses: PyResult<Vec<Status>> =
            statuses.iter().map(|text| parse::status(text)).collect();
        let query = ListQuery {
            statuses: statuses?,
            types: names(&types)?,
            labels: names(&labels)?,
            parent: parent.map(id).transpose()?,
            assignee: assignee.map(name).transpose()?,
            agent: agent.map(name).transpose()?,
            ready,
            roots,
            past,
            limit: limit.unwrap_or(usize::MAX),
        };
        self.answer(py, |board| {
            let page = board.list(&query)?;
            let tasks = page.tasks.iter().map(WireTask::from).collect();
            Ok(Listed { tasks, total: page.total, next_cursor: page.next })
        })
    }

    fn counts(&self, py: Python<'_>) -> PyResult<String> {
        self.answer(py, |board| {
            let counts = board.head()?.counts;
            let by_status = Status::ALL.map(|status| (status.as_str(), counts.of(status)));
            Ok(Counted {
                total: counts.total(),
                ready: counts.ready,
                by_status: BTreeMap::from(by_status),
            })
        })
    }

    /// How many tasks of each type stand where, at one instant. Its cost grows with the board.
    fn census(&self, py: Python<'_>) -> PyResult<BTreeMap<String, BTreeMap<&'static str, u64>>> {
        self.run(py, |board| {
            let census = board.census()?;
            let types = census.types.iter().map(|(name, by)| {
                let by_status = Status::ALL.map(|status| (status.as_str(), by[status as usize]));
                (name.to_string(), BTreeMap::from(by_status))
            });
            Ok(types.collect())
        })
    }

    /// What happened: the newest events that match, the newest last.
    #[expect(clippy::too_many_arguments, reason = "they are what a history is asked for by")]
    fn history(
        &self,
        py: Python<'_>,
        task: Option<&str>,
        agent: Option<&str>,
        kinds: Vec<String>,
        past: u64,
        before: Option<&str>,
        limit: Option<usize>,
    ) -> PyResult<String> {
        let not_a_cursor = |_| invalid("`before` is the `next_cursor` of the page after it");
        let wanted = Wanted {
            task: task.map(id).transpose()?,
            agent: agent.map(name).transpose()?,
            kinds,
            past,
            before: before.map(str::parse).transpose().map_err(not_a_cursor)?,
            limit: limit.unwrap_or(usize::MAX),
        };
        self.answer(py, |board| looking::history(board, &wanted))
    }

    /// Why a task can or can't be claimed now.
    fn explain(
        &self,
        py: Python<'_>,
        task: &str,
        agent: Option<String>,
        kind: &str,
        capabilities: Vec<String>,
    ) -> PyResult<String> {
        let (task, kind) = (id(task)?, parse::kind(kind)?);
        let agent = agent.map(|name| (name, kind, capabilities));
        self.answer(py, |board| looking::explain(board, &task, agent))
    }

    #[expect(clippy::too_many_arguments, reason = "they are the fields of a session's options")]
    fn session(
        &self,
        py: Python<'_>,
        agent: String,
        kind: &str,
        hostname: Option<String>,
        capabilities: Vec<String>,
        session: Option<String>,
        living: bool,
        holder_pid: Option<i32>,
    ) -> PyResult<Session> {
        let mut options = taskhost::SessionOptions::new(agent);
        options.kind = parse::kind(kind)?;
        if hostname.is_some() {
            options.hostname = hostname;
        }
        options.capabilities = capabilities;
        options.session = session;
        options.living = living;
        options.holder = match holder_pid {
            Some(pid) => Some(parse::process(pid)?),
            None => None,
        };
        Ok(Session::new(self.run(py, |board| board.session(&options))?))
    }

    fn finish(
        &self,
        py: Python<'_>,
        task: &str,
        agent: &str,
        token: Option<u64>,
        how: &str,
        value: Option<String>,
    ) -> PyResult<String> {
        let (task, proof) = (id(task)?, proof(agent, token)?);
        let how = finish(how, value)?;
        self.answer(py, |board| Ok(Answered::from(board.finish(&task, &proof, &how)?)))
    }

    fn heartbeat(
        &self,
        py: Python<'_>,
        task: &str,
        agent: &str,
        token: Option<u64>,
        lease: Option<f64>,
    ) -> PyResult<String> {
        let (task, proof) = (id(task)?, proof(agent, token)?);
        let lease = lease.map(seconds).transpose()?;
        self.answer(py, |board| Ok(Answered::from(board.heartbeat(&task, &proof, lease)?)))
    }

    /// Does something with tasks that one need not hold; `action` is a JSON object, as `action` reads it.
    fn change(
        &self,
        py: Python<'_>,
        tasks: Vec<String>,
        action: &str,
        by: Option<&str>,
        together: bool,
    ) -> PyResult<String> {
        let ids: PyResult<Vec<_>> = tasks.iter().map(|text| id(text)).collect();
        let request = ChangeRequest {
            ids: ids?,
            action: parse_action(action)?,
            by: by.map(name).transpose()?,
            together,
            dry_run: false,
        };
        self.answer(py, |board| {
            let changed = board.change(&request)?;
            let outcomes = changed.outcomes.into_iter().map(|(id, outcome)| {
                let (done, error) = match outcome {
                    Outcome::Done => (true, None),
                    Outcome::Already => (false, None),
                    Outcome::Failed(error) => (false, Some(error)),
                };
                let problem = error.as_ref().map(taskhost::problem_of_board);
                ChangedOne {
                    task: id.to_string(),
                    done,
                    kind: problem.as_ref().map(|problem| problem.kind.as_str()),
                    code: problem.as_ref().map(|problem| problem.code),
                    retryable: problem.as_ref().is_some_and(|problem| problem.retryable),
                    message: error.map(|error| error.to_string()),
                    details: problem.map(|problem| problem.details).unwrap_or_default(),
                }
            });
            let touched = changed.touched.iter().filter_map(|touched| touched.after.as_ref());
            Ok(Changed {
                outcomes: outcomes.collect(),
                touched: touched.map(WireTask::from).collect(),
            })
        })
    }

    fn meta(&self, py: Python<'_>) -> PyResult<BTreeMap<String, String>> {
        self.run(py, |board| {
            let all = board.metas()?.into_iter();
            Ok(all.map(|(key, value)| (key.to_string(), value.as_str().to_owned())).collect())
        })
    }

    #[pyo3(signature = (key, value, expected, by))]
    fn set_meta(
        &self,
        py: Python<'_>,
        key: &str,
        value: Option<&str>,
        expected: Option<&str>,
        by: Option<&str>,
    ) -> PyResult<()> {
        let key = id(key)?;
        let value = value.map(json).transpose()?;
        let expected = expected.map(json).transpose()?;
        let by = by.map(name).transpose()?;
        self.run(py, |board| board.set_meta(&key, value.as_ref(), expected.as_ref(), by.as_ref()))
    }

    /// A large value of a task or of an agent.
    fn context<'py>(
        &self,
        py: Python<'py>,
        task: Option<&str>,
        agent: Option<&str>,
        key: &str,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let (owner, key) = (owner(task, agent)?, id(key)?);
        let value = self.run(py, |board| Ok(board.contexts().get(&owner, &key)?))?;
        Ok(value.map(|value| PyBytes::new(py, &value)))
    }

    fn set_context(
        &self,
        py: Python<'_>,
        task: Option<&str>,
        agent: Option<&str>,
        key: &str,
        value: &[u8],
        append: bool,
    ) -> PyResult<()> {
        let (owner, key) = (owner(task, agent)?, id(key)?);
        self.run(py, |board| {
            let (contexts, deadline) = (board.contexts(), board.deadline());
            if append {
                contexts.append(&owner, &key, value, deadline)?;
            } else {
                contexts.set(&owner, &key, value, deadline)?;
            }
            Ok(())
        })
    }

    fn remove_context(
        &self,
        py: Python<'_>,
        task: Option<&str>,
        agent: Option<&str>,
        key: &str,
    ) -> PyResult<bool> {
        let (owner, key) = (owner(task, agent)?, id(key)?);
        self.run(py, |board| Ok(board.contexts().remove(&owner, &key, board.deadline())?))
    }

    /// The keys of the large values of a task or of an agent, with their lengths in bytes.
    fn contexts(
        &self,
        py: Python<'_>,
        task: Option<&str>,
        agent: Option<&str>,
    ) -> PyResult<BTreeMap<String, u64>> {
        let owner = owner(task, agent)?;
        self.run(py, |board| {
            let entries = board.contexts().list(&owner)?.into_iter();
            Ok(entries.map(|entry| (entry.key.to_string(), entry.bytes)).collect())
        })
    }

    /// Everybody who has large values: `task` or `agent`, and which.
    fn context_owners(&self, py: Python<'_>) -> PyResult<Vec<(&'static str, String)>> {
        self.run(py, |board| {
            let owners = board.contexts().owners()?.into_iter();
            Ok(owners
                .map(|owner| match owner {
                    Owner::Task(id) => ("task", id.to_string()),
                    Owner::Agent(name) => ("agent", name.to_string()),
                })
                .collect())
        })
    }

    fn import_file(
        &self,
        py: Python<'_>,
        path: PathBuf,
        format: Option<&str>,
        lease: Option<f64>,
    ) -> PyResult<String> {
        let board = self.inner.get()?;
        foreign::import_file(py, board, &path, format, lease)
    }

    fn import_tasks(
        &self,
        py: Python<'_>,
        format: &str,
        tasks: &str,
        lease: Option<f64>,
    ) -> PyResult<String> {
        foreign::import_tasks(py, self.inner.get()?, format, tasks, lease)
    }

    fn export_file(&self, py: Python<'_>, path: PathBuf, format: &str) -> PyResult<String> {
        foreign::export_file(py, self.inner.get()?, &path, format)
    }

    /// Locks a task by hand, or the whole board, waiting at most so many seconds.
    fn hold(
        &self,
        py: Python<'_>,
        task: Option<&str>,
        who: Option<&str>,
        timeout: f64,
    ) -> PyResult<HandLock> {
        let task = task.map(id).transpose()?;
        let board = self.inner.get()?;
        in_slices(py, seconds(timeout)?, |deadline| match &task {
            Some(task) => board.hold_task_by(task, who, deadline),
            None => board.hold_board_by(who, deadline),
        })
    }

    /// The number of the last entry: another one once anything has changed.
    fn sequence(&self, py: Python<'_>) -> PyResult<u64> {
        self.run(py, |board| Ok(board.head()?.sequence.0))
    }

    fn is_unfenced(&self, py: Python<'_>) -> PyResult<bool> {
        self.run(py, |board| Ok(board.settings()?.unfenced))
    }

    /// Makes the journal short again.
    fn compact(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, |board| board.compact().map(drop))
    }

    /// Moves the board to a place where there is none; says where it is then, as others are told.
    fn migrate(&self, py: Python<'_>, to: PathBuf) -> PyResult<String> {
        self.run(py, |board| Ok(board.migrate(&to, &self.options)?.to))
    }

    /// Waits until something has happened on the board, since the entry of this number if one is given, at most so many
    /// seconds; says whether it has.
    fn wait(&self, py: Python<'_>, timeout: f64, past: Option<u64>) -> PyResult<bool> {
        let timeout = seconds(timeout)?;
        let began = Instant::now();
        // Before it is looked, so that nothing that happens then is slept through.
        let seen = self.run(py, taskhost::Board::mark)?;
        if past.is_some_and(|past| past != seen.newest.0) {
            return Ok(true);
        }
        loop {
            let left = timeout.saturating_sub(began.elapsed()).min(Duration::from_millis(500));
            if self.run(py, |board| board.wait(seen, left))? != seen {
                return Ok(true);
            }
            py.check_signals()?;
            if began.elapsed() >= timeout {
                return Ok(false);
            }
        }
    }
}

/// Where a board is, for people: without the password, if there is one in it.
#[pyfunction]
pub fn shown_address(address: PathBuf) -> String {
    taskhost::Address::from(address).to_string()
}

fn open_options(timeout: f64, allow_unsafe_file_system: bool) -> PyResult<OpenOptions> {
    let timeout = seconds(timeout)?;
    Ok(OpenOptions { timeout, allow_unsafe_file_system, ..OpenOptions::default() })
}

fn proof(agent: &str, token: Option<u64>) -> PyResult<Proof> {
    let token = token.map(Token::try_from).transpose().map_err(invalid)?;
    Ok(Proof { agent: name(agent)?, token })
}

fn finish(how: &str, value: Option<String>) -> PyResult<Finish> {
    Ok(match how {
        "complete" => Finish::Complete(value.as_deref().map(json).transpose()?),
        "fail" => Finish::Fail(value),
        "release" => Finish::Release(value),
        _ => return Err(invalid(format!("a claim can't be ended by `{how}`"))),
    })
}

fn owner(task: Option<&str>, agent: Option<&str>) -> PyResult<Owner> {
    match (task, agent) {
        (Some(task), None) => Ok(Owner::Task(id(task)?)),
        (None, Some(agent)) => Ok(Owner::Agent(name(agent)?)),
        _ => Err(invalid("name either a task or an agent whose value it is")),
    }
}
