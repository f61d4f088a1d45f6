//! A board kept as one ordered map of bytes: what every task, counter and queue is, derived from the entries.
//!
//! The file store keeps the map in LMDB and the in-memory store in a `BTreeMap`; the schema and its queries
//! stand here once, so the two can differ only in the map itself.
//!
//! - [`Read`], [`Write`]: the map; `keys`: what stands where in it.
//! - [`apply`]: one entry's changes; [`start`] and [`load`] read a snapshot, [`dump`] writes one.
//! - [`ImageView`]: the queries, as a [`crate::View`].
//!
//! Everything but the tasks' own records is a function of them (`derive::records`): the ready lists, the
//! waiting edges and the timers are rewritten by taking the old task's records away and putting the new one's
//! in their place, so an index can't drift from its tasks; `check` proves it.

mod apply;
mod derive;
mod kept;
mod keys;
mod query;
mod ready;

pub use apply::{Record, apply, check, dump, load, start};
pub use query::ImageView;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ReadError, Task, TaskId};
use kept::KeptTask;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Where a scan begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start<'a> {
    /// At the first key (the last, if backward).
    End,
    /// Just past this key, in the direction of the scan.
    Past(&'a [u8]),
}

/// Which way a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To larger keys.
    Forward,
    /// To smaller keys.
    Backward,
}

/// An ordered map of bytes at one instant.
pub trait Read {
    /// The value under `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;
    /// Up to `limit` pairs whose keys begin with `prefix`, in the order of their keys.
    fn scan(
        &self,
        prefix: &[u8],
        start: Start<'_>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Pair>, ReadError>;
}

/// An ordered map of bytes that is being changed.
pub trait Write: Read {
    /// Puts `value` under `key`.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), ReadError>;
    /// Takes `key` away, if it is there.
    fn delete(&mut self, key: &[u8]) -> Result<(), ReadError>;
}

/// The least key that is larger than every key that begins with `prefix`; `None` if there is none.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("types of the board have no unserializable parts")
}

/// The same without the names of fields, for what has all of its fields always: much of it is kept, and all of it is read
/// and written at every claim. Another field makes another layout.
fn encode_short<T: Serialize>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec(value).expect("types of the board have no unserializable parts")
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ReadError> {
    rmp_serde::from_slice(bytes)
        .map_err(|e| ReadError::Damaged(format!("the index has a record that can't be read: {e}")))
}

pub(crate) fn encode_task(task: &Task) -> Vec<u8> {
    encode_short(&KeptTask::from(task))
}

pub(crate) fn decode_task(bytes: &[u8]) -> Result<Task, ReadError> {
    decode::<KeptTask<'_>>(bytes).map(Task::from)
}

fn get_task(map: &(impl Read + ?Sized), id: &TaskId) -> Result<Option<Task>, ReadError> {
    map.get(&keys::task(id))?.as_deref().map(decode_task).transpose()
}

fn get<T: DeserializeOwned>(
    map: &(impl Read + ?Sized),
    key: &[u8],
) -> Result<Option<T>, ReadError> {
    map.get(key)?.as_deref().map(decode).transpose()
}
