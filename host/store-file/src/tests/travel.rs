//! What no board may carry away, and none takes in.

use taskhost_board::image::Record;
use taskhost_board::transfer::{Seal, TransferLine};
use taskhost_board::{Closed, KeyRecord, Millis, Task};

use super::*;
use taskhost_board::Severity;

/// A pending task that comes after one that there isn't.
fn loose(born: u64) -> Task {
    let text = format!(
        r#"{{"id":"loose","type":"work","status":"pending","after":["gone"],"created_at":1,"updated_at":1,"born":{born}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn commit(store: &FileStore, changes: Vec<Change>) {
    let opened = store.begin(far()).unwrap();
    let (time, request) = (opened.now().wall, Request::of(Command::Upkeep));
    opened.commit(Entry { time, request, seed: 3, changes }).unwrap();
}

fn export(store: &FileStore) -> Result<Vec<TransferLine>, String> {
    let mut all = Vec::new();
    let exported = store.export(&mut |line| {
        all.push(line);
        Ok(())
    });
    exported.map(|()| all).map_err(|error| error.to_string())
}

/// Why these lines, with an end that fits them, aren't taken in.
fn refusal(lines: &[TransferLine]) -> String {
    let (mut seal, mut stream) = (Seal::default(), Vec::new());
    for line in lines.iter().filter(|line| !matches!(line, TransferLine::End { .. })) {
        let bytes = line.encode().unwrap();
        seal.add(&bytes);
        stream.extend(bytes);
    }
    stream.extend(seal.end().encode().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let made = FileStore::import(&board(&directory), &stream[..], OpenOptions::default());
    made.err().unwrap().to_string()
}

/// A board with a task that waits for one that there isn't: nobody could ever finish it, the doctor had nothing to say,
/// and it was exported and imported as if nothing were wrong.
#[test]
fn a_task_that_waits_for_one_that_there_is_not_is_reported_and_does_not_travel() {
    let (_directory, store) = fresh();
    add(&engine(&store), "a", &[]);
    let mut lines = export(&store).unwrap();
    commit(&store, vec![Change::Added(Box::new(loose(2)))]);
    let report = store.doctor();
    let found = report.findings.iter().find(|finding| finding.place == "task loose").unwrap();
    assert!(found.what.contains("`gone`") && !report.is_clean(), "{found}");
    let why = export(&store).unwrap_err();
    assert!(why.contains("`loose` names the task `gone`, which there isn't"), "{why}");

    let TransferLine::Header(header) = &mut lines[0] else { panic!() };
    header.born = 2;
    let end = lines.len() - 1;
    lines.insert(end, TransferLine::Record(Box::new(Record::Task(Box::new(loose(2))))));
    let why = refusal(&lines);
    assert!(why.contains("`loose` names the task `gone`, which there isn't"), "{why}");
}

/// What a completed task came after may be archived.
#[test]
fn a_completed_task_may_name_what_is_archived() {
    let (_directory, store) = fresh();
    let done = Task { status: taskhost_board::Status::Completed, ..loose(1) };
    commit(&store, vec![Change::Added(Box::new(done))]);
    assert_clean(&store);
    assert!(export(&store).is_ok());
}

/// An import took a request key with a token that the board would give again, and the request repeated would have been
/// answered with somebody else's claim.
#[test]
fn a_request_key_with_a_token_that_was_never_given_is_not_taken_in() {
    let (_directory, store) = fresh();
    add(&engine(&store), "a", &[]);
    let mut lines = export(&store).unwrap();
    let record = KeyRecord { fingerprint: 1, task: id("a"), token: Some(Token(9)), at: Millis(1) };
    let key = Record::Key { command: Command::Claim, key: "k".into(), record };
    let end = lines.len() - 1;
    lines.insert(end, TransferLine::Record(Box::new(key)));
    let why = refusal(&lines);
    assert!(why.contains("request key `k` has token 9, and the last one given is 0"), "{why}");
}

/// A task had a token that the board was yet to give, by somebody's hand. The doctor had nothing to say, and the export
/// that it had promised was refused.
#[test]
fn a_token_that_was_never_given_is_reported_and_does_not_travel() {
    let (_directory, store) = fresh();
    let mut early = loose(1);
    early.after.clear();
    early.closed = Some(Closed { token: Token(9), agent: Name::new("ada").unwrap(), verb: None });
    commit(&store, vec![Change::Added(Box::new(early))]);
    let report = store.doctor();
    let found = report.findings.iter().find(|finding| finding.place == "task loose").unwrap();
    assert_eq!(found.severity, Severity::Damage, "{found}");
    let why = "`loose` has token 9, and the last one given is 0";
    assert!(found.what.contains(why) && !report.is_clean(), "{found}");
    assert!(export(&store).unwrap_err().contains(why));
}
