//! The connections of a handle.

use std::time::{Duration, Instant};

use super::server::Server;
use super::soon;
use crate::{Call, Pool, PoolError, Pooled};

const WHO: Call<'_> = Call::new("SELECT pg_backend_pid()", &[]);

fn who(pool: &Pool) -> i32 {
    pool.get(soon()).unwrap().query(WHO).unwrap()[0].get(0)
}

#[test]
fn an_idle_connection_is_used_again() {
    let server = Server::start();
    let pool = Pool::new(server.address("main"), 8);
    let first = pool.get(soon()).unwrap();
    assert!(first.is_fresh());
    drop(first);
    let (one, two) = (who(&pool), who(&pool));
    assert_eq!(one, two);
    assert!(!pool.get(soon()).unwrap().is_fresh());
}

#[test]
fn no_more_are_out_than_there_may_be_and_those_who_wait_are_served_in_their_order() {
    let server = Server::start();
    let pool = Pool::new(server.address("main"), 2);
    let (one, two) = (pool.get(soon()).unwrap(), pool.get(soon()).unwrap());
    let error = elsewhere(&pool).unwrap_err();
    assert!(matches!(error, PoolError::Exhausted { max: 2, .. }));
    assert!(error.to_string().contains("say `pool=4` in the board's address"), "{error}");
    let (sender, served) = std::sync::mpsc::channel();
    let mut waiters = Vec::new();
    for number in 0..5 {
        let (pool_of_waiter, sender) = (pool.clone(), sender.clone());
        waiters.push(std::thread::spawn(move || {
            let held = pool_of_waiter.get(soon()).unwrap();
            sender.send(number).unwrap();
            drop(held);
        }));
        while pool.waiting() <= number {
            std::thread::yield_now();
        }
    }
    drop(one);
    let order: Vec<usize> = served.iter().take(5).collect();
    assert_eq!(order, [0, 1, 2, 3, 4]);
    for waiter in waiters {
        waiter.join().unwrap();
    }
    drop(two);
}

#[test]
fn a_thread_that_has_one_and_needs_another_waits_for_nobody_and_the_rest_waits_until_both_are_back()
{
    // A transaction whose policy read a file waited for a connection, as all others did, each of which had one. With a single
    // connection, a policy couldn't be fetched while somebody looked at the board.
    let server = Server::start();
    let pool = Pool::new(server.address("main"), 2);
    let (one, two) = (pool.get(soon()).unwrap(), pool.get(soon()).unwrap());
    let three = pool.get(soon()).unwrap();
    assert!(matches!(elsewhere(&pool), Err(PoolError::Exhausted { max: 2, .. })));
    drop(one);
    assert!(elsewhere(&pool).is_err(), "as many are out as there may be");
    drop((two, three));
    // And no more than that are kept.
    let all = [(); 3].map(|()| pool.get(soon()).unwrap());
    assert_eq!(all.each_ref().map(Pooled::is_fresh), [false, false, true]);
}

/// What another thread gets.
fn elsewhere(pool: &Pool) -> Result<(), PoolError> {
    let hurried = || pool.get(Instant::now() + Duration::from_millis(50)).map(drop);
    std::thread::scope(|scope| scope.spawn(hurried).join().unwrap())
}

#[test]
fn a_transaction_that_was_left_open_is_rolled_back() {
    let server = Server::start();
    let pool = Pool::new(server.address("main"), 1);
    let mut link = pool.get(soon()).unwrap();
    link.batch("CREATE SCHEMA taskhost_main; CREATE TABLE t (n int4)").unwrap();
    let backend = link.server().backend;
    let insert = Call::new("INSERT INTO t VALUES (1)", &[]);
    link.pipeline(&[Call::new("BEGIN", &[]), insert]).unwrap();
    drop(link);
    let mut link = pool.get(soon()).unwrap();
    assert_eq!(link.server().backend, backend);
    assert!(link.query(Call::new("SELECT n FROM t", &[])).unwrap().is_empty());
}

#[test]
fn after_a_restart_of_the_server_no_dead_connection_is_handed_out() {
    let mut server = Server::start();
    let pool = Pool::new(server.address("main"), 8);
    let many: Vec<_> = (0..4).map(|_| pool.get(soon()).unwrap()).collect();
    let before = many[0].server();
    drop(many);
    server.crash_and_start();
    let mut link = pool.get(soon()).unwrap();
    link.query(WHO).unwrap();
    assert!(link.is_fresh());
    assert!(link.server().started_us > before.started_us);
}

#[test]
fn one_that_breaks_takes_the_older_idle_ones_with_it() {
    let server = Server::start();
    let pool = Pool::new(server.address("main"), 8);
    let (old, mut broken, young) =
        (pool.get(soon()).unwrap(), pool.get(soon()).unwrap(), pool.get(soon()).unwrap());
    let kept = young.server().backend;
    drop((old, young));
    broken.set_patience(Duration::from_millis(50));
    broken.query(Call::new("SELECT pg_sleep(60)", &[])).unwrap_err();
    drop(broken);
    let (one, two) = (pool.get(soon()).unwrap(), pool.get(soon()).unwrap());
    assert_eq!(one.server().backend, kept);
    assert!(two.is_fresh());
}

#[test]
fn a_server_that_is_down_is_waited_for_until_the_deadline() {
    let mut server = Server::start();
    let pool = Pool::new(server.address("main"), 8);
    who(&pool);
    server.crash();
    let error = pool.get(Instant::now() + Duration::from_millis(300)).err().unwrap();
    assert!(matches!(error, PoolError::Connect(ref e) if e.is_unreachable()), "{error}");
    let waiting = std::thread::spawn(move || who(&pool));
    server.start_again();
    assert!(waiting.join().unwrap() > 0);
}
