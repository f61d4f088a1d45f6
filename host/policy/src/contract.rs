//! The names in the contract, for checking a component before it is compiled. The types are checked by the
//! generated bindings; that these names are the ones in `wit/` is checked by a test.

/// The package that both sides share.
pub(crate) const PACKAGE: &str = "taskhost:policy";
/// The one version of it that this host runs.
pub(crate) const VERSION: &str = "0.1.0";

/// Something that a policy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    About,
    Readiness,
    Assignment,
    Lifecycle,
    Recovery,
}

impl Hook {
    pub(crate) const ALL: [Self; 5] =
        [Self::About, Self::Readiness, Self::Assignment, Self::Lifecycle, Self::Recovery];

    /// Its interface.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::About => "about",
            Self::Readiness => "readiness",
            Self::Assignment => "assignment",
            Self::Lifecycle => "lifecycle",
            Self::Recovery => "recovery",
        }
    }

    /// Its only function.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::About => "describe",
            Self::Readiness => "classify",
            Self::Assignment => "choose",
            Self::Lifecycle => "on-event",
            Self::Recovery => "recover",
        }
    }

    /// As a component exports it.
    pub(crate) fn export(self) -> String {
        full_name(self.name())
    }
}

/// What a component may import of this package, and the functions in each.
pub(crate) const IMPORTS: [(&str, &[&str]); 9] = [
    ("types", &[]),
    (
        "board",
        &[
            "[method]task.summary",
            "[method]task.status",
            "[method]task.parent",
            "[method]task.dependencies",
            "[method]task.children",
            "[method]task.labels",
            "[method]task.needs",
            "[method]task.assignee",
            "[method]task.claim",
            "[method]task.not-before",
            "[method]task.failures",
            "[method]task.reason",
            "[method]task.data",
            "[method]cursor.next",
            "[method]view.get",
            "[method]view.candidates",
            "[method]view.claims-held",
            "[method]view.recall",
        ],
    ),
    (
        "transactions",
        &[
            "[method]transaction.id",
            "[method]transaction.claim",
            "[method]transaction.release",
            "[method]transaction.set-status",
            "[method]transaction.reconsider",
            "[method]transaction.remember",
        ],
    ),
    ("locks", &["acquire"]),
    ("files", &["read", "replace"]),
    ("settings", &["get"]),
    ("clock", &["now"]),
    ("random", &["next"]),
    ("log", &["write"]),
];

/// The parts of WASI 0.2 that an empty one has.
pub(crate) const WASI: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// What tools export for themselves, and the functions in it: componentize-py leaves the instance by which it
/// ran a policy when it was built. It is never called, and none of these could be a misspelt hook.
pub(crate) const TOOLS_OWN: [(&str, &str); 1] = [("exports", "init")];

/// An interface as a component names it.
pub(crate) fn full_name(interface: &str) -> String {
    format!("{PACKAGE}/{interface}@{VERSION}")
}

/// The interface of this package and version that `name` is, if it is one.
pub(crate) fn interface_of(name: &str) -> Option<&str> {
    name.strip_prefix(PACKAGE)?.strip_prefix('/')?.strip_suffix(VERSION)?.strip_suffix('@')
}

/// Why `name` can't be imported, if it can't.
pub(crate) fn import_mismatch(name: &str) -> Option<String> {
    if let Some(interface) = interface_of(name)
        && IMPORTS.iter().any(|(known, _)| *known == interface)
    {
        return None;
    }
    if let Some(rest) = name.strip_prefix("wasi:") {
        let (package, version) = (rest.split('/').next(), rest.split('@').nth(1));
        return match (package, version) {
            (Some(package), Some(version))
                if WASI.contains(&package) && version.starts_with("0.2.") =>
            {
                None
            }
            _ => Some(format!(
                "it imports `{name}`: of WASI a policy is given an empty version 0.2 of {}",
                list(WASI)
            )),
        };
    }
    Some(match other_version(name) {
        Some(version) => {
            format!("it imports `{name}`: this host has version {VERSION}, not {version}")
        }
        None => format!(
            "it imports `{name}`, which the contract doesn't have: it has {}",
            list(IMPORTS.map(|(name, _)| name))
        ),
    })
}

/// Why `name` can't be exported, if it can't.
pub(crate) fn export_mismatch(name: &str) -> Option<String> {
    if let Some(interface) = interface_of(name)
        && Hook::ALL.iter().any(|hook| hook.name() == interface)
    {
        return None;
    }
    if TOOLS_OWN.iter().any(|(known, _)| *known == name) {
        return None;
    }
    Some(match other_version(name) {
        Some(version) => {
            format!("it exports `{name}`: this host has version {VERSION}, not {version}")
        }
        None => format!(
            "it exports `{name}`, which the contract doesn't have: the hooks are {}",
            list(Hook::ALL.map(Hook::name))
        ),
    })
}

fn other_version(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.strip_prefix('/')?.split_once('@')?;
    let known = IMPORTS.iter().any(|(known, _)| *known == interface)
        || Hook::ALL.iter().any(|hook| hook.name() == interface);
    (known && version != VERSION).then_some(version)
}

fn list<const N: usize>(names: [&str; N]) -> String {
    names.map(|name| format!("`{name}`")).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIT: [&str; 5] = [
        include_str!("../../../wit/board.wit"),
        include_str!("../../../wit/host.wit"),
        include_str!("../../../wit/hooks.wit"),
        include_str!("../../../wit/transactions.wit"),
        include_str!("../../../wit/types.wit"),
    ];

    #[test]
    fn names_are_those_of_the_contract() {
        let wit: String = WIT.concat();
        let functions = IMPORTS.iter().map(|(_, functions)| functions.len()).sum::<usize>();
        assert_eq!(wit.matches(": func(").count(), functions + Hook::ALL.len());
        for (interface, functions) in IMPORTS {
            assert!(wit.contains(&format!("interface {interface} {{")), "{interface}");
            for function in functions {
                let name = function.rsplit('.').next().expect("never empty");
                assert!(wit.contains(&format!("{name}: func(")), "{function}");
            }
        }
        for hook in Hook::ALL {
            assert!(wit.contains(&format!("interface {} {{", hook.name())));
            assert!(wit.contains(&format!("{}: func(", hook.function())));
        }
    }

    #[test]
    fn compatible_version_is_another_version() {
        // wasmtime takes 0.1.7 for 0.1.0: a newer hook would be called by the older rules.
        assert!(export_mismatch("taskhost:policy/about@0.1.0").is_none());
        let mismatch = export_mismatch("taskhost:policy/about@0.1.7").expect("a mismatch");
        assert!(mismatch.contains("version 0.1.0, not 0.1.7"), "{mismatch}");
    }

    #[test]
    fn wasi_has_no_network_and_no_third_version() {
        assert!(import_mismatch("wasi:io/streams@0.2.3").is_none());
        assert!(import_mismatch("wasi:io/streams@0.3.0").is_some());
        assert!(import_mismatch("wasi:http/outgoing-handler@0.2.3").is_some());
    }
}
