//! What is tried is what `policy set` would make of the board.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskhost_board::memory::MemoryStore;
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    BoardSettings, Description, Digest, Engine, Error, Policies, PolicyChange, PolicyLimits,
    PolicyPin, PolicySet, PolicyTarget, Powers, delegate_policies,
};
use taskhost_trial::replay::{Candidate, replay};
use taskhost_trial::scenario::Scenario;
use taskhost_trial::{Subject, run};

use crate::town::{Town, workload};

const STANDARD: &[u8] = b"standard";

/// Runs the plain policy, takes every setting, and allows none of them more than the steps that its board allows.
struct Bounded(PlainPolicies);

impl Policies for Bounded {
    delegate_policies!(0: ready prepare check describe);

    fn check_settings(&self, _pin: &PolicyPin, _about: &Description) -> Result<(), String> {
        Ok(())
    }

    fn check_limits(&self, pin: &PolicyPin, board: &PolicyLimits) -> Result<(), String> {
        let steps = board.steps.unwrap_or(0);
        match pin.settings.values().find(|text| text.parse::<u32>().unwrap() > steps) {
            Some(text) => Err(format!("{text} steps are more than {steps}")),
            None => Ok(()),
        }
    }
}

fn runner(_: Arc<dyn Powers>) -> Result<Arc<dyn Policies>, Error> {
    Ok(Arc::new(Bounded(PlainPolicies::default())))
}

fn standard() -> PolicySet {
    let standard = PolicyPin { digest: Digest::of(STANDARD), settings: BTreeMap::new() };
    PolicySet { custom: None, standard }
}

fn steps(number: &str) -> Vec<(String, String)> {
    vec![("host.steps".into(), number.into())]
}

fn candidate(target: PolicyTarget, settings: &[(String, String)]) -> Candidate {
    Candidate::new(&standard(), target, settings, &[], &|_| Ok(STANDARD.to_vec())).unwrap()
}

// What was tried was made by a copy of what `policy set` does, and the two had grown apart: the file of the standard
// policy was tried as the standard policy, with its settings, and set as a policy before it, without them.
#[test]
fn component_is_tried_as_it_would_be_set() {
    for component in [STANDARD, b"another"] {
        let target = PolicyTarget::Component(component.to_vec());
        let components = BTreeMap::from([(Digest::of(STANDARD), STANDARD.to_vec())]);
        let store = MemoryStore::new(&standard(), components, &BoardSettings::default()).unwrap();
        let engine = Engine::new(
            Arc::new(store),
            Arc::new(Bounded(PlainPolicies::default())),
            Arc::new(|| 1),
        );
        let change = PolicyChange {
            target: target.clone(),
            settings: steps("3").into_iter().collect(),
            standard_settings: BTreeMap::new(),
            expect: None,
        };
        let soon = Instant::now() + Duration::from_secs(60);
        let (set, _) = engine.set_policy(&change, soon).unwrap();
        assert_eq!(*candidate(target, &steps("3")).set(), set);
    }
}

// A policy was tried with more than its board allows, and looked better than it would ever have been.
#[test]
fn limit_above_the_boards_is_not_tried() {
    let workload = workload(&Town::new().store);
    let settings = BoardSettings::default();
    let tried = |number: &str| {
        let candidate = candidate(PolicyTarget::Current, &steps(number));
        replay(&workload, &candidate, &settings, &runner, "again", &|_, _| {}).map(|_| ())
    };
    tried("3").unwrap();
    let error = tried("100000").unwrap_err();
    assert!(matches!(&error, Error::Invalid(why) if why.contains("more than")), "{error:?}");

    let scenario = |number: &str| {
        let text = format!("# Nothing happens.\nstandard host.steps={number}\nadd a\n");
        let scenario = Scenario::parse(&text).unwrap();
        run(&scenario, &Subject::standard(STANDARD.to_vec()), &runner).map(|_| ())
    };
    scenario("3").unwrap();
    let error = scenario("100000").unwrap_err().to_string();
    assert!(error.contains("more than"), "{error}");
}
