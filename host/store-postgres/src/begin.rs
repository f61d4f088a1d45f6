//! Opening a transaction, with all that it will read first, in one turn; or, after an earlier try lost, by waiting in
//! order for what that one lost by.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{Aim, BeginError, Cell, ReadError, ReadyQuery, TaskId};

use crate::link::{Call, LinkError, Param, Row};
use crate::pool::{PoolError, Pooled};
use crate::rows::number;
use crate::shared::{Basis, Shared, instant, no_connection, read_error};
use crate::sql;
use crate::still::elsewhere;
use crate::tx::{Ahead, Mode, Outset, Tx, cell_key};
use crate::view::key_record;

/// How often it is tried anew because idle connections turned out to be broken.
const TRIES: usize = 3;
/// How long a transaction waits beside others for what they have, before it waits until nobody else has anything.
const BESIDE_OTHERS: Duration = Duration::from_secs(1);

fn failed(error: &LinkError) -> BeginError {
    BeginError::Read(read_error(error))
}

fn no_link(error: PoolError, began: Deadline) -> BeginError {
    match error {
        PoolError::Exhausted { .. } => {
            BeginError::Timeout { waited: began.elapsed(), holder: Some(error.to_string()) }
        }
        error => BeginError::Read(no_connection(&error)),
    }
}

/// What a transaction reads before anybody asks for it, each kind in one statement.
#[derive(Default)]
struct Answers {
    open: Vec<Row>,
    tasks: Vec<Row>,
    named: Vec<Row>,
    key: Vec<Row>,
    ahead: Vec<Row>,
}

/// The statements that begin a transaction.
struct Beginning<'a> {
    shared: &'a Shared,
    tasks: Vec<&'a str>,
    named: Vec<&'a str>,
    key: Option<(&'a str, &'a str)>,
    usual: Option<ReadyQuery>,
    /// How many tasks are offered ahead: one for each of those who are likely to be served.
    offers: i64,
    /// Whether it comes after what takes the board's lock.
    has_lock: bool,
    /// What is known: of the epoch that it names the server doesn't send the rest again.
    basis: Option<Arc<Basis>>,
    lock: i64,
    epoch: i64,
    offset: i64,
}

impl<'a> Beginning<'a> {
    fn of(shared: &'a Shared, aim: &'a Aim, has_lock: bool) -> Self {
        let names = |ids: &'a [TaskId]| ids.iter().map(TaskId::as_str).collect();
        // Whoever repeats a request is answered from memory, so nothing is taken for them before that is known.
        let may_take = aim.asking.as_ref().filter(|_| aim.key.is_none() && aim.tasks.is_empty());
        let may_take = may_take.filter(|_| !has_lock);
        let usual = may_take.and_then(|asking| shared.usual(asking));
        let basis = shared.known_basis();
        Self {
            shared,
            tasks: names(&aim.tasks),
            named: names(&aim.named),
            key: aim.key.as_ref().map(|(command, key)| (command.as_str(), key.as_str())),
            usual,
            offers: 1 + shared.served.load(Ordering::Relaxed),
            has_lock,
            lock: shared.board_lock(),
            epoch: basis.as_ref().map_or(-1, |basis| basis.epoch),
            basis,
            offset: shared.offset(),
        }
    }

    /// Sends what comes before, and then all of it.
    fn send(&self, link: &mut Pooled, before: Vec<Call<'_>>) -> Result<Answers, LinkError> {
        let mut calls = before;
        let first = calls.len();
        let seed = &self.shared.hand_seed;
        let params = || -> Vec<Param<'_>> { vec![&self.lock, &self.epoch, &self.offset] };
        let ahead = self
            .usual
            .as_ref()
            .and_then(|usual| Tx::opening_ahead(self.shared, usual, params(), &self.offers, seed));
        let is_ahead = ahead.is_some();
        let open = if self.has_lock { sql::OPEN_WITH_LOCK } else { sql::OPEN };
        calls.push(ahead.unwrap_or_else(|| Call::of(open, params())));
        let tasks =
            (!self.tasks.is_empty()).then(|| Call::of(sql::TASKS_TO_CHANGE, vec![&self.tasks]));
        let named =
            (!self.named.is_empty()).then(|| Call::of(sql::TASKS_TO_LOOK_AT, vec![&self.named]));
        let key = self.key.as_ref().map(|(command, key)| Call::of(sql::KEY, vec![command, key]));
        let wanted = [tasks, named, key];
        let is_wanted = wanted.each_ref().map(Option::is_some);
        calls.extend(wanted.into_iter().flatten());
        let mut answers = link.pipeline(&calls)?.into_iter().skip(first);
        let open = answers.next().unwrap_or_default();
        let mut of = |is_wanted: bool| {
            if is_wanted { answers.next().unwrap_or_default() } else { Vec::new() }
        };
        let [tasks, named, key] = is_wanted.map(&mut of);
        // Of a transaction that was offered nothing, those columns are null.
        let is_offer = |row: &&Row| row.get::<_, Option<&str>>("id").is_some();
        let ahead = open.iter().filter(|_| is_ahead).filter(is_offer).cloned().collect();
        Ok(Answers { open, tasks, named, key, ahead })
    }
}

/// A transaction that begins.
pub(crate) fn begin(shared: &Arc<Shared>, aim: &Aim, deadline: Deadline) -> Result<Tx, BeginError> {
    let began = Deadline::now();
    let mut tries = 0;
    loop {
        let mut link = shared.pool.get(deadline).map_err(|error| no_link(error, began))?;
        let has_lock = !aim.lost.is_empty() || aim.alone;
        let beginning = Beginning::of(shared, aim, has_lock);
        let begun = if has_lock {
            in_order(&beginning, &mut link, aim, aim.alone, deadline)
        } else {
            beginning.send(&mut link, vec![Call::of(sql::BEGIN, Vec::new())])
        };
        match begun {
            Ok(answers) => {
                if let Some(tx) = opened(shared, aim, &beginning, link, answers)? {
                    return Ok(tx);
                }
                // Somebody is alone with the board: what follows waits for them.
                return wait(shared, aim, began, deadline);
            }
            // A connection that had been idle since before the server was restarted.
            Err(LinkError::Lost(_)) if tries < TRIES => tries += 1,
            Err(LinkError::NotAvailable(_) | LinkError::Serialization(_)) => {
                drop(link);
                return wait(shared, aim, began, deadline);
            }
            Err(error) => return Err(failed(&error)),
        }
    }
}

/// The same, once all that it is known to want is free. Those who only look at a task are let in while somebody waits to
/// change it, and enough of them keep it for ever: so whoever has waited for a while has the board alone, and everybody else
/// waits for that.
fn wait(
    shared: &Arc<Shared>,
    aim: &Aim,
    began: Deadline,
    deadline: Deadline,
) -> Result<Tx, BeginError> {
    let mut alone = aim.alone;
    loop {
        let mut link = shared.pool.get(deadline).map_err(|error| no_link(error, began))?;
        let beginning = Beginning::of(shared, aim, true);
        let until = if alone { deadline } else { deadline.min(Deadline::now() + BESIDE_OTHERS) };
        match in_order(&beginning, &mut link, aim, alone, until) {
            Ok(answers) => {
                if let Some(tx) = opened(shared, aim, &beginning, link, answers)? {
                    return Ok(tx);
                }
            }
            // Two waiters in each other's way, or it took too long.
            Err(LinkError::NotAvailable(_) | LinkError::Serialization(_) | LinkError::Lost(_)) => {
                drop(link);
                alone = true;
            }
            Err(error) => return Err(failed(&error)),
        }
        if Deadline::now() >= deadline {
            let holder = holder(shared);
            return Err(BeginError::Timeout { waited: began.elapsed(), holder });
        }
    }
}

/// Waits for the board, then for the tasks, then for the rest, each kind in the order in which everybody does.
fn in_order(
    beginning: &Beginning<'_>,
    link: &mut Pooled,
    aim: &Aim,
    alone: bool,
    deadline: Deadline,
) -> Result<Answers, LinkError> {
    let left = deadline.saturating_duration_since(Deadline::now());
    let timeout = left.max(Duration::from_millis(1)).as_millis().to_string();
    let shared = beginning.shared;
    let is_task = |cell: &&Cell| cell.0.starts_with("task ");
    let mut tasks: Vec<&str> =
        aim.lost.iter().filter(is_task).filter_map(|cell| cell.0.strip_prefix("task ")).collect();
    tasks.extend(&beginning.tasks);
    tasks.extend(&beginning.named);
    let mut keys: Vec<i64> =
        aim.lost.iter().filter(|cell| !is_task(cell)).map(|cell| cell_key(shared, cell)).collect();
    keys.sort_unstable();
    let boards = if alone { shared.board_locks_alone() } else { vec![beginning.lock] };
    let board = if alone { sql::LOCK_ALONE } else { sql::LOCK_SHARED };
    let mut before =
        vec![Call::of(sql::BEGIN, Vec::new()), Call::of(sql::LOCK_TIMEOUT, vec![&timeout])];
    before.extend(boards.iter().map(|lock| Call::of(board, vec![lock])));
    before.push(Call::of(sql::WAIT_FOR_TASKS, vec![&tasks]));
    before.extend(keys.iter().map(|key| Call::of(sql::LOCK_ALONE, vec![key])));
    link.set_patience(left + left.min(Duration::from_secs(5)));
    let answers = beginning.send(link, before);
    link.set_patience(crate::link::PATIENCE);
    answers
}

/// The transaction whose first statements were answered so; `None` if somebody is alone with the board.
fn opened(
    shared: &Arc<Shared>,
    aim: &Aim,
    beginning: &Beginning<'_>,
    link: Pooled,
    answers: Answers,
) -> Result<Option<Tx>, BeginError> {
    let Some(row) = answers.open.first() else {
        return Err(ReadError::Damaged("the board's own row is gone".into()).into());
    };
    if !row.get::<_, bool>("got") {
        return Ok(None);
    }
    if let Some(elsewhere) = elsewhere(row) {
        return Err(elsewhere.refusal().into());
    }
    let now: i64 = row.get("now");
    shared.hear_clock(now);
    let fresh = row.get::<_, Option<String>>("policies").zip(row.get("settings"));
    // Another thread of this handle may know of a later epoch by now: then this one's commit is refused, and tried again.
    let basis = match (&beginning.basis, fresh) {
        (Some(known), None) => known.clone(),
        (_, fresh) => shared.basis(row.get("epoch"), fresh)?,
    };
    let outset = Outset {
        now: instant(now),
        basis,
        sequence: number(row.get("sequence")),
        unasked: row.get("unasked"),
        due: row.get("due"),
        wakes: row.get("wakes"),
        classes: row.get("classes"),
    };
    let mut tx = Tx::new(link, Mode::Changing, shared.clone(), outset);
    tx.asking.clone_from(&aim.asking);
    tx.see(aim.tasks.iter().cloned(), &answers.tasks, true)?;
    let tasks = |id: &TaskId| aim.tasks.contains(id);
    tx.see(aim.named.iter().filter(|id| !tasks(id)).cloned(), &answers.named, false)?;
    for cell in &aim.lost {
        match cell.0.strip_prefix("task ").map(TaskId::new) {
            Some(Ok(id)) => _ = tx.taken.insert(id),
            _ => _ = tx.held_cells.insert(cell.clone(), true),
        }
    }
    if let Some((command, key)) = &aim.key {
        let record = answers.key.first().map(key_record).transpose()?;
        tx.keys.insert((*command, key.clone()), record);
    }
    let order = beginning.usual.as_ref().map(|usual| usual.order);
    tx.ahead = order.map(|order| Ahead { order, rows: answers.ahead });
    Ok(Some(tx))
}

/// Who is alone with the board, as far as the server knows.
pub(crate) fn holder(shared: &Shared) -> Option<String> {
    let mut link = shared.pool.get(Deadline::now() + Duration::from_secs(1)).ok()?;
    let lock = shared.board_lock();
    let answers = link.pipeline(&[Call::of(sql::HOLDER, vec![&lock])]).ok()?;
    let row = answers.first()?.first()?;
    Some(row.get::<_, String>("application_name"))
}

/// A transaction in which nothing can be changed: the board as it is at this instant.
pub(crate) fn look(shared: &Arc<Shared>, deadline: Deadline) -> Result<Tx, BeginError> {
    let began = Deadline::now();
    let mut tries = 0;
    loop {
        let mut link = shared.pool.get(deadline).map_err(|error| no_link(error, began))?;
        let offset = shared.offset();
        let calls = [Call::of(sql::BEGIN_SNAPSHOT, Vec::new()), Call::of(sql::LOOK, vec![&offset])];
        match link.pipeline(&calls) {
            Ok(answers) => {
                return looked(shared, link, answers.get(1).and_then(|rows| rows.first()));
            }
            Err(LinkError::Lost(_)) if tries < TRIES => tries += 1,
            Err(error) => return Err(failed(&error)),
        }
    }
}

fn looked(shared: &Arc<Shared>, link: Pooled, row: Option<&Row>) -> Result<Tx, BeginError> {
    let Some(row) = row else {
        return Err(ReadError::Damaged("the board's own row is gone".into()).into());
    };
    let now: i64 = row.get("now");
    shared.hear_clock(now);
    let basis = shared.basis(row.get("epoch"), Some((row.get("policies"), row.get("settings"))))?;
    let outset = Outset {
        now: instant(now),
        basis,
        sequence: 0,
        unasked: true,
        due: true,
        wakes: true,
        classes: i64::MAX,
    };
    let mut tx = Tx::new(link, Mode::Looking, shared.clone(), outset);
    tx.elsewhere = elsewhere(row);
    Ok(tx)
}
