//! A board in memory with real policies, and components made on the spot.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test binary uses some of it, so nothing can be expected"
)]

pub mod made;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use taskhost_board::memory::MemoryStore;
use taskhost_board::{
    Agent, AgentKind, BoardSettings, ClaimOutcome, ClaimRequest, Digest, Engine, Error,
    FailureKind, Filter, Name, NewTask, PolicyFailure, PolicyPin, PolicySet, Powers, SessionId,
    Store, Task, TaskId,
};
use taskhost_policy::{HookLimits, Runtime, RuntimeOptions};

/// The standard policy, a policy of one hook, and one that misbehaves as it is told.
pub struct Guests {
    pub standard: Vec<u8>,
    pub newest_first: Vec<u8>,
    pub hostile: Vec<u8>,
}

pub fn guests() -> &'static Guests {
    static GUESTS: OnceLock<Guests> = OnceLock::new();
    GUESTS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let packages = ["taskhost-standard", "newest-first", "hostile"];
        let target = taskhost_guest_build::target_dir(&root);
        let built = taskhost_guest_build::build_all(&packages, &root, &target).unwrap();
        let [standard, newest_first, hostile] = built.try_into().unwrap();
        Guests { standard, newest_first, hostile }
    })
}

/// Names and values, as a user would give them.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

/// A board that is decided by a component with these settings, over the standard policy.
pub struct Board {
    pub store: MemoryStore,
    pub engine: Engine,
    pub runtime: Arc<Runtime>,
}

pub fn limits() -> HookLimits {
    // Shorter than the default, so that the tests that run into it don't take longer than they must.
    HookLimits { deadline: Duration::from_millis(300), ..HookLimits::default() }
}

/// Long enough for whatever should happen at once, on a busy machine.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn agent(text: &str) -> Agent {
    Agent {
        name: name(text),
        kind: AgentKind::Agent,
        session: SessionId::new(format!("{text}-1")).unwrap(),
        hostname: None,
        capabilities: Vec::new(),
        living: false,
        process: None,
    }
}

pub fn pin(component: &[u8], settings: Settings<'_>) -> PolicyPin {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    PolicyPin { digest: Digest::of(component), settings: settings.iter().map(own).collect() }
}

impl Board {
    pub fn standard() -> Self {
        Self::new(None, &guests().standard, limits())
    }

    pub fn led_by(component: &[u8], settings: Settings<'_>) -> Self {
        Self::new(Some((component, settings)), &guests().standard, limits())
    }

    /// The hostile policy, in `assignment` unless `settings` says otherwise.
    pub fn hostile(mode: &str, settings: Settings<'_>) -> Self {
        Self::led_by(&guests().hostile, &[&[("mode", mode)], settings].concat())
    }

    pub fn new(custom: Option<(&[u8], Settings<'_>)>, standard: &[u8], limits: HookLimits) -> Self {
        Self::run_by(custom, standard, |powers| RuntimeOptions {
            limits,
            cache_dir: None,
            ..RuntimeOptions::new(powers)
        })
    }

    pub fn run_by(
        custom: Option<(&[u8], Settings<'_>)>,
        standard: &[u8],
        options: impl FnOnce(Arc<dyn Powers>) -> RuntimeOptions,
    ) -> Self {
        let set = PolicySet {
            custom: custom.map(|(component, settings)| pin(component, settings)),
            standard: pin(standard, &[]),
        };
        let mut components = BTreeMap::from([(Digest::of(standard), standard.to_vec())]);
        components.extend(custom.map(|(custom, _)| (Digest::of(custom), custom.to_vec())));
        let store = MemoryStore::new(&set, components, &BoardSettings::default()).unwrap();
        let runtime = Arc::new(Runtime::new(options(store.powers())).unwrap());
        let count = AtomicU64::new(1);
        let entropy = Arc::new(move || count.fetch_add(1, Ordering::Relaxed));
        let engine = Engine::new(Arc::new(store.clone()), runtime.clone(), entropy);
        Self { store, engine, runtime }
    }

    pub fn add(&self, ids: &[&str]) {
        let tasks: Vec<NewTask> = ids
            .iter()
            .map(|text| NewTask { id: Some(id(text)), ..NewTask::new(name("work")) })
            .collect();
        self.engine.add(&tasks, soon()).unwrap();
    }

    pub fn claim(&self, who: &str) -> Result<ClaimOutcome, Error> {
        let request = ClaimRequest {
            agent: agent(who),
            filter: Filter::default(),
            lease_ms: None,
            key: None,
        };
        self.engine.claim(&request, soon())
    }

    pub fn claimed(&self, who: &str) -> Task {
        match self.claim(who).unwrap() {
            ClaimOutcome::Claimed { task, .. } => *task,
            nothing => panic!("nothing was claimed: {nothing:?}"),
        }
    }

    /// What the policy refused a claim with.
    pub fn refusal(&self, who: &str) -> String {
        match self.claim(who) {
            Err(Error::Refused(why)) => why,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// How the policy failed when it was asked for work. Nothing else may have changed.
    pub fn failure(&self, who: &str) -> PolicyFailure {
        let before = self.store.entries().len();
        let failure = match self.claim(who) {
            Err(Error::Policy(failure)) => failure,
            other => panic!("the policy didn't fail: {other:?}"),
        };
        assert_eq!(self.store.entries().len(), before, "nothing is committed");
        assert_eq!(self.store.check().unwrap(), Vec::<String>::new());
        failure
    }

    /// Checks the kind of a failure, whose it is, and a few of its words.
    pub fn fails(&self, kind: FailureKind, words: &str) {
        let failure = self.failure("a");
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.to_string().contains(words), "{failure}");
        assert_eq!((&*failure.policy, failure.hook), ("hostile", "assignment"));
    }
}
