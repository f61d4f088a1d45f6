//! Scenarios on the least policy there is, which runs without WebAssembly.

use std::sync::Arc;

use taskhost_board::Policies;
use taskhost_board::plain::PlainPolicies;
use taskhost_trial::scenario::Scenario;
use taskhost_trial::{Outcome, Subject, run};

fn outcome(text: &str) -> Outcome {
    let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let runner = |_| Ok(Arc::new(PlainPolicies::default()) as Arc<dyn Policies>);
    run(&scenario, &Subject::standard(b"plain".to_vec()), &runner)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn faults(text: &str) -> Vec<(usize, String)> {
    outcome(text).faults.into_iter().map(|fault| (fault.line, fault.what)).collect()
}

const WHOLE: &str = r#"
# Everything that can happen.
add plan --type plan --data {"n": [1, 2]}
add build --parent plan --priority 5 --label red,green
add test --after build --needs rust
add ours --assignee bob
add small --count 3
expect build waiting plan
expect plan ready 0
claim ada --type plan                => plan
expect plan held ada
expect claims ada 1
claim bob --type plan                => nothing no_match
heartbeat plan                       => in_progress
complete plan --result {"ok": true}  => completed
complete plan --result {"ok": true}  => completed   # asked again
fail plan                            => error "ended by `complete`"
claim ada --label red                => build
fail build --error "no, \"really\""  => failed
retry build --reason again           => pending
claim bob --task ours                => ours
claim ada                            => build
wait 31m
claim eve --label red                => build   # ada's lease ran out
expect build attempts 2
die eve
claim ada --label red                => something
release build                        => pending
claim ada --task build               => build
complete build
claim ada --task test                => nothing no_match "capable of `rust`"
claim ada --task test --capability rust => test
block test --force --reason "which?" => blocked
expect test reason "which?"
unblock test                         => pending
cancel test --reason "not now"       => cancelled
archive test
expect test gone
repeat 3
  claim zoe                          => small-{n}
  complete small-{n}                 => completed
end
expect given zoe 3
expect given ada 4..9
claim zoe                            => nothing
"#;

#[test]
fn scenario_of_everything_comes_out_as_it_says() {
    let outcome = outcome(WHOLE);
    assert_eq!(outcome.faults, []);
    assert_eq!(outcome.steps, 45);
}

#[test]
fn what_did_not_come_is_named_with_its_line_and_with_what_came() {
    let found = faults("add a\nadd b --after a\nclaim ada => b\nexpect b ready\nfail b\n");
    assert_eq!(found[0], (3, "it gave `a`".into()));
    assert_eq!(found[1], (4, "`b` is pending, and waits for `a`, after 0 attempts".into()));
    assert_eq!(found[2].0, 5);
    assert!(found[2].1.starts_with("it can't be done: "), "{}", found[2].1);
}

#[test]
fn least_policy_there_is_conforms() {
    for case in taskhost_trial::conformance::suite() {
        let found = faults(&case.text);
        assert_eq!(found, [], "{}:\n{}", case.name, case.text);
    }
}
