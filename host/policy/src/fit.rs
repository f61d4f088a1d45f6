//! Whether a component fits its contract: every mismatch at once, a sentence each, before anything is compiled.

use taskhost_board::{Digest, PolicyFailure};

use crate::anatomy::{Names, Parts};
use crate::contract::{Contract, Hook, Interface, compare_function, names, spoken};
use crate::failure::{mismatched, not_a_policy};

/// What is compared with, in sentences.
const OWNER: &str = "the contract";

/// Checks the names only.
///
/// # Errors
///
/// Every name that the contract doesn't have, and the export that every policy must have if it is missing.
pub(crate) fn by_name(bytes: &[u8], names: &Names) -> Result<(), PolicyFailure> {
    none(bytes, &named(names))
}

/// Checks names and types.
///
/// # Errors
///
/// Every import and export that isn't the contract's, with what the contract has instead.
pub(crate) fn by_type(bytes: &[u8], names: &Names, parts: &Parts) -> Result<(), PolicyFailure> {
    let contract = &names.contract;
    let mut found = named(names);
    for (name, interface) in names.imports.iter().zip(&parts.imports) {
        let Some(own) = contract.interface_of(name) else { continue };
        let Some(wanted) = contract.imports().get(own) else { continue };
        match interface {
            Some(interface) => imported(name, own, interface, wanted, &mut found),
            None => found.push(format!("it imports `{name}` as something else than an interface")),
        }
    }
    for (name, interface) in names.exports.iter().zip(&parts.exports) {
        exported(contract, name, interface.as_ref(), &mut found);
    }
    none(bytes, &found)
}

/// What is wrong with a component whose types can't be read: that, and every name that the contract doesn't have.
pub(crate) fn unreadable(bytes: &[u8], names: &Names, detail: String) -> PolicyFailure {
    let policy = Digest::of(bytes).short();
    let mut found = named(names);
    if found.is_empty() {
        return not_a_policy(&policy, detail);
    }
    found.push(detail);
    mismatched(&policy, &found)
}

fn none(bytes: &[u8], mismatches: &[String]) -> Result<(), PolicyFailure> {
    if mismatches.is_empty() {
        Ok(())
    } else {
        Err(mismatched(&Digest::of(bytes).short(), mismatches))
    }
}

fn named(found: &Names) -> Vec<String> {
    let contract = &found.contract;
    let imports = found.imports.iter().filter_map(|name| names::import_mismatch(contract, name));
    let exports = found.exports.iter().filter_map(|name| names::export_mismatch(contract, name));
    let mut mismatches: Vec<String> = imports.chain(exports).collect();
    let about = contract.full_name(Hook::About.name());
    if !found.exports.contains(&about) {
        mismatches.push(format!("it doesn't export `{about}`, which every policy must"));
    }
    mismatches
}

fn imported(
    name: &str,
    own: &str,
    interface: &Interface,
    wanted: &Interface,
    found: &mut Vec<String>,
) {
    for (function, signature) in &interface.functions {
        let spoken = spoken(function);
        match wanted.functions.get(function) {
            None => found.push(format!(
                "it imports `{spoken}` of `{name}`, which {OWNER} doesn't have: it has {}",
                wanted.function_names()
            )),
            Some(wanted) => found.extend(compare_function(
                &format!("it imports `{own}.{spoken}`"),
                signature,
                wanted,
                OWNER,
            )),
        }
    }
    for resource in interface.resources.iter().filter(|it| !wanted.has_resource(it)) {
        found.push(format!(
            "it imports the resource `{resource}` of `{name}`, which {OWNER} doesn't have"
        ));
    }
    for other in &interface.others {
        found.push(format!(
            "it imports `{other}` of `{name}`, which is neither a function nor a type"
        ));
    }
}

fn exported(
    contract: &Contract,
    name: &str,
    interface: Option<&Interface>,
    found: &mut Vec<String>,
) {
    let own = contract.interface_of(name);
    let hook = own.and_then(|own| Some((own, contract.hooks().get(own)?)));
    let tools = names::TOOLS_OWN.iter().find(|(known, _)| *known == name);
    let only: Vec<&str> = match (hook, tools) {
        (Some((_, wanted)), _) => wanted.functions.keys().map(String::as_str).collect(),
        (None, Some((_, function))) => vec![function],
        (None, None) => return,
    };
    let Some(interface) = interface else {
        found.push(format!("it exports `{name}` as something else than an interface"));
        return;
    };
    if let Some((own, wanted)) = hook {
        for (function, wanted) in &wanted.functions {
            match interface.functions.get(function) {
                None => found.push(format!("its `{name}` has no function `{function}`")),
                Some(signature) => found.extend(compare_function(
                    &format!("it exports `{own}.{function}`"),
                    signature,
                    wanted,
                    OWNER,
                )),
            }
        }
    }
    let functions = interface.functions.keys().map(String::as_str);
    let others = interface.others.iter().map(String::as_str);
    for function in functions.chain(others).filter(|function| !only.contains(function)) {
        found.push(format!(
            "it exports `{function}` in `{name}`, where {OWNER} has only {}",
            only.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ));
    }
}
