//! Which names a component may use, and which version of the contract it was built against.

use std::collections::BTreeSet;
use std::sync::Arc;

use semver::Version;

use super::{Contract, Contracts, PACKAGE};

/// The parts of WASI 0.2 that a policy is given, without anything in them: packages and their interfaces.
const WASI: [(&str, &[&str]); 6] = [
    (
        "cli",
        &[
            "environment",
            "exit",
            "stderr",
            "stdin",
            "stdout",
            "terminal-input",
            "terminal-output",
            "terminal-stderr",
            "terminal-stdin",
            "terminal-stdout",
        ],
    ),
    ("clocks", &["monotonic-clock", "wall-clock"]),
    ("filesystem", &["preopens", "types"]),
    ("io", &["error", "poll", "streams"]),
    ("random", &["insecure", "insecure-seed", "random"]),
    (
        "sockets",
        &[
            "instance-network",
            "ip-name-lookup",
            "network",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    ),
];

/// What tools export for themselves, and the functions in it: componentize-py leaves the instance by which it
/// ran a policy when it was built. It is never called, and none of these could be a misspelt hook.
pub(crate) const TOOLS_OWN: [(&str, &str); 1] = [("exports", "init")];

/// Whether `name` is what a tool exports for itself.
pub(crate) fn is_tools_own(name: &str) -> bool {
    TOOLS_OWN.iter().any(|(tools, _)| *tools == name)
}

/// The interface and the version that `name` has, if it is one of this package.
pub(crate) fn own(name: &str) -> Option<(&str, Option<&str>)> {
    let rest = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    Some(match rest.split_once('@') {
        Some((interface, version)) => (interface, Some(version)),
        None => (rest, None),
    })
}

/// The contract that a component with these names was built against: the present one if it names none.
///
/// # Errors
///
/// If it is of a version that this host doesn't run, or of several.
pub(crate) fn contract<'a>(
    contracts: &Contracts,
    names: impl Iterator<Item = &'a str>,
) -> Result<Arc<Contract>, String> {
    let versions: BTreeSet<Option<&str>> =
        names.filter_map(own).map(|(_, version)| version).collect();
    let mut versions = versions.into_iter();
    match (versions.next(), versions.next()) {
        (None, _) => Ok(contracts.present().clone()),
        (Some(one), None) => match one.and_then(|version| contracts.of(version)) {
            Some(contract) => Ok(contract.clone()),
            None => Err(unsupported(contracts, one)),
        },
        (Some(one), Some(other)) => Err(format!(
            "it mixes {} and {} of the contract `{PACKAGE}`: build all of it against one, such as {}",
            shown(one),
            shown(other),
            contracts.present().version
        )),
    }
}

fn shown(version: Option<&str>) -> String {
    version.map_or("a part without a version".into(), |version| format!("version `{version}`"))
}

fn unsupported(contracts: &Contracts, version: Option<&str>) -> String {
    let (runs, present) = (contracts.shown(), &contracts.present().version);
    let is_newer = version
        .and_then(|version| Version::parse(version).ok())
        .is_some_and(|version| version > *present);
    format!(
        "it was built against {} of the contract `{PACKAGE}`, and this taskhost runs {runs}: {}rebuild it \
         against {present}, as `taskhost policy build` does",
        shown(version),
        if is_newer { "upgrade taskhost, or " } else { "" }
    )
}

/// Why `name` can't be imported, if it can't.
pub(crate) fn import_mismatch(contract: &Contract, name: &str) -> Option<String> {
    if contract.interface_of(name).is_some_and(|own| contract.imports().contains_key(own)) {
        return None;
    }
    if let Some(rest) = name.strip_prefix("wasi:") {
        return wasi_mismatch(name, rest);
    }
    let there = list(contract.imports().keys());
    Some(format!("it imports `{name}`, which the contract doesn't have: it has {there}"))
}

fn wasi_mismatch(name: &str, rest: &str) -> Option<String> {
    let (path, version) = rest.split_once('@').unwrap_or((rest, ""));
    let (package, interface) = path.split_once('/').unwrap_or((path, ""));
    let known = WASI.iter().find(|(known, _)| *known == package);
    Some(match known {
        Some((_, interfaces)) if version.starts_with("0.2.") && interfaces.contains(&interface) => {
            return None;
        }
        Some((package, interfaces)) if version.starts_with("0.2.") => format!(
            "it imports `{name}`: of `wasi:{package}` a policy is given {}, with nothing in them",
            list(*interfaces)
        ),
        _ => format!(
            "it imports `{name}`: of WASI a policy is given an empty version 0.2 of {}",
            list(WASI.iter().map(|(package, _)| package))
        ),
    })
}

/// Why `name` can't be exported, if it can't.
pub(crate) fn export_mismatch(contract: &Contract, name: &str) -> Option<String> {
    let known = contract.interface_of(name).is_some_and(|own| contract.hooks().contains_key(own))
        || is_tools_own(name);
    let there = || list(contract.hooks().keys());
    (!known).then(|| {
        format!("it exports `{name}`, which the contract doesn't have: the hooks are {}", there())
    })
}

fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Result<String, String> {
        let contracts = Contracts::with(&[]);
        contract(&contracts, names.iter().copied()).map(|found| found.version.to_string())
    }

    #[test]
    fn version_that_is_not_run_is_told_in_one_sentence() {
        let present = Contracts::with(&[]).present().version.to_string();
        assert_eq!(named(&[]), Ok(present.clone()));
        assert_eq!(
            named(&[&format!("{PACKAGE}/about@{present}"), "wasi:io/poll@0.2.9"]),
            Ok(present)
        );
        // wasmtime takes 0.1.7 for 0.1.0: a newer hook would be called by the older rules.
        for (version, words) in [
            ("0.1.7", "upgrade taskhost"),
            ("1.0.0", "upgrade taskhost"),
            ("0.0.1", "this taskhost runs 0.1.0: rebuild"),
            ("0.1.0-rc.1", "this taskhost runs 0.1.0: rebuild"),
            ("new", "this taskhost runs 0.1.0: rebuild"),
        ] {
            let name = format!("{PACKAGE}/about@{version}");
            let error = named(&[&name, &name]).expect_err("another version");
            assert!(error.contains(words) && error.contains("rebuild it against 0.1.0"), "{error}");
        }
        let error = named(&["taskhost:policy/about"]).expect_err("no version");
        assert!(error.contains("without a version"), "{error}");
    }

    #[test]
    fn versions_are_not_mixed() {
        let error = named(&["taskhost:policy/about@0.1.0", "taskhost:policy/clock@0.0.9"])
            .expect_err("two versions");
        assert!(error.contains("mixes version `0.0.9` and version `0.1.0`"), "{error}");
    }

    #[test]
    fn wasi_has_no_network_and_no_third_version() {
        let contracts = Contracts::with(&[]);
        let mismatch = |name| import_mismatch(contracts.present(), name);
        assert_eq!(mismatch("wasi:io/streams@0.2.3"), None);
        for name in [
            "wasi:io/streams@0.3.0",
            "wasi:io/streams",
            "wasi:io@0.2.0",
            "wasi:cli/run@0.2.0",
            "wasi:http/outgoing-handler@0.2.3",
        ] {
            assert!(mismatch(name).is_some_and(|text| text.contains(name)), "{name}");
        }
    }
}
