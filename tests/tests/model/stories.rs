//! Differences that were found between the model and the board, each with its story.

use std::collections::BTreeMap;

use crate::drive::differs;
use crate::real::{FILES, MEMORY};
use crate::words::{Action, Ask, Command, New};

fn new(id: &str, parent: Option<&str>) -> New {
    New {
        id: Some(id.into()),
        task_type: "build".into(),
        parent: parent.map(Into::into),
        after: Vec::new(),
        priority: 0,
        labels: Vec::new(),
        needs: Vec::new(),
        assignee: None,
        data: "null".into(),
        key: None,
        not_before: None,
    }
}

fn change(id: &str, action: Action) -> Command {
    Command::Change { ids: vec![id.into()], action, together: false, dry_run: false }
}

fn ask(worker: usize, id: &str) -> Ask {
    Ask {
        worker,
        types: Vec::new(),
        labels: Vec::new(),
        capabilities: Vec::new(),
        only: Some(id.into()),
        lease: None,
        key: None,
    }
}

fn check(id: &str) -> Command {
    Command::Check(ask(0, id))
}

/// A parent that waits for its children waited for ever for one that was cancelled and then archived: nobody asked
/// about it again.
#[test]
fn parent_waits_for_no_child_that_was_archived() {
    let settings = BTreeMap::from([("parent".to_owned(), "children-first".to_owned())]);
    let commands = [
        Command::Add(vec![new("parent", None), new("child", Some("parent"))]),
        change("child", Action::Cancel { cascade: false, reason: None }),
        check("parent"),
        change("child", Action::Archive),
        check("parent"),
    ];
    for home in [MEMORY, FILES] {
        assert_eq!(differs(home, &settings, &commands), None);
    }
}

/// A lease ran out on the last attempt; a claim by id said that the task had failed, and took that back as it was
/// refused. The task was held by nobody who lived, and couldn't be taken up again.
#[test]
fn task_that_was_said_to_have_failed_is_taken_up_again() {
    let settings = BTreeMap::from([("max_attempts".to_owned(), "1".to_owned())]);
    let commands = [
        Command::Add(vec![new("t", None)]),
        Command::Claim(Ask { lease: Some(1_000), ..ask(0, "t") }),
        Command::Advance(1_000),
        Command::Claim(ask(1, "t")),
        change("t", Action::Retry { cascade: false }),
        check("t"),
    ];
    assert_eq!(differs(MEMORY, &settings, &commands), None);
}
