//! Limits in a policy's own settings, and what a policy says it takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::board::{Board, soon};
use crate::{Kind, Plan};
use taskhost_board::plain::{OnlyPolicy, PlainPolicies};
use taskhost_board::recording::Recorder;
use taskhost_board::{
    BoardSettings, Engine, Error, Hooks, Limits, Policies, Policy, PolicyChange, PolicyLimits,
    PolicyPin, PolicyTarget, delegate_hooks, delegate_policies,
};

/// What bounds the steps of a policy.
const STEPS: &str = "host.steps";

/// Runs a policy, and lets none have more steps than its board allows.
struct Bounded(OnlyPolicy);

impl Policies for Bounded {
    delegate_policies!(0: ready prepare check describe check_settings);

    fn check_limits(&self, pin: &PolicyPin, board: &PolicyLimits) -> Result<(), String> {
        let own: Option<u32> = pin.settings.get(STEPS).map(|text| text.parse().unwrap());
        match own.zip(board.steps).filter(|(own, board)| own > board) {
            Some((own, board)) => Err(format!("{own} steps are more than {board}")),
            None => Ok(()),
        }
    }
}

/// A board, whose policies are run by these.
fn run_by(kind: &Kind, policies: Arc<dyn Policies>) -> Board {
    Board::new(kind, &Plan::new(None, b"plain", &BoardSettings::default()), policies)
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
pub(crate) fn recording_does_not_let_limits_pass_unchecked(kind: &Kind) {
    let recorder = Recorder::new(Arc::new(|_| {}));
    let board = run_by(kind, recorder.policies(Arc::new(Bounded(OnlyPolicy::new(Roomy)))));
    let error = set(&board.engine, &[(STEPS, "100000")]).unwrap_err();
    assert!(matches!(&error, Error::Invalid(why) if why.contains("more than")), "{error:?}");
    set(&board.engine, &[(STEPS, "3")]).unwrap();
}

/// How much memory a policy of [`Roomy`] has.
const ROOM_BYTES: u64 = 3 << 20;

/// Decides as the plain policy does, and has memory of its own.
struct Roomy;

impl Policy for Roomy {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        Box::new(RoomyHooks(PlainPolicies::default().enter(dry)))
    }
}

struct RoomyHooks(Box<dyn Hooks>);

impl Hooks for RoomyHooks {
    delegate_hooks!(0: classify choose on_event recover take_log close);

    fn memory_bytes(&self) -> u64 {
        ROOM_BYTES
    }
}

// With recording on, `stats` said of every policy that it takes no memory: what takes the notes answered for it.
pub(crate) fn memory_of_a_recorded_policy_is_its_own(kind: &Kind) {
    let recorder = Recorder::new(Arc::new(|_| {}));
    let policies: Arc<dyn Policies> = recorder.policies(Arc::new(Bounded(OnlyPolicy::new(Roomy))));
    let board = run_by(kind, policies.clone());
    let set = board.store.snapshot().unwrap().0.policies().unwrap();
    let policy = policies.ready(&set, &PolicyLimits::default()).unwrap();
    assert_eq!(policy.enter(false).memory_bytes(), ROOM_BYTES);
}

// Somebody lowered a board's limit below what its policy had been given; from then on nothing at all could be set, not
// even another value of something else, until that was set anew as well.
pub(crate) fn lowered_limit_does_not_stand_in_the_way_of_other_settings(kind: &Kind) {
    let board = run_by(kind, Arc::new(Bounded(OnlyPolicy::new(Roomy))));
    set(&board.engine, &[(STEPS, "200")]).unwrap();
    let engine = board.engine.clone().with_limits(Limits { steps_max: 100, ..Limits::default() });
    set(&engine, &[("depth", "3")]).unwrap();
    // What is set now is checked, though it is what was set before.
    assert!(matches!(set(&engine, &[(STEPS, "200")]), Err(Error::Invalid(_))));
    set(&engine, &[(STEPS, "100")]).unwrap();
}
