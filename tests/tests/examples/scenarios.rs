//! The scenarios of each example, all of them, with instances that are used again and with fresh ones.

use std::fs;
use std::sync::Arc;

use taskhost_tests::{policy, workspace};
use taskhost_trial::scenario::Scenario;
use taskhost_trial::{Subject, run};

/// Runs every scenario of an example.
fn assert_does_as_it_says(example: &str, component: Vec<u8>) {
    let folder = workspace().join("guest/examples").join(example).join("scenarios");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "`{example}` has no scenario");
    let subject = Subject::of(component, taskhost::STANDARD_POLICY.to_vec());
    let runner = |powers: Arc<dyn taskhost::domain::Powers>| {
        Ok(taskhost::policies(powers).expect("policies can be run"))
    };
    for path in paths {
        let scenario = Scenario::parse(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let outcome = run(&scenario, &subject, &runner)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(outcome.faults, [], "{}", path.display());
    }
}

#[test]
fn fair_share_does_as_its_scenarios_say() {
    assert_does_as_it_says("fair-share", fs::read(policy("fair-share")).unwrap());
}
