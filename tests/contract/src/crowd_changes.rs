//! Policies and settings that are changed while others work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Agent, BoardSettings, Change, Choice, ClaimOutcome, Description, Digest, Engine, Filter,
    Finish, Hooked, Hooks, Policies, Policy, PolicyChange, PolicyLimits, PolicyPin, PolicySet,
    PolicyTarget, PrepareError, ReadError, Transaction, delegate_hooks, delegate_policies,
};

use crate::board::{Board, agent, board, proof, request, soon, task};
use crate::crowds::{Job, at_once, crew, plain};
use crate::{Kind, Plan};

/// How many changes are made.
const CHANGES: u64 = 8;
/// The setting that says how long leases are, and how long they are without it.
const LEASE: &str = "lease";
const LEASE_MS: u64 = 1_000_000;

/// Policies by which every lease is as long as their setting says, so that a claim shows by which it was given.
struct Leased(PlainPolicies);

struct LeasedPolicy {
    lease_ms: u64,
}

struct LeasedHooks {
    lease_ms: u64,
    plain: Box<dyn Hooks>,
}

/// How long leases are by these policies.
fn lease_ms(set: &PolicySet) -> u64 {
    set.leading().settings.get(LEASE).map_or(LEASE_MS, |text| text.parse().unwrap())
}

impl Policies for Leased {
    fn ready(&self, set: &PolicySet, _limits: &PolicyLimits) -> Option<Arc<dyn Policy>> {
        Some(Arc::new(LeasedPolicy { lease_ms: lease_ms(set) }))
    }

    fn prepare(
        &self,
        set: &PolicySet,
        _limits: &PolicyLimits,
        _fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<dyn Policy>, PrepareError> {
        Ok(Arc::new(LeasedPolicy { lease_ms: lease_ms(set) }))
    }

    fn check_settings(&self, _pin: &PolicyPin, _about: &Description) -> Result<(), String> {
        Ok(())
    }

    delegate_policies!(0: check describe check_limits);
}

impl Policy for LeasedPolicy {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        let plain = PlainPolicies::default().enter(dry);
        Box::new(LeasedHooks { lease_ms: self.lease_ms, plain })
    }
}

impl Hooks for LeasedHooks {
    delegate_hooks!(plain: classify on_event recover take_log memory_bytes close);

    fn choose(
        &mut self,
        tx: Transaction,
        asker: &Agent,
        filter: &Filter,
        _lease_ms: Option<u64>,
    ) -> Hooked<Choice> {
        self.plain.choose(tx, asker, filter, Some(self.lease_ms))
    }
}

/// Those who claim while somebody else changes something.
#[derive(Default)]
struct Workers {
    /// How often they have claimed.
    claims: AtomicUsize,
    /// Whether no more is changed, or somebody has met with what shouldn't be.
    is_over: AtomicBool,
}

/// Says that it is over when it goes, however it goes.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Workers {
    /// Claims and hands back, until it is over.
    fn work(&self, engine: &Engine, who: &str) {
        let _end = End(&self.is_over);
        while !self.is_over.load(Ordering::SeqCst) {
            if let ClaimOutcome::Claimed { task, .. } =
                engine.claim(&request(&agent(who)), soon()).unwrap()
            {
                self.claims.fetch_add(1, Ordering::SeqCst);
                engine.finish(&task.id, &proof(&task), &Finish::Release(None), soon()).unwrap();
            }
        }
    }

    /// Lets them claim some more before the next change, so that it comes between claims.
    fn let_claim(&self) {
        let enough = self.claims.load(Ordering::SeqCst) + 5;
        while self.claims.load(Ordering::SeqCst) < enough && !self.is_over.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    }

    /// Lets all others claim as long as the first of `engines` does something; says how often they have.
    fn beside(engines: &[Engine], does: impl FnOnce(&Engine, &Self) + Send) -> usize {
        let workers = Self::default();
        let of = &workers;
        let mut jobs: Vec<Job<'_, ()>> = vec![Box::new(move || {
            let _end = End(&of.is_over);
            does(&engines[0], of);
        })];
        for (n, engine) in engines.iter().enumerate().skip(1) {
            jobs.push(Box::new(move || of.work(engine, &format!("a{n}"))));
        }
        at_once(jobs);
        workers.claims.into_inner()
    }
}

/// A claim that had begun before a policy was set was given by the old one after it: one agent went on under rules that
/// everybody believed were gone.
pub(crate) fn nothing_is_given_by_the_old_policy_after_a_switch(kind: &Kind) {
    let policies: Arc<dyn Policies> = Arc::new(Leased(PlainPolicies::default()));
    let plan = Plan::new(None, b"leased", &BoardSettings::default());
    let board = Board::new(kind, &plan, policies.clone());
    board.add(&[0, 1, 2, 3].map(|n| task(&format!("t{n}")))).unwrap();
    let engines = crew(&board, 4, &policies);
    let claims = Workers::beside(&engines, |engine, workers| {
        for n in 1..=CHANGES {
            workers.let_claim();
            let text = (LEASE_MS + n).to_string();
            let change = PolicyChange {
                target: PolicyTarget::Current,
                settings: BTreeMap::from([(LEASE.into(), text)]),
                standard_settings: BTreeMap::new(),
                expect: None,
            };
            engine.set_policy(&change, soon()).unwrap();
        }
    });
    let (mut now, mut switches, mut given) = (LEASE_MS, 0, 0);
    for change in board.entries().into_iter().flat_map(|entry| entry.changes) {
        match change {
            Change::PoliciesSet(set) => {
                switches += 1;
                now = lease_ms(&set);
            }
            Change::Claimed { claim, .. } => {
                given += 1;
                assert_eq!(claim.lease_ms, now, "after {switches} switches");
            }
            _ => {}
        }
    }
    assert_eq!((switches, given), (CHANGES, claims));
}

/// Two people changed the board's settings at once, while others worked, and one change was lost.
pub(crate) fn settings_that_are_changed_while_others_work_are_all_kept(kind: &Kind) {
    let board = board(kind);
    board.add(&[0, 1].map(|n| task(&format!("t{n}")))).unwrap();
    let engines = crew(&board, 3, &plain());
    let count = |engine: &Engine, workers: &Workers| {
        for _ in 0..CHANGES {
            workers.let_claim();
            let one_more = |settings: &mut BoardSettings| {
                settings.compact_bytes = Some(settings.compact_bytes.unwrap_or(1 << 40) + 1);
                Ok(())
            };
            engine.configure(&one_more, None, soon()).unwrap();
        }
    };
    Workers::beside(&engines, |engine, workers| {
        let both = [engine, &board.engine]
            .map(|engine| -> Job<'_, ()> { Box::new(move || count(engine, workers)) });
        at_once(both.into());
    });
    let settings = board.store.snapshot().unwrap().0.settings().unwrap();
    assert_eq!(settings.compact_bytes, Some((1 << 40) + 2 * CHANGES));
}
