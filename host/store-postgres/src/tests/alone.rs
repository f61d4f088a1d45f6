//! Whoever has the board alone, and those who run inside a lock by hand.

use std::time::{Duration, Instant};

use taskhost_board::{
    Aim, BeginError, ContextFailure, InheritedLocks, Keeper as _, Name, Owner, Sequence,
    Store as _, SwitchError, TaskId,
};

use super::claims::board;
use super::server::Server;
use super::{connect, one, soon};
use crate::switch::changed_since;
use crate::{Address, Call, OpenOptions, PostgresStore};

fn in_a_moment() -> Instant {
    Instant::now() + Duration::from_millis(300)
}

/// The same board for one who runs inside these locks.
fn inside(address: &Address, marker: &str) -> PostgresStore {
    let inherited = InheritedLocks::parse(marker);
    PostgresStore::open(address, &OpenOptions { inherited, ..OpenOptions::default() }).unwrap()
}

/// Ends the connections by which something is locked.
fn lose_locks(address: &Address) {
    let mut link = connect(address);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted";
    assert!(one::<i64>(&mut link, end) > 0);
    let left = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    while one::<i64>(&mut link, left) > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn who_runs_inside_a_lock_that_was_lost_keeps_others_from_having_the_board_alone() {
    // A lock by hand was lost when the server was restarted. What ran inside went on in transactions that kept nobody away: a
    // board was moved while such a one claimed a task, and the claim stayed behind.
    let server = Server::start();
    let address = server.address("main");
    let (outer, _) = board(&address);
    let lock = outer.hold_board(None, soon()).unwrap();
    let inner = inside(&address, &lock.marker());
    assert!(lock.is_held());
    lose_locks(&address);
    assert!(!lock.is_held());

    let at_work = inner.begin_for(&Aim::default(), soon()).unwrap();
    let (other, alone) = (inside(&address, ""), Aim { alone: true, ..Aim::default() });
    assert!(matches!(other.still(in_a_moment()).err(), Some(BeginError::Timeout { .. })));
    assert!(other.begin_for(&alone, in_a_moment()).is_err());
    drop(at_work);
    drop(other.still(soon()).unwrap());
    drop(other.begin_for(&alone, soon()).unwrap());
    drop(inner.begin_for(&Aim::default(), soon()).unwrap());
}

#[test]
fn who_runs_inside_a_lock_on_a_task_that_was_lost_has_it_no_more() {
    // It was taken for held for as long as whoever ran inside had the board open, though somebody else had it by then.
    let server = Server::start();
    let address = server.address("main");
    let (outer, _) = board(&address);
    let task = TaskId::new("t1").unwrap();
    let lock = outer.hold_task(&task, None, soon()).unwrap();
    let inner = inside(&address, &lock.marker());
    let may_take = || {
        let mut opened = inner.begin_for(&Aim::default(), soon()).unwrap();
        opened.task_locks().try_hold(&task).unwrap()
    };
    assert!(may_take());
    lose_locks(&address);
    assert!(may_take(), "nobody has it");
    let others = outer.hold_task(&task, None, soon()).unwrap();
    assert!(!may_take(), "somebody else has it");
    assert!(inner.task_locker(&task).unwrap().is_some());
    drop(others);
    assert!(may_take());
}

#[test]
fn a_large_value_is_waited_for_until_the_deadline_and_is_not_written_later() {
    // While somebody had the board alone, it was waited for half a minute, whatever the deadline was, and then nobody knew whether
    // the value was written.
    let server = Server::start();
    let address = server.address("main");
    let (store, _) = board(&address);
    let other = inside(&address, "");
    let (owner, key) = (Owner::Agent(Name::new("ada").unwrap()), TaskId::new("log").unwrap());
    let lock = store.hold_board(None, soon()).unwrap();
    let began = Instant::now();
    let failed = other.contexts().append(&owner, &key, b"x", in_a_moment()).unwrap_err();
    assert!(matches!(failed, ContextFailure::Begin(BeginError::Timeout { .. })), "{failed}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    drop(lock);
    assert_eq!(other.contexts().append(&owner, &key, b"y", soon()).unwrap(), 1);
    assert_eq!(other.contexts().get(&owner, &key).unwrap().unwrap(), b"y");
}

#[test]
fn a_switch_that_missed_a_part_of_the_history_begins_anew() {
    // What happened while a policy was asked about very many tasks is read from the history. What was removed from that meanwhile
    // counted as if it hadn't happened: a task that waited for one that was completed then waited for ever.
    let server = Server::start();
    let address = server.address("main");
    let (store, _) = board(&address);
    assert!(changed_since(&store.shared, Sequence(5)).is_ok());
    connect(&address).batch("UPDATE taskhost_main.board SET trimmed = 6").unwrap();
    let missed = changed_since(&store.shared, Sequence(5));
    assert!(matches!(missed, Err(SwitchError::Moved)), "{missed:?}");
    assert!(changed_since(&store.shared, Sequence(6)).is_ok());
}

#[test]
fn whoever_lives_again_is_missed_anew_the_next_time() {
    // Once a session had been missed, for a moment in which the server was restarted, and had come back, that stayed noted. The next
    // time that its connection was cut, however much later, it was taken for dead at once, and its task was given away.
    let server = Server::start();
    let address = server.address("main");
    let (store, _) = board(&address);
    let session = taskhost_board::SessionId::new("s-ada").unwrap();
    let _life = store.live(&session).unwrap();
    let mut link = connect(&address);
    let miss = "INSERT INTO missing (session, since) VALUES ('s-ada', 1) ON CONFLICT DO NOTHING";
    let missed = "SELECT count(*) FROM missing";
    let until = soon();
    let is_forgotten = |link: &mut crate::Link| {
        while one::<i64>(link, missed) > 0 {
            assert!(Instant::now() < until, "it is still noted");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    // By one who looked before the session was back; and by one whose transaction ended only after that.
    link.query(Call::new(miss, &[])).unwrap();
    lose_locks(&address);
    is_forgotten(&mut link);
    link.query(Call::new(miss, &[])).unwrap();
    is_forgotten(&mut link);
}
