//! An example policy: several boards spend one budget, of tokens or cents, and together never more than there is.
//!
//! What a task costs is in its data, as `{"cost": 12}`, or else in the setting `cost`. Whoever claims it pays; a task that
//! fails or is handed back gives its cost back.
//!
//! What makes this more than a subtraction is that a file is replaced at once, while everything staged happens when the
//! transaction commits; and it may not commit, since a process can be killed in between. So two books are kept:
//!
//! - The board's own (`account`), in the policy's memory, is staged with the claims that it counts: it is always right.
//! - The shared file (`books`) has a line for each board, written *before* the claim commits and never lower than
//!   the board's own: it may say more than was spent, never less.

mod account;
mod books;

#[cfg(test)]
mod tests;

use std::fmt;

use account::{Account, price_key};
use books::Books;
use taskhost_sdk::assignment::Answer;
use taskhost_sdk::files::{self, FileError, Place};
use taskhost_sdk::locks::{self, LockError};
use taskhost_sdk::{
    About, Assignment, Description, Lifecycle, Order, Readiness, Request, Reservation, Setting,
    StepError, Task, Transaction, View, lifecycle, log, readiness,
};

const BUDGET: Setting<i64> =
    Setting::integer("budget", "0", "What all boards may spend together, in whole units.");

const COST: Setting<i64> =
    Setting::integer("cost", "1", "What a task costs whose data has no `cost`.");

const BOOKS: Setting<String> = Setting::text(
    "books",
    "budget",
    "The file of the books in the directory that the boards share (`taskhost config set shared_files DIR`), and the \
     name of the lock that closes them on this board.",
);

/// How long to wait for whoever has locked the books by hand.
const LOCK_MS: u64 = 300;

/// How often to begin again because another board was faster.
const TRIES_MAX: u32 = 50;

struct SharedBudget;

impl About for SharedBudget {
    fn describe() -> Description {
        let summary = "Several boards spend one budget, and never more.";
        Description::new("shared-budget", env!("CARGO_PKG_VERSION"), summary)
            .with(&BUDGET)
            .with(&COST)
            .with(&BOOKS)
    }
}

impl Readiness for SharedBudget {
    /// What could never be paid isn't offered at all.
    fn classify(_: &View, task: &Task) -> readiness::Answer {
        match (cost(task), BUDGET.get()) {
            (Err(why), _) => readiness::Answer::Never(why),
            (Ok(cost), budget) if cost > budget => {
                readiness::Answer::Never(format!("it costs {cost}, and the budget is {budget}"))
            }
            _ => readiness::Answer::Standard,
        }
    }
}

impl Assignment for SharedBudget {
    fn choose(view: &View, tx: &Transaction, request: Request) -> Answer {
        match choose(view, tx, &request) {
            Ok(answer) => answer,
            Err(Closed::ForNow(why)) => Answer::Nothing(Some(why)),
            Err(Closed::Broken(why)) => Answer::Refused(why),
        }
    }
}

fn choose(view: &View, tx: &Transaction, request: &Request) -> Result<Answer, Closed> {
    let name = BOOKS.get();
    // Locks are between the processes of one board: an operator who holds this one stops it from spending, for example
    // to put the books right. What keeps the boards apart is that the file is replaced only if nobody else has.
    let _open = locks::acquire(&name, LOCK_MS)?;
    let account = Account::recall(view, tx)?;

    let ready = view.candidates(&request.filter, Reservation::Either, Order::Rank).next(64);
    let mut too_dear = None;
    for task in ready {
        let cost = match view.get(&task.id).map(|task| cost(&task)) {
            Some(Ok(cost)) => cost,
            Some(Err(_)) | None => continue,
        };
        if too_dear.is_some_and(|too_dear| cost >= too_dear) {
            continue;
        }
        if !reserve(&name, &account, cost)? {
            too_dear = Some(cost);
            continue;
        }
        // If somebody has locked it by hand, what was reserved for it serves for the next.
        if tx.claim(&task.id, request.lease).is_ok() {
            account.pay(tx, &task.id, cost)?;
            return Ok(Answer::Staged);
        }
    }
    Ok(Answer::Nothing(
        too_dear.map(|cost| format!("what is left of the budget is less than {cost}")),
    ))
}

/// Makes the shared books say that this board has spent `cost` more than its own; says whether there is as much. What was
/// given back on this board is entered in any case, for the others to spend.
fn reserve(name: &str, account: &Account, cost: i64) -> Result<bool, Closed> {
    for _ in 0..TRIES_MAX {
        let found = match files::read(Place::Shared, name) {
            Err(FileError::NotFound) => Vec::new(),
            found => found?,
        };
        let mut books = Books::parse(&found).map_err(Closed::Broken)?;
        books.enter(&account.board, account.spent, account.returned());
        let mut paid = books.clone();
        paid.enter(&account.board, account.spent.saturating_add(cost), account.returned());
        log::write(&format!("{} of {} would be spent", paid.sum(), BUDGET.get()));
        let is_enough = paid.sum() <= BUDGET.get();
        let content = if is_enough { paid } else { books }.to_string();
        match files::replace(Place::Shared, name, content.as_bytes(), Some(&found)) {
            Err(FileError::Changed) => {}
            done => return Ok(done.map(|()| is_enough)?),
        }
    }
    Err(Closed::ForNow("the other boards are too busy with the books: ask again".to_owned()))
}

impl Lifecycle for SharedBudget {
    fn on_event(
        view: &View,
        tx: &Transaction,
        task: &Task,
        event: String,
        _detail: String,
    ) -> lifecycle::Answer {
        let id = task.summary().id;
        let Some(paid) = account::price(view, &id) else { return lifecycle::Answer::Standard };
        let done = match event.as_str() {
            // The shared books hear of it at the next claim on this board, when it is certain.
            "failed" | "released" => Account::recall(view, tx)
                .and_then(|account| account.give_back(tx, &id, paid))
                .map_err(|error| error.message().to_owned()),
            "completed" | "cancelled" | "archived" => {
                tx.remember(&price_key(&id), None).map_err(|error| error.message().to_owned())
            }
            _ => Ok(()),
        };
        match done {
            Ok(()) => lifecycle::Answer::Standard,
            Err(why) => lifecycle::Answer::Refused(why),
        }
    }
}

/// What a task costs; or why that can't be said.
fn cost(task: &Task) -> Result<i64, String> {
    let data: serde_json::Value = serde_json::from_str(&task.data()).unwrap_or_default();
    match data.get("cost") {
        None => Ok(COST.get().max(0)),
        Some(cost) => {
            let whole = cost.as_i64().filter(|cost| *cost >= 0);
            whole.ok_or_else(|| {
                format!("its `cost` is {cost}, and must be a whole number from 0 up")
            })
        }
    }
}

/// Why nothing can be spent.
enum Closed {
    /// It may be otherwise soon.
    ForNow(String),
    /// Somebody has to look after it.
    Broken(String),
}

impl From<LockError> for Closed {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Timeout => Self::ForNow("somebody has closed the books: ask again".into()),
            LockError::Forbidden => Self::ForNow("nothing is spent in a dry run".into()),
            LockError::Limit(why) | LockError::Failed(why) => Self::Broken(why),
        }
    }
}

impl From<FileError> for Closed {
    fn from(error: FileError) -> Self {
        Self::Broken(match error {
            FileError::Forbidden(why) | FileError::Failed(why) => format!("the books: {why}"),
            other => format!("the books: {other:?}"),
        })
    }
}

impl From<StepError> for Closed {
    fn from(error: StepError) -> Self {
        Self::Broken(error.message().to_owned())
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::ForNow(why) | Self::Broken(why)) = self;
        f.write_str(why)
    }
}

taskhost_sdk::policy!(SharedBudget: readiness, assignment, lifecycle);
