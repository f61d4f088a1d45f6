//! What stands where in the map. Every key begins with a letter that names its table; texts inside a key are
//! bounded (128 bytes, 256 for keys that users choose) and end with a zero byte, which no name contains.

use crate::{
    BootId, Command, Family, Lease, Millis, Name, OrderKey, Process, SessionId, Space, TaskId,
};

/// The head: sequence, token, counters.
pub(super) const HEAD: &[u8] = b"h";
/// The board's policies.
pub(super) const POLICIES: &[u8] = b"p";
/// The board's own settings.
pub(super) const SETTINGS: &[u8] = b"g";
/// The boot whose clock the timers are kept by.
pub(super) const BOOT: &[u8] = b"B";

/// The table of tasks, by id.
pub(super) const TASKS: &[u8] = b"t";
/// The table of ids, by order of creation.
pub(super) const BORN: &[u8] = b"a";
/// The queue of tasks not asked about yet.
pub(super) const UNASKED: &[u8] = b"u";
/// The queue of tasks whose waiters are to be asked about.
pub(super) const WAKES: &[u8] = b"W";
/// The living sessions' claims.
pub(super) const SESSIONS: &[u8] = b"l";
/// The processes that claims name.
pub(super) const PROCESSES: &[u8] = b"P";
/// The workflow's own metadata.
pub(super) const META: &[u8] = b"e";
/// Timers by this boot's clock.
pub(super) const DUE_BOOT: &[u8] = b"db";
/// Timers by the wall clock.
pub(super) const DUE_WALL: &[u8] = b"dw";
/// What policies remember.
pub(super) const MEMORY: &[u8] = b"m";
/// Request keys.
pub(super) const KEYS: &[u8] = b"i";

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(super) fn task(id: &TaskId) -> Vec<u8> {
    join(&[TASKS, id.as_str().as_bytes()])
}

pub(super) fn born(born: u64) -> Vec<u8> {
    join(&[BORN, &born.to_be_bytes()])
}

/// The children of `parent`: all of them, or those of one kind.
pub(super) fn children(parent: &TaskId, which: Family) -> Vec<u8> {
    let table = match which {
        Family::Every => b"ce",
        Family::Open => b"co",
        Family::Unsuccessful => b"cu",
    };
    join(&[table, parent.as_str().as_bytes(), &[0]])
}

pub(super) fn child(parent: &TaskId, which: Family, id: &TaskId) -> Vec<u8> {
    join(&[&children(parent, which), id.as_str().as_bytes()])
}

/// The tasks of one label, or of the whole board: a list of its own for each class.
pub(super) fn classes(scope: Option<&Name>) -> Vec<u8> {
    join(&[b"k", scope.map_or(&[][..], |label| label.as_str().as_bytes()), &[0]])
}

pub(super) fn class(scope: Option<&Name>, class: [u8; 8]) -> Vec<u8> {
    join(&[&classes(scope), &class])
}

/// The ready tasks of one scope and class, by rank or by age.
pub(super) fn ready_list(by_age: bool, scope: Option<&Name>, class: [u8; 8]) -> Vec<u8> {
    let table: &[u8] = if by_age { b"ra" } else { b"rr" };
    join(&[table, scope.map_or(&[][..], |label| label.as_str().as_bytes()), &[0], &class])
}

pub(super) fn ready(
    by_age: bool,
    scope: Option<&Name>,
    class: [u8; 8],
    place: OrderKey,
) -> Vec<u8> {
    join(&[&ready_list(by_age, scope, class), &place.to_bytes()])
}

pub(super) fn waiters(on: &TaskId) -> Vec<u8> {
    join(&[b"w", on.as_str().as_bytes(), &[0]])
}

pub(super) fn waiter(on: &TaskId, id: &TaskId) -> Vec<u8> {
    join(&[&waiters(on), id.as_str().as_bytes()])
}

pub(super) fn unasked(id: &TaskId) -> Vec<u8> {
    join(&[UNASKED, id.as_str().as_bytes()])
}

pub(super) fn wake(on: &TaskId) -> Vec<u8> {
    join(&[WAKES, on.as_str().as_bytes()])
}

pub(super) fn session(session: &SessionId) -> Vec<u8> {
    join(&[SESSIONS, session.as_str().as_bytes(), &[0]])
}

/// What is held as long as a process lives. Its number, when it started, its namespace and its boot make it one of
/// a kind; texts end with a zero byte.
pub(super) fn process(process: &Process) -> Vec<u8> {
    join(&[
        PROCESSES,
        &process.pid.to_be_bytes(),
        &process.started.to_be_bytes(),
        &process.namespace.to_be_bytes(),
        process.boot.0.as_bytes(),
        &[0],
    ])
}

pub(super) fn process_claim(of: &Process, id: &TaskId) -> Vec<u8> {
    join(&[&process(of), id.as_str().as_bytes()])
}

/// The tasks that come after `on`.
pub(super) fn dependents(on: &TaskId) -> Vec<u8> {
    join(&[b"f", on.as_str().as_bytes(), &[0]])
}

pub(super) fn dependent(on: &TaskId, id: &TaskId) -> Vec<u8> {
    join(&[&dependents(on), id.as_str().as_bytes()])
}

pub(super) fn meta(key: &TaskId) -> Vec<u8> {
    join(&[META, key.as_str().as_bytes()])
}

pub(super) fn session_claim(session_id: &SessionId, id: &TaskId) -> Vec<u8> {
    join(&[&session(session_id), id.as_str().as_bytes()])
}

/// The first byte after a timer's time: what is due.
pub(super) const DUE_LEASE: u8 = b'l';
/// See [`DUE_LEASE`].
pub(super) const DUE_ASK: u8 = b'q';

pub(super) fn due_lease(lease: &Lease, boot: &BootId, id: &TaskId) -> Vec<u8> {
    let (table, time) =
        if lease.boot == *boot { (DUE_BOOT, lease.boot_ms) } else { (DUE_WALL, lease.until.0) };
    join(&[table, &time.to_be_bytes(), &[DUE_LEASE], id.as_str().as_bytes()])
}

pub(super) fn due_ask(at: Millis, id: &TaskId) -> Vec<u8> {
    join(&[DUE_WALL, &at.0.to_be_bytes(), &[DUE_ASK], id.as_str().as_bytes()])
}

pub(super) fn held(agent: &Name) -> Vec<u8> {
    join(&[b"q", agent.as_str().as_bytes()])
}

pub(super) fn memory_of(space: Space) -> Vec<u8> {
    join(&[
        MEMORY,
        match space {
            Space::Custom => b"c",
            Space::Standard => b"s",
        },
    ])
}

pub(super) fn memory(space: Space, key: &str) -> Vec<u8> {
    join(&[&memory_of(space), key.as_bytes()])
}

/// How many keys a policy remembers.
pub(super) fn memory_count(space: Space) -> Vec<u8> {
    join(&[
        b"M",
        match space {
            Space::Custom => b"c",
            Space::Standard => b"s",
        },
    ])
}

pub(super) fn request_key(command: Command, key: &str) -> Vec<u8> {
    join(&[KEYS, command.as_str().as_bytes(), &[0], key.as_bytes()])
}
