//! `policy set`: other policies, or other settings, for every process at one instant.

use std::collections::BTreeMap;
use std::time::Instant as Deadline;

use super::{Engine, Error};
use crate::{
    Classified, Command, Committed, Description, Digest, Policies, PolicyLimits, PolicyPin,
    PolicySet, ReadError, Readiness, Request, Status, SwitchError, SwitchPlan, TaskId, Transaction,
    View,
};

/// Which policy is to lead.
#[derive(Debug, Clone)]
pub enum PolicyTarget {
    /// This component. Set again, it keeps the settings that it has on the board.
    Component(Vec<u8>),
    /// The standard policy, alone.
    Standard,
    /// The one that leads now.
    Current,
}

/// A change of a board's policies.
#[derive(Debug, Clone)]
pub struct PolicyChange {
    /// Which policy is to lead.
    pub target: PolicyTarget,
    /// Settings of the leading policy, by name.
    pub settings: BTreeMap<String, String>,
    /// Settings of the standard policy, by name, where another one leads.
    pub standard_settings: BTreeMap<String, String>,
    /// Only if the leading policy is still this one.
    pub expect: Option<Digest>,
}

/// What a change makes of a board's policies.
#[derive(Debug, Clone)]
pub struct DerivedPolicies {
    /// What is to decide.
    pub set: PolicySet,
    /// The components that the change brings, which the board may not have.
    pub components: BTreeMap<Digest, Vec<u8>>,
    /// The policies that it gives settings to, with nothing but those settings.
    pub given: Vec<PolicyPin>,
}

impl PolicyChange {
    /// What this makes of the policies `now`. Nothing of it is checked.
    pub fn derive(&self, now: &PolicySet) -> DerivedPolicies {
        let mut set = now.clone();
        let mut components = BTreeMap::new();
        match &self.target {
            PolicyTarget::Component(bytes) => {
                let digest = Digest::of(bytes);
                let kept = set.custom.take().filter(|pin| pin.digest == digest);
                let settings = kept.map(|pin| pin.settings).unwrap_or_default();
                components.insert(digest, bytes.clone());
                set.custom = Some(PolicyPin { digest, settings });
            }
            PolicyTarget::Standard => set.custom = None,
            PolicyTarget::Current => {}
        }
        let mut given = Vec::new();
        let mut give = |pin: &mut PolicyPin, settings: &BTreeMap<String, String>| {
            pin.settings.extend(settings.clone());
            given.push(PolicyPin { digest: pin.digest, settings: settings.clone() });
        };
        give(set.custom.as_mut().unwrap_or(&mut set.standard), &self.settings);
        give(&mut set.standard, &self.standard_settings);
        DerivedPolicies { set, components, given }
    }
}

impl DerivedPolicies {
    /// Checks that these are policies that have these settings, and that the limits among those that are given now are
    /// within `limits`. One that was set before may be larger: the board's was made smaller since, and holds instead.
    ///
    /// # Errors
    ///
    /// What is wrong with the first policy with which something is; or that `component` can't bring it.
    pub fn check(
        &self,
        policies: &dyn Policies,
        limits: &PolicyLimits,
        component: &dyn Fn(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<(), Error> {
        for pin in self.set.custom.iter().chain([&self.set.standard]) {
            let about = policies.check(&component(pin.digest)?)?;
            policies.check_settings(pin, &about).map_err(Error::Invalid)?;
        }
        for pin in &self.given {
            policies.check_limits(pin, limits).map_err(Error::Invalid)?;
        }
        Ok(())
    }
}

impl Engine {
    /// What the policy of this digest says about itself.
    pub fn describe(&self, digest: Digest) -> Result<Description, Error> {
        Ok(self.policies.describe(&self.store.component(digest)?)?)
    }

    /// Checks that `component` is a policy, without a board.
    pub fn check_policy(&self, component: &[u8]) -> Result<Description, Error> {
        Ok(self.policies.check(component)?)
    }

    /// Checks and compiles the policies, asks them about every pending task while others go on, and switches.
    pub fn set_policy(
        &self,
        change: &PolicyChange,
        deadline: Deadline,
    ) -> Result<(PolicySet, Committed), Error> {
        let mut tries = 0;
        loop {
            match self.try_set_policy(change, deadline) {
                Err(Error::Switch(SwitchError::Moved)) if tries < self.limits.tries_max => {
                    tries += 1
                }
                done => return done,
            }
        }
    }

    fn try_set_policy(
        &self,
        change: &PolicyChange,
        deadline: Deadline,
    ) -> Result<(PolicySet, Committed), Error> {
        let (view, _) = self.store.snapshot()?;
        let (derived_from, limits) = (view.policies()?, view.settings()?.policy_limits);
        drop(view);
        let derived = change.derive(&derived_from);
        let component = |digest: Digest| match derived.components.get(&digest) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.store.component(digest),
        };
        derived.check(&*self.policies, &self.policy_limits(&limits), &component)?;
        let set = derived.set.clone();
        let policy = self.policies.prepare(&set, &limits, &mut |digest| component(digest))?;
        let plan = SwitchPlan {
            policies: set.clone(),
            components: derived.components.clone(),
            derived_from,
            expect: change.expect,
            request: Request::of(Command::PolicySet),
        };
        // A failure of the new policy is kept as it is: the store only hears that there was one.
        let mut failure = None;
        let mut ask = |view: Box<dyn View>, now: crate::Instant, ids: Vec<TaskId>| {
            let answers = self.ask_all(policy.as_ref(), view, now, ids);
            answers.map_err(|error| {
                let text = error.to_string();
                failure = Some(error);
                text
            })
        };
        let committed = self.store.switch(plan, &mut ask, deadline);
        match (committed, failure) {
            (_, Some(failure)) => Err(failure),
            (committed, None) => Ok((set, committed?)),
        }
    }

    fn ask_all(
        &self,
        policy: &dyn crate::Policy,
        view: Box<dyn View>,
        now: crate::Instant,
        ids: Vec<TaskId>,
    ) -> Result<Vec<(TaskId, Option<Readiness>)>, Error> {
        let mut tx = Transaction::new(view, now, "switch".into(), 0, self.limits.steps_max)?;
        let mut hooks = policy.enter(true);
        let mut answers = Vec::with_capacity(ids.len());
        for id in ids {
            if tx.task(&id)?.is_none_or(|task| task.status != Status::Pending) {
                continue;
            }
            let hooked = hooks.classify(tx, &id);
            tx = hooked.tx;
            answers.push(match hooked.answer? {
                Classified::Is(readiness) => (id, Some(readiness)),
                // Cancelling is a change with consequences, so it is left to a transaction.
                Classified::Cancel(_) => (id, None),
            });
        }
        hooks.close(true);
        Ok(answers)
    }
}
