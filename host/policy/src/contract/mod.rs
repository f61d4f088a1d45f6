//! The contract between host and policy, as it stands in `wit/`: for checking a component before it is compiled.
//!
//! - [`Contract`]: what a policy of one version may import, and which hooks it may have.
//! - [`Contracts`]: every version that this host runs, the present one first. `published` has the older ones.
//! - [`Hook`]: what a policy is asked. `names`: which names a component may use, and of which version it is.
//! - `shape` and `compare`: types, and where two of them differ. `wit`: a contract from its text.
//!
//! Everything is read from the text in `wit/`, from which the bindings are made as well. Reading it takes a millisecond,
//! which is a tenth of what a whole claim takes: to run a component that was checked, only the versions are needed.

mod compare;
mod hook;
pub(crate) mod names;
mod published;
mod shape;
mod wit;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

use semver::Version;

pub(crate) use self::compare::function as compare_function;
#[cfg(test)]
use self::compare::shape as compare_shape;
pub(crate) use self::hook::Hook;
pub(crate) use self::shape::{Interface, Named, Shape, Signature, spoken};

/// The package that both sides share.
pub(crate) const PACKAGE: &str = "taskhost:policy";

/// A version's files, by name and text.
type Files = &'static [(&'static str, &'static str)];

/// The files of the present contract.
const PRESENT: Files = &[
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
    /// What it is read from when it is asked for.
    files: Files,
    terms: OnceLock<Terms>,
}

/// What stands in a contract.
#[derive(Debug)]
struct Terms {
    imports: BTreeMap<String, Interface>,
    hooks: BTreeMap<String, Interface>,
}

impl Contract {
    /// One that this host was built with.
    fn built_in(files: Files) -> Self {
        let version = wit::version(files).expect("a test reads every contract");
        Self { version, files, terms: OnceLock::new() }
    }

    #[cfg(test)]
    pub(crate) fn is_read(&self) -> bool {
        self.terms.get().is_some()
    }

    fn terms(&self) -> &Terms {
        self.terms.get_or_init(|| {
            let read = wit::parse(self.files.iter().copied());
            read.expect("a test reads every contract").1
        })
    }

    /// What a component may import, by interface.
    pub(crate) fn imports(&self) -> &BTreeMap<String, Interface> {
        &self.terms().imports
    }

    /// What it may export, by interface.
    pub(crate) fn hooks(&self) -> &BTreeMap<String, Interface> {
        &self.terms().hooks
    }

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
        let (version, terms) = wit::parse(files)?;
        Ok(Self(Arc::new(Contract { version, files: &[], terms: OnceLock::from(terms) })))
    }
}

/// The versions of the contract that a host runs.
#[derive(Debug, Clone)]
pub(crate) struct Contracts(Arc<[Arc<Contract>]>);

impl Contracts {
    /// The versions that this host runs, and those besides that it is told to.
    pub(crate) fn with(older: &[OlderContract]) -> Self {
        static RUN: LazyLock<Contracts> = LazyLock::new(|| {
            let all = [PRESENT].into_iter().chain(published::SUPPORTED.iter().copied());
            Contracts(all.map(|files| Arc::new(Contract::built_in(files))).collect())
        });
        if older.is_empty() {
            return RUN.clone();
        }
        let older = older.iter().map(|older| &older.0);
        Self(RUN.0.iter().chain(older).cloned().collect())
    }

    /// The present one, which nobody else has.
    #[cfg(test)]
    pub(crate) fn alone() -> Self {
        Self([Arc::new(Contract::built_in(PRESENT))].into())
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
        assert_eq!(contract.hooks().len(), Hook::ALL.len());
        for hook in Hook::ALL {
            let functions = &contract.hooks()[hook.name()].functions;
            assert_eq!(functions.keys().collect::<Vec<_>>(), [hook.function()]);
        }
    }

    #[test]
    fn version_is_the_one_in_the_text() {
        for contract in Contracts::with(&[]).all() {
            let (version, _) = wit::parse(contract.files.iter().copied()).expect("a contract");
            assert_eq!(contract.version, version);
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
        let read: Vec<&str> = PRESENT.iter().map(|(name, _)| *name).collect();
        assert_eq!(files, read);
    }
}
