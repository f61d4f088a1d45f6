//! The same source decides the same in WebAssembly and compiled in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskhost_board::memory::MemoryStore;
use taskhost_board::plain::OnlyPolicy;
use taskhost_board::{
    Agent, AgentKind, BoardSettings, ClaimOutcome, ClaimRequest, Digest, Engine, Filter, Finish,
    Name, NewTask, NoPowers, Policies, PolicyPin, PolicySet, Proof, SessionId, TaskId,
};
use taskhost_policy::{Runtime, RuntimeOptions};

use super::NativePolicy;

/// What both are set to: children wait for their parents, a failure is retried once, nobody holds more than three.
const SETTINGS: [(&str, &str); 3] =
    [("parent", "parent-first"), ("retries", "1"), ("max_claims_per_agent", "3")];
/// Of the drawn board.
const TASKS: u32 = 60;
/// Enough for every task, for each failure, and for some that get nothing.
const ROUNDS: u32 = 400;

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// The next of a row of numbers that are the same in every run.
fn draw(state: &mut u64, below: u32) -> u32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as u32 % below
}

fn id(number: u32) -> TaskId {
    TaskId::new(format!("t{number}")).unwrap()
}

/// Tasks of three types, some with a parent, some after others, some with a label or a need.
fn drawn(seed: &mut u64) -> Vec<NewTask> {
    let name = |text: &str| Name::new(text).unwrap();
    let task = |number: u32| {
        let mut task = NewTask::new(name(["build", "test", "write"][draw(seed, 3) as usize]));
        task.id = Some(id(number));
        task.priority = i32::try_from(draw(seed, 3)).unwrap();
        if number > 0 && draw(seed, 3) == 0 {
            task.parent = Some(id(draw(seed, number)));
        }
        if number > 0 && draw(seed, 3) == 0 {
            task.after = vec![id(draw(seed, number))];
        }
        if draw(seed, 4) == 0 {
            task.labels = vec![name("urgent")];
        }
        if draw(seed, 6) == 0 {
            task.needs = vec![name("gpu")];
        }
        task
    };
    (0..TASKS).map(task).collect()
}

fn engine(policies: impl FnOnce(&MemoryStore) -> Arc<dyn Policies>) -> Engine {
    let digest = Digest::of(taskhost::STANDARD_POLICY);
    let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let set = PolicySet { custom: None, standard: PolicyPin { digest, settings } };
    let components = BTreeMap::from([(digest, taskhost::STANDARD_POLICY.to_vec())]);
    let store = MemoryStore::new(&set, components, &BoardSettings::default()).unwrap();
    let policies = policies(&store);
    Engine::new(Arc::new(store), policies, Arc::new(|| 7))
}

/// Everything that happens when agents claim, complete and fail by the same dice: who got what, and what became of it.
fn course(engine: &Engine) -> Vec<String> {
    let mut seed = 11;
    engine.add(&drawn(&mut seed), deadline()).unwrap();
    let mut held: Vec<(TaskId, Proof)> = Vec::new();
    let mut told = Vec::new();
    for _ in 0..ROUNDS {
        if !held.is_empty() && draw(&mut seed, 2) == 0 {
            let index = draw(&mut seed, u32::try_from(held.len()).unwrap()) as usize;
            let (id, proof) = held.remove(index);
            let how = match draw(&mut seed, 4) {
                0 => Finish::Fail(Some("no".into())),
                1 => Finish::Release(None),
                _ => Finish::Complete(None),
            };
            let finished = engine.finish(&id, &proof, &how, deadline());
            told.push(format!("{id}: {:?}", finished.map(|held| held.task.status)));
            continue;
        }
        let who = ["ada", "ben"][draw(&mut seed, 2) as usize];
        let mut filter = Filter::default();
        if draw(&mut seed, 5) == 0 {
            filter.labels = vec![Name::new("urgent").unwrap()];
        }
        let capabilities = if who == "ada" { vec![Name::new("gpu").unwrap()] } else { Vec::new() };
        filter.capabilities.clone_from(&capabilities);
        let agent = Agent {
            name: Name::new(who).unwrap(),
            kind: AgentKind::Agent,
            session: SessionId::new(format!("{who}-1")).unwrap(),
            hostname: None,
            capabilities,
            living: false,
            process: None,
        };
        let request = ClaimRequest { agent, filter, lease_ms: None, key: None };
        match engine.claim(&request, deadline()).unwrap() {
            ClaimOutcome::Claimed { task, .. } => {
                told.push(format!("{who} got {}", task.id));
                let token = task.claim.as_ref().map(|claim| claim.token);
                held.push((task.id, Proof { agent: Name::new(who).unwrap(), token }));
            }
            ClaimOutcome::Nothing { why, detail, .. } => {
                told.push(format!("{who} got nothing: {why:?} {detail:?}"));
            }
        }
    }
    told
}

#[test]
fn rules_compiled_in_decide_what_they_decide_in_webassembly() {
    let in_webassembly = engine(|_| {
        let mut options = RuntimeOptions::new(Arc::new(NoPowers));
        options.cache_dir = None;
        Arc::new(Runtime::new(options).unwrap())
    });
    let compiled_in = engine(|_| Arc::new(OnlyPolicy::new(NativePolicy::with(&SETTINGS).unwrap())));

    let told = course(&in_webassembly);

    assert_eq!(told, course(&compiled_in));
    // The board was one on which the rules had something to say.
    let has = |what: &str| told.iter().any(|line| line.contains(what));
    assert!(has("max_claims_per_agent"), "{told:?}");
    assert!(has("Ok(Pending)") && has("Ok(Failed)") && has("Ok(Completed)"), "{told:?}");
    let got = told.iter().filter(|line| line.contains(" got t")).count();
    assert!(got > 50, "{got}");
}
