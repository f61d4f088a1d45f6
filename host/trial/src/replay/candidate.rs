//! A policy that a history is replayed through.

use std::collections::BTreeMap;

use taskhost_board::{Digest, Error, Policies, PolicyPin, PolicySet, PolicyTarget, ReadError};

/// The policy that leads, the standard one behind it, and their settings.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What decides.
    pub set: PolicySet,
    /// The components of all that decide.
    pub components: BTreeMap<Digest, Vec<u8>>,
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
        let (mut set, mut components) = (now.clone(), BTreeMap::new());
        match target {
            PolicyTarget::Component(bytes) => {
                let digest = Digest::of(&bytes);
                if digest == set.standard.digest {
                    set.custom = None;
                } else {
                    let kept = set.custom.take().filter(|pin| pin.digest == digest);
                    let settings = kept.map(|pin| pin.settings).unwrap_or_default();
                    set.custom = Some(PolicyPin { digest, settings });
                }
                components.insert(digest, bytes);
            }
            PolicyTarget::Standard => set.custom = None,
            PolicyTarget::Current => {}
        }
        set.custom.as_mut().unwrap_or(&mut set.standard).settings.extend(settings.iter().cloned());
        set.standard.settings.extend(standard_settings.iter().cloned());
        for digest in set.digests() {
            if let std::collections::btree_map::Entry::Vacant(slot) = components.entry(digest) {
                slot.insert(fetch(digest)?);
            }
        }
        Ok(Self { set, components })
    }

    /// Checks that these are policies, and that they have these settings.
    pub(super) fn check(&self, policies: &dyn Policies) -> Result<(), Error> {
        for pin in self.set.custom.iter().chain([&self.set.standard]) {
            let about = policies.check(&self.components[&pin.digest])?;
            policies.check_settings(pin, &about).map_err(Error::Invalid)?;
        }
        Ok(())
    }
}
