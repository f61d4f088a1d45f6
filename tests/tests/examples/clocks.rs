//! Examples in which agents wait for each other, when the clock on the wall is set back.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskhost::domain::memory::MemoryStore;
use taskhost::domain::{
    Agent, AgentKind, BoardSettings, ClaimOutcome, ClaimRequest, Digest, Engine, Filter, Finish,
    Millis, Name, NewTask, PolicyPin, PolicySet, Proof, SessionId, Store as _, TaskId,
};
use taskhost_tests::built_policy;

/// A board in memory that `example` decides, with ten tasks.
fn board(example: &str) -> (MemoryStore, Engine) {
    let custom = fs::read(built_policy(example)).unwrap();
    let standard = taskhost::STANDARD_POLICY.to_vec();
    let pin = |component: &[u8]| PolicyPin {
        digest: Digest::of(component),
        settings: BTreeMap::default(),
    };
    let set = PolicySet { custom: Some(pin(&custom)), standard: pin(&standard) };
    let components = [custom, standard].map(|component| (Digest::of(&component), component));
    let settings = BoardSettings::default();
    let store = MemoryStore::new(&set, components.into(), &settings).unwrap();
    let policies = taskhost::policies(store.powers()).expect("policies can be run");
    let engine = Engine::new(Arc::new(store.clone()), policies, Arc::new(|| 7));
    let task = |n| NewTask {
        id: Some(TaskId::new(format!("t-{n}")).unwrap()),
        ..NewTask::new("work".parse().unwrap())
    };
    let tasks: Vec<NewTask> = (0..10).map(task).collect();
    engine.add(&tasks, soon()).unwrap();
    (store, engine)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Asks for a task, which is completed at once; or says what the agent is told instead.
fn work(engine: &Engine, name: &str) -> Result<(), String> {
    let agent = Agent {
        name: Name::new(name).unwrap(),
        kind: AgentKind::Agent,
        session: SessionId::new(name).unwrap(),
        hostname: None,
        capabilities: Vec::new(),
        living: false,
        process: None,
    };
    let request = ClaimRequest { agent, filter: Filter::default(), lease_ms: None, key: None };
    match engine.claim(&request, soon()).unwrap() {
        ClaimOutcome::Claimed { task, .. } => {
            let claim = task.claim.unwrap();
            let proof = Proof { agent: claim.agent, token: Some(claim.token) };
            engine.finish(&task.id, &proof, &Finish::Complete(None), soon()).unwrap();
            Ok(())
        }
        ClaimOutcome::Nothing { detail, .. } => Err(detail.unwrap_or_default()),
    }
}

/// Whoever stood in the line when the clock was set back by an hour kept its turn for an hour, and nobody else was given
/// anything meanwhile.
#[test]
fn nobody_waits_until_it_is_as_late_again() {
    for example in ["round-robin", "fair-share"] {
        let (store, engine) = board(example);
        assert_eq!(work(&engine, "ada"), Ok(()), "{example}: nobody else asks");
        let told = Err("it is the turn of `ada`".to_owned());
        assert_eq!(work(&engine, "bob"), told, "{example}");
        let (_, now) = store.snapshot().unwrap();
        store.set_wall(Millis(now.wall.0 - 3_600_000));
        assert_eq!(work(&engine, "bob"), Ok(()), "{example}: ada hasn't asked since");
        assert_eq!(work(&engine, "ada"), Err("it is the turn of `bob`".to_owned()), "{example}");
        assert_eq!(work(&engine, "bob"), Ok(()), "{example}");
        assert_eq!(work(&engine, "ada"), Ok(()), "{example}: and so on by turns");
    }
}
