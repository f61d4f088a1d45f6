//! The board's own account, in the policy's memory: staged with the claims that it counts, and so never wrong.

use taskhost_sdk::{StepError, TaskId, Transaction, View};

const KEY: &str = "account";

/// What this board has spent and got back since its beginning.
#[derive(Debug, Clone)]
pub struct Account {
    /// The board's name in the shared books: the id of its first decision to spend, which is the same if that is made
    /// again, and no other board's.
    pub board: String,
    pub spent: i64,
    returned: i64,
    /// How much of `returned` is staged in this very transaction, which may still come to nothing.
    uncertain: i64,
    transaction: String,
}

/// Where it is remembered what was paid for a task in progress.
pub fn price_key(task: &TaskId) -> String {
    format!("price:{task}")
}

/// What was paid for a task, if it was and hasn't been given back.
pub fn price(view: &View, task: &TaskId) -> Option<i64> {
    String::from_utf8(view.recall(&price_key(task))?).ok()?.parse().ok()
}

impl Account {
    /// The account as it is remembered, or a new one.
    pub fn recall(view: &View, tx: &Transaction) -> Result<Self, StepError> {
        let transaction = tx.id();
        let Some(remembered) = view.recall(KEY) else {
            let board = transaction.clone();
            return Ok(Self { board, spent: 0, returned: 0, uncertain: 0, transaction });
        };
        let text = String::from_utf8_lossy(&remembered);
        let broken = || StepError::Invalid(format!("the account is remembered as `{text}`"));
        let words: Vec<&str> = text.split(' ').collect();
        let [board, spent, returned, uncertain, in_transaction] = words[..] else {
            return Err(broken());
        };
        let number = |word: &str| word.parse().map_err(|_| broken());
        Ok(Self {
            board: board.to_owned(),
            spent: number(spent)?,
            returned: number(returned)?,
            // What another transaction staged has been committed, or it wouldn't be remembered.
            uncertain: if in_transaction == transaction { number(uncertain)? } else { 0 },
            transaction,
        })
    }

    /// What was given back for certain: only that may others spend.
    pub fn returned(&self) -> i64 {
        self.returned - self.uncertain
    }

    /// Stages what a task costs, with its claim.
    pub fn pay(mut self, tx: &Transaction, task: &TaskId, cost: i64) -> Result<(), StepError> {
        self.spent = self.spent.saturating_add(cost);
        tx.remember(&price_key(task), Some(cost.to_string().as_bytes()))?;
        self.remember(tx)
    }

    /// Stages that what was paid for a task comes back, with whatever became of it.
    pub fn give_back(
        mut self,
        tx: &Transaction,
        task: &TaskId,
        paid: i64,
    ) -> Result<(), StepError> {
        self.returned += paid;
        self.uncertain += paid;
        tx.remember(&price_key(task), None)?;
        self.remember(tx)
    }

    fn remember(&self, tx: &Transaction) -> Result<(), StepError> {
        let Self { board, spent, returned, uncertain, transaction } = self;
        let text = format!("{board} {spent} {returned} {uncertain} {transaction}");
        tx.remember(KEY, Some(text.as_bytes()))
    }
}
