//! What belongs to the workflow as a whole: its own metadata, and the board's settings.

use std::time::Instant as Deadline;

use super::{Engine, Error};
use crate::{Aim, BoardSettings, Change, Command, Json, Name, Request, TaskId};

/// The largest value of metadata, in bytes.
pub const META_BYTES_MAX: usize = 64 * 1024;
/// How many values of metadata a board has at most.
const METAS_MAX: usize = 1_000;

impl Engine {
    /// Sets a value of the workflow's own metadata, or removes it. With `expected`, only if the value is still that
    /// (`null` stands for none), so that of two who change it at once neither undoes the other's change.
    pub fn set_meta(
        &self,
        key: &TaskId,
        value: Option<&Json>,
        expected: Option<&Json>,
        by: Option<&Name>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        if value.is_some_and(|value| value.as_str().len() > META_BYTES_MAX) {
            return Err(Error::Invalid(format!(
                "`{key}` would have more than {META_BYTES_MAX} bytes: keep it in `taskhost context`, and name that"
            )));
        }
        let request = Request { agent: by.cloned(), ..Request::of(Command::MetaSet) };
        self.transact(&request, Aim::default(), deadline, |work| {
            let now = work.tx().meta(key)?;
            if let Some(expected) = expected
                && now.clone().unwrap_or_default() != *expected
            {
                return Err(Error::MetaChanged { key: key.clone(), now: now.unwrap_or_default() });
            }
            if now.is_none() && value.is_some() && work.tx().view().metas()?.len() >= METAS_MAX {
                return Err(Error::Invalid(format!(
                    "a board has at most {METAS_MAX} values of metadata: put some of them into one"
                )));
            }
            if now.as_ref() != value {
                let change = Change::MetaSet { key: key.clone(), value: value.cloned() };
                work.tx_mut().apply(change)?;
            }
            Ok(())
        })
    }

    /// Changes the board's own settings; `edit` may be called more than once. An error of `edit` says what is wrong
    /// with the change, and then nothing changes.
    pub fn configure(
        &self,
        edit: &dyn Fn(&mut BoardSettings) -> Result<(), String>,
        by: Option<&Name>,
        deadline: Deadline,
    ) -> Result<BoardSettings, Error> {
        let request = Request { agent: by.cloned(), ..Request::of(Command::ConfigSet) };
        let aim = Aim { alone: true, ..Aim::default() };
        self.transact(&request, aim, deadline, |work| {
            let before = work.tx().view().settings()?;
            let mut settings = before.clone();
            edit(&mut settings).map_err(Error::Invalid)?;
            if settings != before {
                work.tx_mut().apply(Change::SettingsSet(settings.clone()))?;
            }
            Ok(settings)
        })
    }
}
