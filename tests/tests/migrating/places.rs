//! What comes along, what is told where a board was, and what is refused.

use std::io::{BufRead as _, BufReader};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use taskhost_tests::{Answer, Kept, TestBoard, policy};

use crate::{WAYS, export, is_told, made, migrate};

/// A board with something of everything, and the token by which `ada` holds the task `held`.
fn rich(kept: Kept) -> (TestBoard, String) {
    let board = made(kept);
    let run = |arguments: &[&str]| board.run(arguments).exits(0);
    let data = r#"{"n":1.50,"big":12345678901234567890123,"who":"größe"}"#;
    run(&["add", "goal", "--id", "goal", "--priority", "9", "--label", "big", "--data", data]);
    run(&["add", "part", "--id", "part", "--parent", "goal", "--needs", "gpu", "--label", "late"]);
    run(&["add", "work", "--id", "waiting", "--after", "part", "--assignee", "bob"]);
    run(&["add", "work", "--id", "timed", "--not-before", "2099-01-01T00:00:00Z"]);
    board.add(&["gone", "failed", "done", "held"]);
    run(&["add", "work", "--id", "keyed", "--key", "k-add"]);
    // A policy that remembers who had how much.
    run(&["policy", "set", policy("fair-share").to_str().unwrap()]);
    for (id, ends) in [("gone", "complete"), ("failed", "fail"), ("done", "complete")] {
        let token = run(&["claim", id, "--agent", "ada"]).number("/task/claim/token").to_string();
        run(&[ends, id, "--agent", "ada", "--token", &token]);
    }
    run(&["archive", "gone"]);
    let held = ["claim", "held", "--agent", "ada", "--lease", "9h", "--key", "k-claim"];
    let token = run(&held).number("/task/claim/token").to_string();
    run(&["meta", "set", "ratio", r#"{"is":2.500}"#]);
    run(&["config", "set", "keys_kept", "30d"]);
    run(&["context", "set", "--agent", "ann lee", "learned", "the linker needs 8 GiB"]);
    run(&["context", "set", "--task", "held", "log", "so far, so good"]);
    run(&["compact"]);
    run(&["add", "work", "--id", "newest"]);
    (board, token)
}

fn tasks(board: &TestBoard) -> Value {
    board.run(&["list", "--limit", "100"]).exits(0).json()["tasks"].clone()
}

#[test]
fn a_board_goes_from_place_to_place_with_everything_on_it() {
    let (first, token) = rich(Kept::InFiles);
    let mut told: Vec<String> = Vec::new();
    let mut boards = vec![first];
    for kept in [Kept::InPostgres, Kept::InPostgres, Kept::InFiles, Kept::InFiles] {
        let (from, to) = (boards.last().unwrap(), TestBoard::missing_in(kept));
        let (whole, listed) = (export(from), tasks(from));
        let answer = migrate(from, &to).exits(0);
        assert_eq!(answer.json()["already"], false);
        // Byte by byte: ids, history, tokens, keys, policies and what they remember, settings, metadata, large values.
        assert!(export(&to) == whole, "something has changed on the way");
        assert_eq!(tasks(&to), listed);
        to.assert_healthy();
        told.push(answer.text("/to"));
        boards.push(to);
    }
    let (left, last) = boards.split_at(4);
    for (board, place) in left.iter().zip(&told) {
        is_told(board.run(&["claim", "--agent", "eve"]), place);
        board.assert_healthy();
    }
    let last = &last[0];
    // The same request is answered the same, the token holds, and the next one is a new one.
    let again = ["claim", "held", "--agent", "ada", "--lease", "9h", "--key", "k-claim"];
    assert_eq!(last.run(&again).exits(0).number("/task/claim/token").to_string(), token);
    let added = last.run(&["add", "work", "--id", "keyed", "--key", "k-add"]).exits(0);
    assert_eq!(added.json()["repeated"], true);
    last.run(&["heartbeat", "held", "--agent", "ada", "--token", &token]).exits(0);
    last.run(&["complete", "held", "--agent", "ada", "--token", &token]).exits(0);
    // By the policy that came along, and by what it remembers.
    let kept = last.run(&["claim", "--agent", "eve"]).exits(3);
    assert!(kept.text("/detail").contains("it is the turn of `ada`"), "{}", kept.stdout);
    let (_, next) = last.claim("ada");
    assert_eq!(next, (token.parse::<u64>().unwrap() + 1).to_string());
    let learned = last.run_plain(&["context", "get", "--agent", "ann lee", "learned"]).exits(0);
    assert_eq!(learned.stdout, "the linker needs 8 GiB");
    last.assert_healthy();
}

#[test]
fn where_a_board_was_nothing_changes_any_more_and_everything_can_be_read() {
    for (from, to) in [WAYS[0], WAYS[1]] {
        let (board, token) = rich(from);
        let whole = export(&board);
        let to = TestBoard::missing_in(to);
        let place = migrate(&board, &to).exits(0).text("/to");
        let own = policy("newest-first");
        let refused: [&[&str]; 11] = [
            &["add", "work"],
            &["claim", "--agent", "eve"],
            &["claim", "--agent", "eve", "--wait", "1h"],
            &["complete", "held", "--agent", "ada", "--token", &token],
            &["heartbeat", "held", "--agent", "ada", "--token", &token],
            &["cancel", "newest"],
            &["meta", "set", "ratio", "2"],
            &["context", "set", "--task", "held", "log", "late"],
            &["config", "set", "unfenced", "true"],
            &["policy", "set", own.to_str().unwrap()],
            &["migrate", "--to", "elsewhere"],
        ];
        for arguments in refused {
            is_told(board.run(arguments), &place);
        }
        for what in [&["task", "held"][..], &["board"]] {
            let arguments = [&["lock"], what, &["--", "touch", "ran"]].concat();
            let answer = board.run(&arguments).exits(6);
            assert_eq!(answer.text("/error/address"), place);
            assert!(!board.folder().join("ran").exists());
        }
        for arguments in [&["list"][..], &["show", "held"], &["history"], &["status"], &["stats"]] {
            board.run(arguments).exits(0);
        }
        assert!(export(&board) == whole);
        assert!(!board.folder().join("elsewhere").exists());
        board.assert_healthy();
        // Whoever moves it there again hears that it is there.
        let answer = migrate(&board, &to).exits(0);
        assert_eq!(answer.json()["already"], true);
        to.claim("ada");
    }
}

#[test]
fn those_who_wait_when_a_board_is_moved_are_told_where_it_is() {
    for (from, to) in [WAYS[0], WAYS[1]] {
        let (board, to) = (made(from), TestBoard::missing_in(to));
        board.add(&["late"]);
        board.run(&["block", "late"]).exits(0);
        let claim = board.start(&["claim", "--agent", "ada", "--wait", "1h"]);
        let mut watch = board.start(&["watch"]);
        let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
        // It has begun to watch when it tells of the first thing that happens.
        let mut heard = 0;
        while heard == 0 {
            board.run(&["meta", "set", "n", "1"]).exits(0);
            heard += usize::from(lines.next().unwrap().is_ok());
        }
        let place = migrate(&board, &to).exits(0).text("/to");
        is_told(Answer::after(claim), &place);
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let ended = watch.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(13), "{rest:?}");
        assert!(rest.last().unwrap().contains(&place), "{rest:?}");
    }
}

#[test]
fn a_board_only_goes_where_there_is_none_and_stays_as_it_was_otherwise() {
    for (from, to) in WAYS {
        let (board, other) = (made(from), made(to));
        board.add(&["mine"]);
        other.add(&["theirs"]);
        let (mine, theirs) = (export(&board), export(&other));
        let refused = migrate(&board, &other).exits(10);
        assert_eq!(refused.text("/error/code"), "board_exists");
        let same = migrate(&board, &board).exits(2);
        assert!(same.text("/error/message").contains("already"), "{}", same.stdout);
        let missing = TestBoard::missing_in(to);
        migrate(&missing, &TestBoard::missing_in(from)).exits(5);
        assert!(export(&board) == mine && export(&other) == theirs);
        // Neither is in anybody's way afterwards.
        board.claim("ada");
        other.claim("bob");
        // Nor does a board come to where another one was.
        let place = TestBoard::missing_in(to);
        migrate(&other, &place).exits(0);
        assert_eq!(migrate(&board, &other).exits(10).text("/error/code"), "board_exists");
        board.run(&["add", "work"]).exits(0);
    }
}

#[test]
fn a_place_that_nothing_can_be_made_at_leaves_the_board_where_it_was() {
    let board = made(Kept::InFiles);
    board.add(&["mine"]);
    let file = board.folder().join("file");
    std::fs::write(&file, "in the way").unwrap();
    for place in ["file", "file/board", "postgres://ada@127.0.0.1:1/none", "postgres://"] {
        let answer = board.run(&["--timeout", "1s", "migrate", "--to", place]);
        assert!(answer.code != 0 && answer.code != 13, "{place}: {answer:?}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"in the way");
    board.claim("ada");
    board.assert_healthy();
}

/// The address that was told had the password in it by which the board was moved: whoever may read the old board could
/// have had it.
#[test]
fn a_password_is_not_told() {
    let board = made(Kept::InFiles);
    let to = TestBoard::missing_in(Kept::InPostgres);
    let access = taskhost_test_postgres::shared();
    let url = to.address().as_os_str().to_str().unwrap().to_owned();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (user, rest) = rest.split_once('@').unwrap();
    let user = user.split(':').next().unwrap();
    let password = access.password().unwrap_or("needless").to_owned();
    let named = format!("{scheme}://{user}:{password}@{rest}");
    let moved = board.run(&["migrate", "--to", &named]).exits(0);
    let place = moved.text("/to");
    let refused = board.run(&["add", "work"]);
    let pointer = std::fs::read_to_string(board.path().join("board.json")).unwrap();
    for text in [&moved.stdout, &refused.stdout, &pointer] {
        assert!(text.contains(&place) && !text.contains(&password), "{text}");
    }
    is_told(refused, &place);
}

/// A claim whose holder's session lived where the board was.
#[test]
fn an_agent_that_lives_goes_on_by_its_token_where_the_board_is() {
    for (from, to) in WAYS {
        let (board, to) = (made(from), TestBoard::missing_in(to));
        board.add(&["a", "b"]);
        let agent = board.open().agent("ada").unwrap();
        let claimed = agent.claim().unwrap().unwrap();
        migrate(&board, &to).exits(0);
        let lost = claimed.complete(None).unwrap_err();
        assert_eq!(lost.problem().kind, taskhost::ProblemKind::Moved);
        // It lives, so nobody is given its task.
        let (other, _) = to.claim("eve");
        assert_eq!(other, "b");
        to.run(&["claim", "--agent", "eve"]).exits(3);
        let there = to.open();
        let (id, proof) = (claimed.id(), claimed.proof());
        there.heartbeat(id, &proof, None).unwrap();
        there.finish(id, &proof, &taskhost::Finish::Complete(None)).unwrap();
        assert_eq!(to.task("a")["status"], "completed");
    }
}

#[test]
fn a_board_that_is_spelt_in_another_way_is_not_moved_onto_itself() {
    // The import waited for the lock that its own process had, two minutes during which nobody could change the board.
    let board = made(Kept::InPostgres);
    board.add(&["t"]);
    let address = board.address().as_os_str().to_string_lossy().into_owned();
    let (_, named) = address.split_once("board=").unwrap();
    let spelt = taskhost_test_postgres::shared().by_tcp().board(named);
    assert_ne!(spelt, address);
    let began = Instant::now();
    let same = board.run(&["migrate", "--to", &spelt]).exits(2);
    assert!(same.text("/error/message").contains("already"), "{}", same.stdout);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    board.claim("ada");
}

/// A library that puts a program's clock forward by an hour, for whom it is loaded before all others.
const CLOCK: &str = "\
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += 3600;
    return failed;
}
";

/// Leases are kept by the clock of the place: a board was moved from a machine whose clock was behind, and all that was held on it
/// was given out again at once.
#[test]
fn what_is_claimed_does_not_move_to_where_the_clock_says_something_else() {
    let (board, to) = (made(Kept::InFiles), TestBoard::missing_in(Kept::InPostgres));
    board.add(&["held"]);
    let (id, token) = board.claim("ada");
    let (source, library) = (board.folder().join("clock.c"), board.folder().join("clock.so"));
    std::fs::write(&source, CLOCK).unwrap();
    let mut cc = Command::new("cc");
    let made = cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().unwrap();
    assert!(made.success());
    let migrate = || {
        let mut command = board.command(&["--json", "migrate", "--to"]);
        command.arg(to.address().as_os_str()).env("LD_PRELOAD", &library);
        Answer::of(command.output().unwrap())
    };
    let refused = migrate().exits(10);
    assert_eq!(refused.text("/error/code"), "clocks_differ");
    let why = refused.text("/error/message");
    assert!(["3599 s apart", "3600 s apart"].iter().any(|apart| why.contains(apart)), "{why}");
    to.run(&["claim", "--agent", "bob"]).exits(6);
    board.run(&["release", &id, "--agent", "ada", "--token", &token]).exits(0);
    migrate().exits(0);
    assert_eq!(to.claim("bob").0, id);
}
