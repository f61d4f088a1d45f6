//! What is tried.

use std::collections::BTreeMap;
use std::sync::Arc;

use taskhost_board::{Digest, Error, Policies, PolicyPin, PolicySet, Powers};

/// Makes what runs policies on one board, given the board's locks and files.
pub type Runner<'a> = dyn Fn(Arc<dyn Powers>) -> Result<Arc<dyn Policies>, Error> + 'a;

/// A policy, and the standard policy behind it.
#[derive(Debug, Clone)]
pub struct Subject {
    custom: Option<Vec<u8>>,
    standard: Vec<u8>,
}

/// What policies are set to.
pub type Values = BTreeMap<String, String>;

impl Subject {
    /// A component with the standard policy behind it.
    pub fn of(component: Vec<u8>, standard: Vec<u8>) -> Self {
        if component == standard {
            Self::standard(standard)
        } else {
            Self { custom: Some(component), standard }
        }
    }

    /// The standard policy alone.
    pub fn standard(standard: Vec<u8>) -> Self {
        Self { custom: None, standard }
    }

    /// The components by their digests.
    pub(crate) fn components(&self) -> BTreeMap<Digest, Vec<u8>> {
        let all = self.custom.iter().chain([&self.standard]);
        all.map(|component| (Digest::of(component), component.clone())).collect()
    }

    /// The set, with `policy` as the settings of the one that leads and `standard` as those of the one behind it. If
    /// only the standard policy is there, both are its.
    pub(crate) fn set(&self, policy: Values, standard: Values) -> PolicySet {
        let pin =
            |component: &[u8], settings| PolicyPin { digest: Digest::of(component), settings };
        match &self.custom {
            Some(custom) => PolicySet {
                custom: Some(pin(custom, policy)),
                standard: pin(&self.standard, standard),
            },
            None => {
                let settings = standard.into_iter().chain(policy).collect();
                PolicySet { custom: None, standard: pin(&self.standard, settings) }
            }
        }
    }
}
