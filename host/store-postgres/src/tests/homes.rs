//! The home connection: what is held, and what is heard.

use std::time::{Duration, Instant};

use super::server::Server;
use super::{connect, one, soon};
use crate::{Call, HoldError, Home, Link};

/// Whether nobody holds it, as others find out.
fn is_free(link: &mut Link, key: i64) -> bool {
    let rows = link.query(Call::new("SELECT pg_try_advisory_xact_lock_shared($1)", &[&key]));
    rows.unwrap()[0].get(0)
}

#[test]
fn what_is_held_is_held_until_it_is_dropped() {
    let server = Server::start();
    let mut other = connect(&server.address("main"));
    let home = Home::new(server.address("main"), None);
    let (hold, _more) = (home.live(7).unwrap(), home.live(8).unwrap());
    assert!(!is_free(&mut other, 7) && !is_free(&mut other, 8));
    drop(hold);
    assert!(is_free(&mut other, 7) && !is_free(&mut other, 8));
    let _again = home.live(7).unwrap();
    assert!(!is_free(&mut other, 7));
}

#[test]
fn what_somebody_else_holds_is_not_held_here() {
    let server = Server::start();
    let one = Home::new(server.address("main"), None);
    let two = Home::new(server.address("main"), None);
    let hold = one.live(7).unwrap();
    assert_eq!(one.live(7).err(), Some(HoldError::Busy));
    assert_eq!(two.live(7).err(), Some(HoldError::Busy));
    let _another = two.live(8).unwrap();
    drop(hold);
    assert!(two.live(7).is_ok());
}

#[test]
fn whoever_only_asks_whether_a_session_lives_keeps_it_from_nothing() {
    // A session that began at the instant when somebody asked about it was told that it lived already.
    let server = Server::start();
    let mut asking = connect(&server.address("main"));
    let ask = Call::new("SELECT pg_try_advisory_xact_lock_shared($1)", &[&7_i64]);
    asking.pipeline(&[Call::new("BEGIN", &[]), ask]).unwrap();
    let home = Home::new(server.address("main"), None);
    let waiting = std::thread::spawn(move || home.live(7).map(|hold| (home, hold)).is_ok());
    let mut other = connect(&server.address("main"));
    let here = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_try_advisory_lock($1)'";
    while one::<i64>(&mut other, here) == 0 {
        std::thread::yield_now();
    }
    asking.pipeline(&[Call::new("COMMIT", &[])]).unwrap();
    assert!(waiting.join().unwrap());
}

#[test]
fn after_a_restart_of_the_server_everything_is_held_again() {
    let mut server = Server::start();
    let home = Home::new(server.address("main"), None);
    let _holds: Vec<_> = (1..=20).map(|key| home.live(key).unwrap()).collect();
    let before = home.signs();
    server.crash_and_start();
    assert!(home.wait(before, soon()) > before);
    let mut other = connect(&server.address("main"));
    let until = soon();
    for key in 1..=20 {
        while is_free(&mut other, key) {
            assert!(Instant::now() < until, "{key}");
            std::thread::yield_now();
        }
    }
}

#[test]
fn what_the_server_ended_is_held_again_at_once() {
    let server = Server::start();
    let mut other = connect(&server.address("main"));
    let home = Home::new(server.address("main"), None);
    let _hold = home.live(7).unwrap();
    let holder = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted";
    let before: i32 = one(&mut other, holder);
    other.query(Call::new("SELECT pg_terminate_backend($1)", &[&before])).unwrap();
    let until = soon();
    let holders = |other: &mut Link| other.query(Call::new(holder, &[])).unwrap();
    loop {
        match holders(&mut other).first().map(|row| row.get::<_, i32>(0)) {
            Some(holder) if holder != before => break,
            _ => assert!(Instant::now() < until),
        }
    }
}

#[test]
fn a_notification_is_heard_and_none_between_looking_and_waiting_is_lost() {
    let server = Server::start();
    let mut other = connect(&server.address("main"));
    let home = Home::new(server.address("main"), None);
    // The first wait connects, which is a sign.
    let mut seen = home.wait(home.signs(), soon());
    for _ in 0..20 {
        other.batch("NOTIFY taskhost_main").unwrap();
        let next = home.wait(seen, soon());
        assert!(next > seen);
        seen = next;
    }
    // Other boards' aren't.
    other.batch("NOTIFY taskhost_other").unwrap();
    assert_eq!(home.wait(seen, Instant::now() + Duration::from_millis(100)), seen);
}

#[test]
fn what_nobody_notified_of_is_noticed_by_asking() {
    let server = Server::start();
    let mut other = connect(&server.address("main"));
    other.batch("CREATE SEQUENCE public.s").unwrap();
    let question = "SELECT last_value FROM public.s".to_owned();
    let home = Home::new(server.address("main"), Some(question));
    // A connection, and the first answer.
    let connected = home.wait(0, soon());
    let first = if connected < 2 { home.wait(connected, soon()) } else { connected };
    other.batch("SELECT nextval('public.s'), nextval('public.s')").unwrap();
    assert!(home.wait(first, soon()) > first);
}

#[test]
fn a_home_that_is_dropped_leaves_no_connection() {
    let server = Server::start();
    let mut other = connect(&server.address("main"));
    let home = Home::new(server.address("main"), None);
    let hold = home.live(7).unwrap();
    drop(home);
    assert!(!is_free(&mut other, 7));
    drop(hold);
    let others = "SELECT count(*) FROM pg_stat_activity \
                  WHERE application_name LIKE 'taskhost%' AND pid <> pg_backend_pid()";
    let until = soon();
    while one::<i64>(&mut other, others) > 0 {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
}
