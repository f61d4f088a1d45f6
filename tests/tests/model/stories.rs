//! Differences that were found between the model and the board, each with its story.

use std::collections::BTreeMap;

use crate::commands::Kind;
use crate::drive::differs;
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

fn check(id: &str) -> Command {
    Command::Check(Ask {
        worker: 0,
        types: Vec::new(),
        labels: Vec::new(),
        capabilities: Vec::new(),
        only: Some(id.into()),
        lease: None,
        key: None,
    })
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
    for kind in [Kind::ManualClock, Kind::OwnClock] {
        assert_eq!(differs(kind, &settings, &commands), None);
    }
}
