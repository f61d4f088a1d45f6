//! `transactions`: staging. What may be staged is the board's to say, not this file's.

use taskhost_board::{Millis, StepError as BoardError, TaskId};
use wasmtime::component::Resource;

use crate::bindings::taskhost::policy::transactions::{Host, HostTransaction, Status, StepError};
use crate::handles::Tx;
use crate::state::State;
use crate::words;

/// The longest reason, in bytes: it is in the journal and in every list of tasks.
const WHY_BYTES_MAX: usize = 4096;

impl Host for State {}

impl HostTransaction for State {
    fn id(&mut self, _: Resource<Tx>) -> wasmtime::Result<String> {
        let id = self.call("transactions.transaction")?.tx.id().to_owned();
        self.charge(id.len())?;
        Ok(id)
    }

    fn claim(
        &mut self,
        _: Resource<Tx>,
        id: String,
        lease: Option<u64>,
    ) -> wasmtime::Result<Result<(), StepError>> {
        self.charge(id.len())?;
        let staged = self.stage(|tx| tx.stage_claim(&task_id(id)?, lease).map(|_| ()))?;
        Ok(staged.map_err(step_error))
    }

    fn release(
        &mut self,
        _: Resource<Tx>,
        id: String,
        not_before: Option<u64>,
    ) -> wasmtime::Result<Result<(), StepError>> {
        self.charge(id.len())?;
        let staged = self.stage(|tx| tx.stage_release(&task_id(id)?, not_before.map(Millis)))?;
        Ok(staged.map_err(step_error))
    }

    fn set_status(
        &mut self,
        _: Resource<Tx>,
        id: String,
        to: Status,
        why: String,
    ) -> wasmtime::Result<Result<(), StepError>> {
        self.charge(id.len() + why.len())?;
        if self.is_called_for(&id) {
            let text = format!(
                "the hook was called for `{id}` itself: its answer says what becomes of it"
            );
            return Ok(Err(StepError::Invalid(text)));
        }
        if why.len() > WHY_BYTES_MAX {
            return Ok(Err(StepError::Limit(format!(
                "a reason has at most {WHY_BYTES_MAX} bytes"
            ))));
        }
        let staged =
            self.stage(|tx| tx.stage_status(&task_id(id)?, words::board_status(to), &why))?;
        Ok(staged.map_err(step_error))
    }

    fn reconsider(
        &mut self,
        _: Resource<Tx>,
        id: String,
    ) -> wasmtime::Result<Result<(), StepError>> {
        self.charge(id.len())?;
        let staged = self.stage(|tx| tx.stage_reconsider(&task_id(id)?))?;
        Ok(staged.map_err(step_error))
    }

    fn remember(
        &mut self,
        _: Resource<Tx>,
        key: String,
        value: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<(), StepError>> {
        self.charge(key.len() + value.as_ref().map_or(0, Vec::len))?;
        let space = self.space;
        let staged = self.stage(|tx| tx.stage_remember(space, &key, value))?;
        Ok(staged.map_err(step_error))
    }

    fn drop(&mut self, _: Resource<Tx>) -> wasmtime::Result<()> {
        // Transactions are only ever lent.
        Ok(())
    }
}

fn task_id(text: String) -> Result<TaskId, BoardError> {
    TaskId::new(text).map_err(|error| BoardError::Invalid(error.to_string()))
}

fn step_error(error: BoardError) -> StepError {
    match error {
        BoardError::Invalid(text) => StepError::Invalid(text),
        BoardError::Conflict(text) => StepError::Conflict(text),
        BoardError::Limit(text) => StepError::Limit(text),
        // `State::stage` has ended the call already.
        BoardError::Read(error) => StepError::Invalid(error.to_string()),
    }
}
