//! Limits in a policy's own settings, and what a policy says it takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::soon;
use taskhost_board::memory::MemoryStore;
use taskhost_board::plain::PlainPolicies;
use taskhost_board::recording::Recorder;
use taskhost_board::{
    BoardSettings, Description, Digest, Engine, Error, Policies, Policy, PolicyChange,
    PolicyFailure, PolicyLimits, PolicyPin, PolicySet, PolicyTarget, PrepareError, ReadError,
};

/// What bounds the steps of a policy.
const STEPS: &str = "host.steps";

/// Runs the plain policy, and lets no policy have more steps than its board allows.
struct Bounded;

impl Policies for Bounded {
    fn ready(&self, set: &PolicySet, limits: &PolicyLimits) -> Option<Arc<dyn Policy>> {
        PlainPolicies::default().ready(set, limits)
    }
    fn prepare(
        &self,
        set: &PolicySet,
        limits: &PolicyLimits,
        fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<dyn Policy>, PrepareError> {
        PlainPolicies::default().prepare(set, limits, fetch)
    }
    fn check(&self, component: &[u8]) -> Result<Description, PolicyFailure> {
        PlainPolicies::default().check(component)
    }
    fn check_settings(&self, _pin: &PolicyPin, _about: &Description) -> Result<(), String> {
        Ok(())
    }
    fn check_limits(&self, pin: &PolicyPin, board: &PolicyLimits) -> Result<(), String> {
        let own: Option<u32> = pin.settings.get(STEPS).map(|text| text.parse().unwrap());
        match own.zip(board.steps).filter(|(own, board)| own > board) {
            Some((own, board)) => Err(format!("{own} steps are more than {board}")),
            None => Ok(()),
        }
    }
}

/// A board, whose policies are run by these.
fn run_by(policies: Arc<dyn Policies>) -> Engine {
    let component = b"plain".to_vec();
    let pin = PolicyPin { digest: Digest::of(&component), settings: BTreeMap::new() };
    let components = BTreeMap::from([(pin.digest, component)]);
    let set = PolicySet { custom: None, standard: pin };
    let store = MemoryStore::new(&set, components, &BoardSettings::default()).unwrap();
    let numbers = AtomicU64::new(1);
    let entropy = Arc::new(move || numbers.fetch_add(1, Ordering::Relaxed));
    Engine::new(Arc::new(store), policies, entropy)
}

fn set(engine: &Engine, settings: &[(&str, &str)]) -> Result<(), Error> {
    let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let change = PolicyChange {
        target: PolicyTarget::Current,
        settings: settings.collect(),
        standard_settings: BTreeMap::new(),
        expect: None,
    };
    engine.set_policy(&change, soon()).map(|_| ())
}

// With recording on, a policy could be given more than its board allows: what takes the notes stood before what checks
// the limits, and answered that every limit is fine.
#[test]
fn recording_does_not_let_limits_pass_unchecked() {
    let recorder = Recorder::new(Arc::new(|_| {}));
    let engine = run_by(recorder.policies(Arc::new(Bounded)));
    let error = set(&engine, &[(STEPS, "100000")]).unwrap_err();
    assert!(matches!(&error, Error::Invalid(why) if why.contains("more than")), "{error:?}");
    set(&engine, &[(STEPS, "3")]).unwrap();
}
