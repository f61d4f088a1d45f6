//! A policy that a history is replayed through.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use taskhost_board::{
    DerivedPolicies, Digest, Error, Policies, PolicyChange, PolicyLimits, PolicySet, PolicyTarget,
    ReadError,
};

/// The policy that leads, the standard one behind it, and their settings.
#[derive(Debug, Clone)]
pub struct Candidate {
    derived: DerivedPolicies,
}

impl Candidate {
    /// What would decide on a board where `now` does, if `target` were set there with these settings: what
    /// [`taskhost_board::Engine::set_policy`] would make of it. `fetch` brings the components that the board has.
    ///
    /// # Errors
    ///
    /// If a component can't be fetched.
    pub fn new(
        now: &PolicySet,
        target: PolicyTarget,
        settings: &[(String, String)],
        standard_settings: &[(String, String)],
        fetch: &dyn Fn(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Self, ReadError> {
        let change = PolicyChange {
            target,
            settings: settings.iter().cloned().collect(),
            standard_settings: standard_settings.iter().cloned().collect(),
            expect: None,
        };
        let mut derived = change.derive(now);
        for digest in derived.set.digests() {
            if let Entry::Vacant(slot) = derived.components.entry(digest) {
                slot.insert(fetch(digest)?);
            }
        }
        Ok(Self { derived })
    }

    /// What decides.
    pub fn set(&self) -> &PolicySet {
        &self.derived.set
    }

    /// The components of all that decide.
    pub fn components(&self) -> &BTreeMap<Digest, Vec<u8>> {
        &self.derived.components
    }

    /// Checks what `policy set` would check on a board that gives policies `limits`.
    pub(super) fn check(
        &self,
        policies: &dyn Policies,
        limits: &PolicyLimits,
    ) -> Result<(), Error> {
        self.derived.check(policies, limits, &|digest| Ok(self.components()[&digest].clone()))
    }
}
