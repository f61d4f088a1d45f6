//! What the page's scripts reckon is tried in Node.js, where it is there.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use taskhost_authoring::{Installing, Tools};
use taskhost_board::{Change, Json, Millis, Readiness, Status, Task};
use taskhost_wire::steers;

use crate::html::RECKONING;
use crate::model::tests::{self, Story, answered, held, task, task_id};

/// A goal, and a part of it that failed once and is held.
fn model() -> Value {
    let goal = task("goal", Status::Pending);
    let part = Task {
        parent: Some(task_id("goal")),
        data: Json::parse("{\"n\":1.50}").unwrap(),
        created_at: Millis(2000),
        ..held("part", "bob", 2, 11_000)
    };
    let added = |task: &Task| Change::Added(Box::new(Task { claim: None, ..task.clone() }));
    let mut story = Story::of(&[goal.clone(), part.clone()]);
    let waiting = Readiness::Waiting { on: vec![task_id("part")], why: None };
    story.then(None, vec![added(&goal), answered("goal", waiting)]);
    story.then(None, vec![added(&part), answered("part", Readiness::Ready(0))]);
    story.then(None, vec![]).then(None, vec![]).claimed("part", "alice", 1);
    story.then(None, vec![]).then(None, vec![]).then(None, vec![]);
    let error = Some("</script>\u{2028}\u{202e}".to_owned());
    let retried = Change::Retried { id: task_id("part"), error, not_before: None };
    story.then(Some("alice"), vec![retried, answered("part", Readiness::Ready(0))]);
    story.then(None, vec![]).claimed("part", "bob", 2);
    story.told()
}

#[test]
fn scripts_reckon_what_the_model_says() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Where `cargo xtask setup --for-tests` puts tools.
    let guests = taskhost_guest_build::target_dir(&package.join("../.."));
    let tools = guests.parent().unwrap().join("guest-tools");
    let node = Tools::in_directory(&tools, Installing::Forbidden, &|_| ()).node();
    let node = node.expect("`cargo xtask setup --for-tests` gets Node.js");
    let folder = tempfile::tempdir().unwrap();
    let (scripts, expected) = (folder.path().join("reckoning.js"), folder.path().join("expected"));
    let steering = ('\0'..=char::MAX).filter(|c| *c != '\n' && steers(*c)).map(u32::from);
    let all = json!({
        "model": model(),
        "steering": steering.collect::<Vec<u32>>(),
        "ends": tests::ends_in_words(),
    });
    fs::write(&scripts, RECKONING).unwrap();
    fs::write(&expected, all.to_string()).unwrap();
    let mut program = node.program();
    program.arg(package.join("src/template/reckoning.test.mjs")).arg(&scripts).arg(&expected);
    let said = program.run().unwrap();
    assert!(said.well, "{}", said.end());
}
