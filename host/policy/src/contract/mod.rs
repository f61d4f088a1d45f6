//! The contract between host and policy, as it stands in `wit/`: for checking a component before it is compiled.
//!
//! - [`Contract`]: what a policy of one version may import, and which hooks it may have.
//! - [`Contracts`]: every version that this host runs, the present one first. `published` has the older ones.
//! - [`Hook`]: what a policy is asked. `names`: which names a component may use, and of which version it is.
//! - `shape` and `compare`: types, and where two of them differ. `wit`: a contract from its text.
//!
//! Everything is read from the text in `wit/`, from which the bindings are made as well.

mod compare;
mod hook;
pub(crate) mod names;
mod published;
mod shape;
mod wit;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use semver::Version;

pub(crate) use self::compare::function as compare_function;
#[cfg(test)]
use self::compare::shape as compare_shape;
pub(crate) use self::hook::Hook;
pub(crate) use self::shape::{Interface, Named, Shape, Signature, spoken};

/// The package that both sides share.
pub(crate) const PACKAGE: &str = "taskhost:policy";

/// The files of the present contract.
const PRESENT: [(&str, &str); 6] = [
    ("board.wit", include_str!("../../../../wit/board.wit")),
    ("hooks.wit", include_str!("../../../../wit/hooks.wit")),
    ("host.wit", include_str!("../../../../wit/host.wit")),
    ("transactions.wit", include_str!("../../../../wit/transactions.wit")),
    ("types.wit", include_str!("../../../../wit/types.wit")),
    ("worlds.wit", include_str!("../../../../wit/worlds.wit")),
];

/// One version of the contract.
#[derive(Debug)]
pub(crate) struct Contract {
    pub(crate) version: Version,
    /// What a component may import, by interface.
    pub(crate) imports: BTreeMap<String, Interface>,
    /// What it may export, by interface.
    pub(crate) hooks: BTreeMap<String, Interface>,
}

impl Contract {
    /// An interface as a component of this version names it.
    pub(crate) fn full_name(&self, interface: &str) -> String {
        format!("{PACKAGE}/{interface}@{}", self.version)
    }

    /// The interface of this package and version that `name` is, if it is one.
    pub(crate) fn interface_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        let (interface, version) = names::own(name)?;
        (version == Some(self.version.to_string().as_str())).then_some(interface)
    }
}

/// A version of the contract that is older than the present one, from the text of its files.
#[derive(Debug, Clone)]
pub struct OlderContract(pub(crate) Arc<Contract>);

impl OlderContract {
    /// Reads its files, given by name and text.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    pub fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        wit::parse(files).map(|contract| Self(Arc::new(contract)))
    }
}

/// The versions of the contract that a host runs.
#[derive(Debug, Clone)]
pub(crate) struct Contracts(Arc<[Arc<Contract>]>);

impl Contracts {
    /// The versions that this host runs, and those besides that it is told to.
    pub(crate) fn with(older: &[OlderContract]) -> Self {
        static RUN: LazyLock<Contracts> = LazyLock::new(|| {
            let texts = [&PRESENT[..]].into_iter().chain(published::SUPPORTED.iter().copied());
            let read = |files: &[(&str, &str)]| {
                wit::parse(files.iter().copied()).expect("a test reads every contract")
            };
            Contracts(texts.map(|files| Arc::new(read(files))).collect())
        });
        if older.is_empty() {
            return RUN.clone();
        }
        let older = older.iter().map(|older| &older.0);
        Self(RUN.0.iter().chain(older).cloned().collect())
    }

    /// The newest, which new policies are built against.
    pub(crate) fn present(&self) -> &Arc<Contract> {
        &self.0[0]
    }

    pub(crate) fn all(&self) -> &[Arc<Contract>] {
        &self.0
    }

    pub(crate) fn of(&self, version: &str) -> Option<&Arc<Contract>> {
        self.0.iter().find(|contract| contract.version.to_string() == version)
    }

    /// The versions as people read them, as in `0.1.0`.
    pub(crate) fn shown(&self) -> String {
        let mut versions: Vec<&Version> = self.0.iter().map(|contract| &contract.version).collect();
        versions.sort_unstable();
        let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
        match versions.split_last() {
            Some((last, [_, ..])) => {
                format!("{} and {last}", versions[..versions.len() - 1].join(", "))
            }
            _ => versions.concat(),
        }
    }
}

impl PartialEq for Contracts {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || self.0.len() == other.0.len()
                && self.0.iter().zip(&*other.0).all(|(one, other)| Arc::ptr_eq(one, other))
    }
}

impl Eq for Contracts {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_has_the_hooks_by_their_names() {
        let contracts = Contracts::with(&[]);
        let contract = contracts.present();
        assert_eq!(contract.hooks.len(), Hook::ALL.len());
        for hook in Hook::ALL {
            let functions = &contract.hooks[hook.name()].functions;
            assert_eq!(functions.keys().collect::<Vec<_>>(), [hook.function()]);
        }
    }

    // The bindings are made from the same text by other means.
    #[test]
    fn every_file_of_the_contract_is_read() {
        let wit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let mut files: Vec<String> = std::fs::read_dir(wit)
            .expect("the contract is there")
            .map(|entry| entry.expect("readable").file_name().into_string().expect("a name"))
            .filter(|name| name.ends_with(".wit"))
            .collect();
        files.sort_unstable();
        assert_eq!(files, PRESENT.map(|(name, _)| name));
    }
}
