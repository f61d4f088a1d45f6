//! What is kept and what isn't, and who else uses the same server.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use taskhost_board::transfer::TransferLine;
use taskhost_board::{
    Aim, BeginError, Digest, Filter, InheritedLocks, Keeper as _, Name, NewTask, Order, ReadyQuery,
    Reservation, Retention, Sequence, Store as _, TaskId,
};

use super::claims::{add, board};
use super::server::Server;
use super::{connect, one, soon};
use crate::{Address, Call, OpenOptions, PostgresStore};

/// The numbers of the entries that are kept.
fn history(store: &PostgresStore) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut take = |Sequence(number), _| {
        numbers.push(number);
        true
    };
    store.history(Sequence(0), &mut take).unwrap();
    numbers
}

fn another_handle(address: &Address, inherited: InheritedLocks) -> PostgresStore {
    PostgresStore::open(address, &OpenOptions { inherited, ..OpenOptions::default() }).unwrap()
}

/// A number that nobody used has no time, and was taken for older than everything: all that came before it was removed, also what
/// was a minute old. On a board that was imported there is an entry of that number.
#[test]
fn what_is_young_enough_is_kept_also_before_a_number_that_nobody_used() {
    let server = Server::start();
    let address = server.address("main");
    let (store, engine) = board(&address);
    let keep = Retention { age_ms: Some(60 * 60 * 1000), bytes: None };
    let set = |settings: &mut taskhost_board::BoardSettings| {
        settings.history = keep.clone();
        Ok(())
    };
    engine.configure(&set, None, soon()).unwrap();
    add(&engine, 1);
    connect(&address).batch("SELECT nextval('entries')").unwrap();
    let more = NewTask::new(Name::new("work").unwrap());
    engine.add(&[more], soon()).unwrap();
    assert_eq!(history(&store), [1, 2, 3, 4], "the third is nobody's");
    assert_eq!(store.trim_history().unwrap(), 0);
    assert_eq!(history(&store), [1, 2, 3, 4]);

    let (digest, content) = (Digest::of(b"plain").to_string(), &b"plain"[..]);
    let mut link = connect(&address);
    link.query(Call::of(crate::sql::PUT_COMPONENT, vec![&digest, &content])).unwrap();
    let mut lines = Vec::new();
    let mut times = Vec::new();
    let mut take = |line: TransferLine| {
        if let TransferLine::Entry { entry, .. } = &line {
            times.push(entry.time);
        }
        lines.extend(line.encode()?);
        Ok(())
    };
    store.export(&mut take).unwrap();
    assert_eq!(times[2], times[3], "it is told with the time of the next");
    let there = server.address("there");
    let there = PostgresStore::import(&there, &lines[..], &OpenOptions::default()).unwrap();
    assert_eq!(there.trim_history().unwrap(), 0);
    assert_eq!(history(&there), [1, 2, 3, 4]);

    // What is old goes.
    link.batch("UPDATE journal SET at = 5 WHERE sequence <= 2").unwrap();
    assert_eq!(store.trim_history().unwrap(), 2);
    assert_eq!(history(&store), [3, 4]);
}

/// Keys were forgotten only where the very same was used again, and whoever came for an instant never tidied up: a board that
/// only the command line uses kept all keys and all history for ever.
#[test]
fn what_is_kept_no_longer_goes_once_in_a_while_whoever_comes() {
    let server = Server::start();
    let address = server.address("main");
    let (store, _) = board(&address);
    let mut link = connect(&address);
    let used = "INSERT INTO keys SELECT 'claim', n::text, '{}', 1 FROM generate_series(1, 25000) n";
    link.batch(used).unwrap();
    let of_today = "INSERT INTO keys SELECT 'claim', 'young', '{}', (extract(epoch FROM now()) * 1000)::bigint";
    link.batch(of_today).unwrap();
    assert!(!store.compact_if_due(soon()).unwrap(), "it was made just now");
    link.batch("UPDATE board SET tidied = 0").unwrap();
    assert!(store.compact_if_due(soon()).unwrap());
    assert_eq!(one::<String>(&mut link, "SELECT key FROM keys"), "young");
    let other = another_handle(&address, InheritedLocks::default());
    assert!(!other.compact_if_due(soon()).unwrap(), "somebody was here just now");
    let asks = || another_handle(&address, InheritedLocks::default()).compaction_is_due();
    assert!((0..1_000).any(|_| other.compaction_is_due()) && !(0..50).all(|_| asks()));
}

/// Before PostgreSQL 17 nobody is given a lock without waiting while others wait for it, not even one who has it alone. Whoever had
/// waited for the board asked for it once more in that way, was refused, and began anew: of sixteen, hardly one got it.
#[test]
fn many_who_want_the_board_alone_have_it_one_after_the_other() {
    const THREADS: usize = 16;
    const TIMES: usize = 20;
    let server = Server::start();
    let (store, _) = board(&server.address("main&pool=16"));
    let is_alone = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..TIMES {
                    let aim = Aim { alone: true, ..Aim::default() };
                    let opened = store.begin_for(&aim, soon()).unwrap();
                    assert!(!is_alone.swap(true, SeqCst));
                    assert!(is_alone.swap(false, SeqCst));
                    drop(opened);
                }
            });
        }
    });
}

/// Whoever only looks at a task is let in before somebody who waits to change it: an agent that held a task with many children
/// could neither extend nor complete it while others worked on those.
#[test]
fn whoever_changes_a_task_gets_it_although_others_look_at_it_all_the_time() {
    let server = Server::start();
    let (store, engine) = board(&server.address("main&pool=16"));
    add(&engine, 1);
    let id = TaskId::new("t0").unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for place in 0..8 {
            let (store, is_over, id) = (&store, &is_over, &id);
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(7 * place));
                while !is_over.load(SeqCst) {
                    let aim = Aim { named: vec![id.clone()], ..Aim::default() };
                    let opened = store.begin_for(&aim, soon()).unwrap();
                    thread::sleep(Duration::from_millis(50));
                    drop(opened);
                }
            });
        }
        thread::sleep(Duration::from_millis(200));
        let changed = store.begin_for(&Aim::at([id.clone()]), soon());
        is_over.store(true, SeqCst);
        assert!(changed.is_ok(), "{:?}", changed.err());
    });
}

/// Boards of the same name have locks of the same numbers in every database, and the server's list of locks is one: a task that
/// somebody had locked by hand on another board was waited for, and whoever ran inside a lock on that board was taken for one
/// who had this board as well.
#[test]
fn locks_of_a_board_in_another_database_are_not_this_boards() {
    let server = Server::start();
    let address = server.address("main");
    connect(&address).batch("CREATE DATABASE other").unwrap();
    let other = Address::parse(&address.to_string().replace("/postgres?", "/other?")).unwrap();
    let ((here, _), (there, _)) = (board(&address), board(&other));
    let task = TaskId::new("t1").unwrap();
    let held = there.hold_task(&task, None, soon()).unwrap();
    assert!(there.task_locker(&task).unwrap().is_some());
    assert!(here.task_locker(&task).unwrap().is_none());
    drop(held);

    let outer = there.hold_board(None, soon()).unwrap();
    let inside = another_handle(&address, InheritedLocks::parse(&outer.marker()));
    let lock = inside.hold_board(None, soon()).unwrap();
    let in_a_moment = Instant::now() + Duration::from_millis(300);
    let kept_out = here.begin_for(&Aim::default(), in_a_moment).err();
    assert!(matches!(kept_out, Some(BeginError::Timeout { .. })), "{kept_out:?}");
    drop(lock);
}

/// For every task that was offered it was found out whether somebody had locked it by hand, which took a place in the server's
/// table of locks: two dozen agents whose policy looks at a thousand tasks before it chooses filled it for everybody.
#[test]
fn offering_many_tasks_takes_few_of_the_servers_locks() {
    const TASKS: usize = 400;
    let server = Server::start();
    let address = server.address("main");
    let (store, engine) = board(&address);
    add(&engine, TASKS);
    let held = store.hold_task(&TaskId::new("t399").unwrap(), None, soon()).unwrap();
    let mut opened = store.begin_for(&Aim::default(), soon()).unwrap();
    let query =
        ReadyQuery { filter: Filter::default(), reserved: Reservation::Nobody, order: Order::Rank };
    let view = opened.view();
    assert_eq!(view.ready(&query, None, TASKS).unwrap().len(), TASKS);
    let mut link = connect(&address);
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert!(one::<i64>(&mut link, locks) < 50);
    let mut locks = opened.task_locks();
    let mut may_have = |id: &str| locks.try_hold(&TaskId::new(id).unwrap()).unwrap();
    assert!(may_have("t0") && !may_have("t399"));
    drop(held);
}

/// A board that somebody had called `shared` was where the files were that policies of several boards share.
#[test]
fn no_board_is_where_shared_files_are() {
    let server = Server::start();
    let (store, _) = board(&server.address("main"));
    store.share_files("all").unwrap();
    let (shared, _) = board(&server.address("shared"));
    shared.share_files("all").unwrap();
    let mut link = connect(&server.address("main"));
    let schemas = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'files'";
    assert_eq!(one::<i64>(&mut link, schemas), 3);
    link.query(Call::new("SELECT directory FROM taskhost.files", &[])).unwrap();
}

/// A lock was waited for while somebody moved the board, and then had where nobody works any more.
#[test]
fn whoever_waits_for_a_lock_while_the_board_is_moved_is_told() {
    let server = Server::start();
    let address = server.address("main");
    let (store, _) = board(&address);
    let other = another_handle(&address, InheritedLocks::default());
    let still = store.still(soon()).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| other.hold_board(None, soon()).map(drop));
        let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
        let mut link = connect(&address);
        while one::<i64>(&mut link, waits) == 0 {
            thread::yield_now();
        }
        still.say(Some(&taskhost_board::Elsewhere::MovedTo("/there".into()))).unwrap();
        let told = waiter.join().unwrap().unwrap_err().to_string();
        assert!(told.contains("/there"), "{told}");
    });
}
