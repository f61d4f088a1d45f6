//! Connections: what is set on them, how calls are answered, and what is made of failures.

use std::time::{Duration, Instant};

use rustix::net::sockopt;

use super::server::Server;
use super::{connect, one, soon};
use crate::connect::Purpose;
use crate::{Address, Call, Link, LinkError};

const BEGIN: Call<'_> = Call::new("BEGIN", &[]);
const COMMIT: Call<'_> = Call::new("COMMIT", &[]);

/// A link to a schema with a table `t(n)`.
fn with_table(server: &Server) -> Link {
    let mut link = connect(&server.address("main"));
    link.batch("CREATE SCHEMA taskhost_main; CREATE TABLE t (n int4 PRIMARY KEY CHECK (n < 100))")
        .unwrap();
    link
}

fn numbers(link: &mut Link) -> Vec<i32> {
    let rows = link.query(Call::new("SELECT n FROM t ORDER BY n", &[])).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_connection_is_set_up_for_its_board() {
    let server = Server::start();
    let mut link = connect(&server.address("some"));
    let mut shown = |name: &str| one::<String>(&mut link, &format!("SHOW {name}"));
    assert_eq!(shown("search_path"), "taskhost_some");
    assert_eq!(shown("idle_in_transaction_session_timeout"), "15s");
    assert_eq!(shown("jit"), "off");
    assert_eq!(shown("plan_cache_mode"), "force_generic_plan");
    assert_eq!(shown("synchronous_commit"), "on");
    assert_eq!(shown("client_connection_check_interval"), "2s");
    let name = format!("taskhost {}@", std::process::id());
    assert!(shown("application_name").starts_with(&name));
}

#[test]
fn what_is_acknowledged_is_on_disk_even_where_the_server_is_set_otherwise() {
    let server = Server::start();
    let mut first = connect(&server.address("main"));
    for (set, then) in [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")] {
        first.batch(&format!("ALTER ROLE postgres SET synchronous_commit = {set}")).unwrap();
        let mut link = connect(&server.address("main"));
        assert_eq!(one::<String>(&mut link, "SHOW synchronous_commit"), then);
    }
}

#[test]
fn all_calls_are_answered_in_their_order() {
    let server = Server::start();
    let mut link = with_table(&server);
    let insert = "INSERT INTO t VALUES ($1) RETURNING n";
    let answers = link
        .pipeline(&[
            BEGIN,
            Call::new(insert, &[&1]),
            Call::new(insert, &[&2]),
            Call::new("SELECT count(*) FROM t", &[]),
            COMMIT,
        ])
        .unwrap();
    let counts: Vec<_> = answers.iter().map(Vec::len).collect();
    assert_eq!(counts, [0, 1, 1, 1, 0]);
    assert_eq!(answers[2][0].get::<_, i32>(0), 2);
    assert_eq!(answers[3][0].get::<_, i64>(0), 2);
    assert!(!link.is_in_transaction());
}

#[test]
fn a_large_pipeline_and_large_answers_do_not_get_stuck() {
    // Both sides writing more than the sockets hold, with neither reading, would wait for each other for ever.
    let server = Server::start();
    let mut link = connect(&server.address("main"));
    let text = "x".repeat(300_000);
    let params: &[&(dyn tokio_postgres::types::ToSql + Sync)] = &[&text];
    let calls = vec![Call::new("SELECT $1::text || $1", params); 40];
    let answers = link.pipeline(&calls).unwrap();
    assert!(answers.iter().all(|rows| rows[0].get::<_, String>(0).len() == 600_000));
    assert_eq!(answers.len(), 40);
}

#[test]
fn the_first_error_counts_and_nothing_of_the_transaction_stays() {
    let server = Server::start();
    let mut link = with_table(&server);
    let insert = "INSERT INTO t VALUES ($1)";
    let calls = [BEGIN, Call::new(insert, &[&1]), Call::new(insert, &[&1]), COMMIT];
    match link.pipeline(&calls).unwrap_err() {
        LinkError::Unique { constraint, .. } => assert_eq!(constraint, "t_pkey"),
        other => panic!("{other}"),
    }
    assert!(!link.is_in_transaction());
    assert!(numbers(&mut link).is_empty());
    match link.query(Call::new(insert, &[&100])).unwrap_err() {
        LinkError::Check { constraint, .. } => assert_eq!(constraint, "t_n_check"),
        other => panic!("{other}"),
    }
    let undefined = link.query(Call::new("SELECT * FROM nothing", &[])).unwrap_err();
    assert!(matches!(undefined, LinkError::Undefined(_)), "{undefined}");
}

#[test]
fn a_commit_is_not_sent_after_a_call_that_could_not_be_sent() {
    // The library finds out that a parameter is of the wrong kind when it sends; what followed was sent all the same, and
    // the server committed a transaction without one of its changes.
    let server = Server::start();
    let mut link = with_table(&server);
    let insert = "INSERT INTO t VALUES ($1)";
    let calls = [BEGIN, Call::new(insert, &[&1]), Call::new(insert, &[&"two"]), COMMIT];
    let error = link.pipeline(&calls).unwrap_err();
    assert!(matches!(error, LinkError::Other(_)), "{error}");
    assert!(link.is_in_transaction());
    link.roll_back_and_forget().unwrap();
    assert!(numbers(&mut link).is_empty());
}

#[test]
fn a_transaction_that_has_failed_is_not_committed_as_if_all_were_well() {
    // `COMMIT` of a failed transaction is answered without an error, and rolls it back.
    let server = Server::start();
    let mut link = with_table(&server);
    let insert = "INSERT INTO t VALUES ($1)";
    let failing = [BEGIN, Call::new(insert, &[&1]), Call::new(insert, &[&200])];
    link.pipeline(&failing).unwrap_err();
    let error = link.pipeline(&[COMMIT]).unwrap_err();
    assert_eq!(error.to_string(), "the transaction has failed, and can't be committed");
    link.pipeline(&[Call::new("ROLLBACK", &[])]).unwrap();
    link.pipeline(&[BEGIN, Call::new(insert, &[&1]), COMMIT]).unwrap();
    assert_eq!(numbers(&mut link), [1]);
}

#[test]
fn an_answer_that_does_not_come_in_time_breaks_the_connection() {
    let server = Server::start();
    let mut link = connect(&server.address("main"));
    link.set_patience(Duration::from_millis(200));
    let began = Instant::now();
    let error = link.query(Call::new("SELECT pg_sleep(60)", &[])).unwrap_err();
    assert!(error.is_lost(), "{error}");
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(link.is_broken());
    assert!(link.query(Call::new("SELECT 1", &[])).unwrap_err().is_lost());
}

#[test]
fn a_connection_that_the_server_ends_is_lost() {
    let server = Server::start();
    let (mut link, mut other) =
        (connect(&server.address("main")), connect(&server.address("main")));
    let backend = link.server().backend;
    other.query(Call::new("SELECT pg_terminate_backend($1)", &[&backend])).unwrap();
    let error = link.query(Call::new("SELECT 1", &[])).unwrap_err();
    assert!(error.is_lost(), "{error:?}");
    assert!(link.is_broken());
}

#[test]
fn locks_that_are_not_free_and_cycles_are_told_apart() {
    let server = Server::start();
    let mut one = with_table(&server);
    one.batch("INSERT INTO t VALUES (1), (2)").unwrap();
    let mut two = connect(&server.address("main"));
    let lock = "SELECT n FROM t WHERE n = $1 FOR UPDATE";
    one.pipeline(&[BEGIN, Call::new(lock, &[&1])]).unwrap();
    let now = "SELECT n FROM t WHERE n = $1 FOR UPDATE NOWAIT";
    let error = two.pipeline(&[BEGIN, Call::new(now, &[&1])]).unwrap_err();
    assert!(matches!(error, LinkError::NotAvailable(_)), "{error:?}");
    // Nothing can be prepared within the failed transaction; what follows its end can.
    two.pipeline(&[Call::new("ROLLBACK", &[]), BEGIN, Call::new(lock, &[&2])]).unwrap();
    let cycle = std::thread::spawn(move || two.pipeline(&[Call::new(lock, &[&1])]).map(|_| two));
    let here = one.pipeline(&[Call::new(lock, &[&2])]);
    drop(one);
    let failed = [here.err(), cycle.join().unwrap().err()];
    let failed: Vec<_> = failed.into_iter().flatten().collect();
    assert!(matches!(failed[..], [LinkError::Serialization(_)]), "{failed:?}");
}

#[test]
fn what_was_prepared_for_older_tables_is_prepared_anew() {
    let server = Server::start();
    let mut link = with_table(&server);
    let all = Call::new("SELECT * FROM t", &[]);
    link.query(all.clone()).unwrap();
    connect(&server.address("main")).batch("ALTER TABLE t ADD COLUMN more text").unwrap();
    let error = link.query(all.clone()).unwrap_err();
    assert!(matches!(error, LinkError::Serialization(_)), "{error:?}");
    assert!(link.query(all.clone()).is_ok());
}

#[test]
fn a_forgotten_statement_is_done_and_disturbs_nobody() {
    let server = Server::start();
    let mut link = with_table(&server);
    let mut other = connect(&server.address("main"));
    other.batch("LISTEN taskhost_main").unwrap();
    let insert = Call::new("INSERT INTO t VALUES ($1)", &[&7]);
    let hint = Call::new("SELECT pg_notify($1, '')", &[&"taskhost_main"]);
    link.pipeline_then_forget(&[BEGIN, insert, COMMIT], hint).unwrap();
    assert_eq!(numbers(&mut link), [7]);
    while other.heard() == 0 {
        assert!(other.socket().wait(soon()).unwrap());
        other.take_in().unwrap();
    }
}

#[test]
fn whoever_cannot_be_reached_or_refuses_is_told_apart() {
    let server = Server::start();
    let nobody = Address::parse("postgres://u@127.0.0.1:1/db").unwrap();
    let error = Link::connect(&nobody, soon()).err().unwrap();
    assert!(error.is_unreachable(), "{error}");
    assert!(error.to_string().contains("`127.0.0.1`, port 1"), "{error}");
    let text = server.address("main").to_string();
    let stranger = Address::parse(&text.replace("postgres@", "stranger@")).unwrap();
    let error = Link::connect(&stranger, soon()).err().unwrap();
    assert!(matches!(error, LinkError::Denied(_)), "{error:?}");
    let elsewhere = Address::parse(&text.replace("/postgres?", "/elsewhere?")).unwrap();
    let error = Link::connect(&elsewhere, soon()).err().unwrap();
    assert!(matches!(error, LinkError::Undefined(_)), "{error:?}");
}

#[test]
fn of_several_hosts_the_first_that_is_there_is_taken() {
    let server = Server::start();
    let text = server.address("main").to_string();
    let several = text.replace("postgres@", "postgres@127.0.0.1:1,");
    let mut link = connect(&Address::parse(&several).unwrap());
    assert_eq!(one::<i32>(&mut link, "SELECT 7"), 7);
}

#[test]
fn a_database_that_nobody_can_change_is_refused() {
    let server = Server::start();
    let mut link = connect(&server.address("main"));
    link.batch("ALTER ROLE postgres SET default_transaction_read_only = on").unwrap();
    let error = Link::connect(&server.address("main"), soon()).err().unwrap();
    assert!(matches!(&error, LinkError::Denied(_)), "{error:?}");
}

#[test]
fn a_connection_is_encrypted_as_far_as_the_address_says() {
    let (_server, port) = Server::start_encrypted();
    let at = |mode: &str| {
        let text = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode={mode}");
        Link::connect(&Address::parse(&text).unwrap(), soon())
    };
    let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    for (mode, expected) in [("disable", false), ("prefer", true), ("require", true)] {
        assert_eq!(one::<bool>(&mut at(mode).unwrap(), encrypted), expected, "{mode}");
    }
    // More than fits into one piece of the cipher, both ways.
    let text = "y".repeat(3_000_000);
    let long = Call::of("SELECT $1::text || $1", vec![&text]);
    assert_eq!(at("require").unwrap().query(long).unwrap()[0].get::<_, String>(0).len(), 6_000_000);
    // Nobody vouches for the server.
    let refused = at("verify-full").err().unwrap();
    assert!(refused.to_string().contains("certificate"), "{refused}");
}

#[test]
fn a_socket_of_this_machine_is_never_encrypted() {
    let server = Server::start();
    let text = format!("{}&sslmode=require", server.address("main"));
    let mut link = connect(&Address::parse(&text).unwrap());
    assert_eq!(one::<i32>(&mut link, "SELECT 7"), 7);
}

#[test]
fn a_silent_host_keeps_what_it_holds_for_a_day_and_notices_soon_that_its_server_is_another_one() {
    // The server's system gave a host up that was cut off after a quarter of an hour, once it had been notified of something: its
    // tasks were given away long before their leases were over. And a host whose server's machine had gone without a word, and come
    // back, thought for two hours that it held what it had held there.
    let (server, port) = Server::start_encrypted();
    let text = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let address = Address::parse(&text).unwrap();
    let until = || Instant::now() + Duration::from_secs(20);
    let waits = "SELECT current_setting('tcp_user_timeout')";
    let mut life = Link::connect_for(Purpose::Life, &address, until()).unwrap();
    let mut work = Link::connect_for(Purpose::Work, &address, until()).unwrap();
    assert_eq!(one::<String>(&mut life, waits), "86400000");
    assert_eq!(one::<String>(&mut work, waits), "20000");
    let asked = |link: &Link| {
        let [idle, between] = [sockopt::tcp_keepidle, sockopt::tcp_keepintvl];
        let times = sockopt::tcp_keepcnt(link.socket()).unwrap();
        idle(link.socket()).unwrap() + between(link.socket()).unwrap() * times
    };
    assert!(sockopt::socket_keepalive(life.socket()).unwrap());
    assert!(asked(&life) <= Duration::from_secs(5));
    assert!(asked(&work) <= Duration::from_secs(30));
    drop(server);
}
