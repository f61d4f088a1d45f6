//! How a board's tables are made and changed.

use refinery::{Migration, Runner};

use super::server::Server;
use super::{connect, one, soon};
use crate::keys::{Kind, key};
use crate::migrate::{MigrateError, Tables};
use crate::{Address, Call};

const FIRST: (&str, &str) = ("V1__first", "CREATE TABLE t (n int4)");
const SECOND: (&str, &str) = ("V2__second", "ALTER TABLE t ADD COLUMN more int4 DEFAULT 5");

fn tables<'a>(address: &'a Address, steps: &[(&str, &str)]) -> Tables<'a> {
    let steps: Vec<_> =
        steps.iter().map(|(name, sql)| Migration::unapplied(name, sql).unwrap()).collect();
    Tables::with(address, Runner::new(&steps))
}

#[test]
fn of_many_who_make_a_board_at_once_one_does() {
    let server = Server::start();
    let address = server.address("many");
    let makers: Vec<_> = (0..8)
        .map(|_| {
            let address = address.clone();
            std::thread::spawn(move || {
                Tables::new(&address).create(&mut connect(&address), soon()).is_ok()
            })
        })
        .collect();
    let made = makers.into_iter().map(|maker| maker.join().unwrap());
    assert_eq!(made.filter(|made| *made).count(), 1);
    let again = Tables::new(&address).create(&mut connect(&address), soon()).unwrap_err();
    assert_eq!(again.to_string(), "there is a board `many` in this database already");
}

#[test]
fn boards_of_one_database_have_nothing_in_common() {
    let server = Server::start();
    for board in ["one", "two"] {
        let address = server.address(board);
        let mut link = connect(&address);
        let missing = Tables::new(&address).upgrade(&mut link, soon()).unwrap_err();
        assert_eq!(missing, MigrateError::NoBoard { board: board.into() });
        tables(&address, &[FIRST]).create(&mut link, soon()).unwrap();
        link.batch("INSERT INTO t VALUES (1)").unwrap();
        assert_eq!(one::<i64>(&mut link, "SELECT count(*) FROM t"), 1);
    }
}

#[test]
fn older_tables_are_brought_up_while_nobody_changes_the_board() {
    let server = Server::start();
    let address = server.address("main");
    let mut link = connect(&address);
    tables(&address, &[FIRST]).create(&mut link, soon()).unwrap();
    assert!(!tables(&address, &[FIRST]).upgrade(&mut link, soon()).unwrap());
    // Somebody is changing the board.
    let mut other = connect(&address);
    let lock = key(address.schema(), Kind::Board, "");
    let shared = Call::of("SELECT pg_advisory_xact_lock_shared($1)", vec![&lock]);
    other.pipeline(&[Call::new("BEGIN", &[]), shared]).unwrap();
    let upgrading = std::thread::spawn({
        let address = address.clone();
        move || tables(&address, &[FIRST, SECOND]).upgrade(&mut link, soon()).unwrap()
    });
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while one::<i64>(&mut other, waiting) == 0 {
        std::thread::yield_now();
    }
    assert_eq!(tables(&address, &[]).version(&mut connect(&address)).unwrap(), Some(1));
    other.pipeline(&[Call::new("COMMIT", &[])]).unwrap();
    assert!(upgrading.join().unwrap());
    assert_eq!(tables(&address, &[]).version(&mut other).unwrap(), Some(2));
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(one::<i64>(&mut other, held), 0);
}

#[test]
fn newer_tables_are_left_alone() {
    let server = Server::start();
    let address = server.address("main");
    let mut link = connect(&address);
    tables(&address, &[FIRST, SECOND]).create(&mut link, soon()).unwrap();
    let refused = tables(&address, &[FIRST]).upgrade(&mut link, soon()).unwrap_err();
    assert_eq!(refused, MigrateError::Newer { found: 2, known: 1 });
}

#[test]
fn of_a_migration_that_fails_nothing_stays() {
    let server = Server::start();
    let address = server.address("main");
    let mut link = connect(&address);
    tables(&address, &[FIRST]).create(&mut link, soon()).unwrap();
    let broken = ("V3__broken", "CREATE TABLE u (n int4); SELECT nothing FROM nowhere");
    let error = tables(&address, &[FIRST, SECOND, broken]).upgrade(&mut link, soon()).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert_eq!(tables(&address, &[]).version(&mut link).unwrap(), Some(1));
    assert_eq!(one::<Option<String>>(&mut link, "SELECT to_regclass('u')::text"), None);
    // What was wrong is put right, and the board goes on.
    assert!(tables(&address, &[FIRST, SECOND]).upgrade(&mut link, soon()).unwrap());
}
