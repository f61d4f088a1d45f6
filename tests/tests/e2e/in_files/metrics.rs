//! What `metrics` says of boards in files alone.

use std::process::Command;

use taskhost_tests::{Answer, taskhost};

use crate::metrics::parse;

/// A path may have whatever a file's name may have.
#[test]
fn boards_of_strange_names_are_labels_that_parse() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a \"board\"\\of\nmine} 1 ,é");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(taskhost());
        Answer::of(command.arg("--board").arg(&path).args(arguments).output().unwrap()).exits(0)
    };
    run(&["init"]);
    let scrape = parse(&run(&["stats", "--prometheus"]).stdout);
    let labels = scrape.samples.keys().map(|(_, labels)| &labels["board"]);
    assert!(
        labels.clone().count() > 50
            && labels.clone().all(|board| **board == *path.to_string_lossy())
    );
    assert!(scrape.samples.iter().any(|((name, labels), value)| {
        name == "taskhost_hook_seconds" && labels["quantile"] == "0.5" && value.is_nan()
    }));
}
