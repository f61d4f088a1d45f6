//! Large values beside the board: a row each, replaced whole.

use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{
    BeginError, CONTEXT_BYTES_MAX, ContextEntry, ContextFailure, Contexts, Millis, Name, Owner,
    ReadError, TaskId,
};

use crate::begin;
use crate::link::{Call, LinkError, PATIENCE, Row};
use crate::rows::{bigint, number};
use crate::shared::{Shared, no_connection, read_error};
use crate::sql;
use crate::view::task_id;

/// The values of a board.
pub(crate) struct PostgresContexts(pub(crate) Arc<Shared>);

/// How rows name whose a value is.
pub(crate) fn words(owner: &Owner) -> (&'static str, &str) {
    match owner {
        Owner::Task(id) => ("task", id.as_str()),
        Owner::Agent(name) => ("agent", name.as_str()),
    }
}

pub(crate) fn owner_of(kind: &str, name: String) -> Result<Owner, ReadError> {
    Ok(match kind {
        "task" => Owner::Task(task_id(name)?),
        _ => Owner::Agent(Name::new(name).map_err(|e| ReadError::Damaged(e.to_string()))?),
    })
}

fn failed(error: ReadError) -> ContextFailure {
    ContextFailure::Begin(error.into())
}

impl PostgresContexts {
    fn look(&self, call: Call<'_>) -> Result<Vec<Row>, ContextFailure> {
        let deadline = Deadline::now() + self.0.lock_wait;
        let mut rows = self.0.ask(&[call], deadline).map_err(failed)?;
        Ok(rows.pop().unwrap_or_default())
    }

    fn change(&self, call: Call<'_>, deadline: Deadline) -> Result<Vec<Row>, ContextFailure> {
        let mut link = self.0.pool.get(deadline).map_err(|error| failed(no_connection(&error)))?;
        let lock = self.0.board_lock();
        let (began, left) = (Deadline::now(), deadline.saturating_duration_since(Deadline::now()));
        let timeout = left.max(Duration::from_millis(1)).as_millis().to_string();
        let calls = [
            Call::of(sql::BEGIN, Vec::new()),
            Call::of(sql::LOCK_TIMEOUT, vec![&timeout]),
            Call::of(sql::LOCK_SHARED, vec![&lock]),
            Call::of(sql::ALLOWED, Vec::new()),
            call,
            Call::of(sql::COMMIT, Vec::new()),
        ];
        link.set_patience(left + Duration::from_secs(5));
        let answered = link.pipeline(&calls);
        link.set_patience(PATIENCE);
        match answered {
            Ok(mut answers) => Ok(answers.swap_remove(4)),
            Err(LinkError::Lost(why)) => Err(ContextFailure::Unknown(why)),
            // Somebody is alone with the board.
            Err(LinkError::NotAvailable(_)) => {
                drop(link);
                let holder = begin::holder(&self.0);
                Err(BeginError::Timeout { waited: began.elapsed(), holder }.into())
            }
            Err(error) => {
                drop(link);
                // It may be that the board has gone elsewhere.
                begin::look(&self.0, deadline)?.changeable().map_err(failed)?;
                Err(failed(read_error(&error)))
            }
        }
    }
}

impl Contexts for PostgresContexts {
    fn get(&self, owner: &Owner, key: &TaskId) -> Result<Option<Vec<u8>>, ContextFailure> {
        let (kind, owner) = words(owner);
        let rows = self.look(Call::of(sql::CONTEXT, vec![&kind, &owner, &key.as_str()]))?;
        Ok(rows.first().map(|row| row.get("value")))
    }

    fn set(
        &self,
        owner: &Owner,
        key: &TaskId,
        value: &[u8],
        deadline: Deadline,
    ) -> Result<(), ContextFailure> {
        if value.len() as u64 > CONTEXT_BYTES_MAX {
            return Err(ContextFailure::TooLarge);
        }
        let (kind, owner) = words(owner);
        let offset = self.0.offset();
        let key = key.as_str();
        self.change(
            Call::of(sql::SET_CONTEXT, vec![&kind, &owner, &key, &value, &offset]),
            deadline,
        )?;
        Ok(())
    }

    fn append(
        &self,
        owner: &Owner,
        key: &TaskId,
        more: &[u8],
        deadline: Deadline,
    ) -> Result<u64, ContextFailure> {
        let (kind, owner) = words(owner);
        let (key, offset, max) = (key.as_str(), self.0.offset(), bigint(CONTEXT_BYTES_MAX));
        let call = Call::of(sql::APPEND_CONTEXT, vec![&kind, &owner, &key, &more, &offset, &max]);
        let rows = self.change(call, deadline)?;
        // Nothing comes back where it would have become too large.
        rows.first().map(|row| number(row.get("bytes"))).ok_or(ContextFailure::TooLarge)
    }

    fn remove(
        &self,
        owner: &Owner,
        key: &TaskId,
        deadline: Deadline,
    ) -> Result<bool, ContextFailure> {
        let (kind, owner) = words(owner);
        let key = key.as_str();
        let rows =
            self.change(Call::of(sql::REMOVE_CONTEXT, vec![&kind, &owner, &key]), deadline)?;
        Ok(!rows.is_empty())
    }

    fn list(&self, owner: &Owner) -> Result<Vec<ContextEntry>, ContextFailure> {
        let (kind, owner) = words(owner);
        let rows = self.look(Call::of(sql::CONTEXTS_OF, vec![&kind, &owner]))?;
        let entry = |row: &Row| -> Result<ContextEntry, ReadError> {
            Ok(ContextEntry {
                key: task_id(row.get("key"))?,
                bytes: number(row.get("bytes")),
                changed_at: Millis(number(row.get("changed_at"))),
            })
        };
        rows.iter().map(|row| entry(row).map_err(failed)).collect()
    }

    fn owners(&self) -> Result<Vec<Owner>, ContextFailure> {
        let rows = self.look(Call::of(sql::CONTEXT_OWNERS, Vec::new()))?;
        let owner = |row: &Row| owner_of(row.get("kind"), row.get("owner"));
        rows.iter().map(|row| owner(row).map_err(failed)).collect()
    }
}
