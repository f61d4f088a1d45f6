//! From bytes to a policy that can be instantiated.
//!
//! [`outline`] reads only the names of what a component imports and exports, so that most of what isn't a
//! policy is told from one before minutes could go into compiling it. [`Compiled`] is a component that was
//! compiled and whose imports fit. That its exports have the contract's types shows when it is first
//! instantiated ([`crate::instance`]).
//!
//! Invariant: code is only ever made from WebAssembly here. Precompiled code is refused whatever it claims to
//! be, since running it would be as good as running a native program.

use std::sync::OnceLock;

use taskhost_board::{Description, Digest, PolicyFailure};
use wasmparser::{Encoding, Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::bindings::exports::taskhost::policy::{
    about, assignment, lifecycle, readiness, recovery,
};
use crate::contract::{self, Hook, IMPORTS, TOOLS_OWN};
use crate::failure::{chain_text, not_a_policy, root_text};
use crate::limits::HookLimits;
use crate::state::State;

/// A component that was compiled and checked.
pub(crate) struct Compiled {
    pub(crate) digest: Digest,
    pub(crate) pre: InstancePre<State>,
    pub(crate) exports: Exports,
    /// Whether it imports WASI.
    pub(crate) wasi: bool,
    /// What it said about itself; asked once.
    pub(crate) described: OnceLock<Description>,
}

/// Where its hooks are.
pub(crate) struct Exports {
    pub(crate) about: about::GuestIndices,
    pub(crate) readiness: Option<readiness::GuestIndices>,
    pub(crate) assignment: Option<assignment::GuestIndices>,
    pub(crate) lifecycle: Option<lifecycle::GuestIndices>,
    pub(crate) recovery: Option<recovery::GuestIndices>,
}

impl Exports {
    pub(crate) fn has(&self, hook: Hook) -> bool {
        match hook {
            Hook::About => true,
            Hook::Readiness => self.readiness.is_some(),
            Hook::Assignment => self.assignment.is_some(),
            Hook::Lifecycle => self.lifecycle.is_some(),
            Hook::Recovery => self.recovery.is_some(),
        }
    }
}

/// The names of what a component wants and gives.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Outline {
    pub(crate) fn wants_wasi(&self) -> bool {
        self.imports.iter().any(|name| name.starts_with("wasi:"))
    }
}

/// Reads the names in a component and checks them, without compiling anything.
///
/// # Errors
///
/// What it is instead of a component; or every name in it that the contract doesn't have.
pub(crate) fn outline(bytes: &[u8], limits: &HookLimits) -> Result<Outline, PolicyFailure> {
    let policy = Digest::of(bytes).short();
    let outline = read(bytes, limits).map_err(|detail| not_a_policy(&policy, detail))?;
    let imports = outline.imports.iter().filter_map(|name| contract::import_mismatch(name));
    let exports = outline.exports.iter().filter_map(|name| contract::export_mismatch(name));
    let mut mismatches: Vec<String> = imports.chain(exports).collect();
    let about = Hook::About.export();
    if !outline.exports.contains(&about) {
        mismatches.push(format!("it doesn't export `{about}`, which every policy must"));
    }
    if mismatches.is_empty() { Ok(outline) } else { Err(mismatched(&policy, &mismatches)) }
}

pub(crate) fn mismatched(policy: &str, mismatches: &[String]) -> PolicyFailure {
    not_a_policy(policy, mismatches.join("; "))
}

fn read(bytes: &[u8], limits: &HookLimits) -> Result<Outline, String> {
    let max = limits.component_bytes_max;
    if bytes.len() > max {
        return Err(format!(
            "it has {} bytes, and a policy at most {} MiB: leave out what it doesn't need",
            bytes.len(),
            max >> 20
        ));
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(foreign(bytes).into());
    }
    let mut outline = Outline::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let damaged = |error| format!("it is cut off or damaged: {error}");
        match payload.map_err(damaged)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err("it is a core module, not a component: wrap it with \
                            `wasm-tools component new`, or build it with `taskhost policy build`"
                    .into());
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    outline.imports.push(import.map_err(damaged)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    outline.exports.push(export.map_err(damaged)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(outline)
}

/// What bytes are that aren't WebAssembly.
fn foreign(bytes: &[u8]) -> &'static str {
    let text = bytes.trim_ascii_start();
    if bytes.is_empty() {
        "it is empty"
    } else if bytes.starts_with(b"\x7fELF") {
        "it is compiled code: only WebAssembly is taken, and compiled here"
    } else if text.starts_with(b"(component") || text.starts_with(b"(module") {
        "it is WebAssembly's text format: assemble it with `wasm-tools parse`"
    } else {
        "it isn't WebAssembly: give the `.wasm` file of a component"
    }
}

/// Compiles what [`outline`] found nothing wrong with, and checks that its imports fit `linker`.
///
/// # Errors
///
/// If it isn't valid, or every import and export of it that isn't the contract's.
pub(crate) fn compile(
    engine: &Engine,
    linker: &Linker<State>,
    bytes: &[u8],
    outline: &Outline,
) -> Result<Compiled, PolicyFailure> {
    let digest = Digest::of(bytes);
    let policy = digest.short();
    let component = Component::from_binary(engine, bytes).map_err(|error| {
        not_a_policy(&policy, format!("it can't be compiled: {}", root_text(&error)))
    })?;
    let unknown = unknown_functions(engine, &component);
    if !unknown.is_empty() {
        return Err(mismatched(&policy, &unknown));
    }
    let pre = linker.instantiate_pre(&component).map_err(|error| {
        // The outermost sentence says that the import doesn't fit; what follows says where and how.
        not_a_policy(&policy, format!("an import isn't the contract's: {}", chain_text(&error)))
    })?;
    let exports = exports(&pre, outline).map_err(|error| {
        not_a_policy(&policy, format!("an export isn't the contract's: {}", chain_text(&error)))
    })?;
    let wasi = outline.wants_wasi();
    Ok(Compiled { digest, pre, exports, wasi, described: OnceLock::new() })
}

fn exports(pre: &InstancePre<State>, outline: &Outline) -> wasmtime::Result<Exports> {
    let has = |hook: Hook| outline.exports.contains(&hook.export()).then_some(pre);
    Ok(Exports {
        about: about::GuestIndices::new(pre)?,
        readiness: has(Hook::Readiness).map(readiness::GuestIndices::new).transpose()?,
        assignment: has(Hook::Assignment).map(assignment::GuestIndices::new).transpose()?,
        lifecycle: has(Hook::Lifecycle).map(lifecycle::GuestIndices::new).transpose()?,
        recovery: has(Hook::Recovery).map(recovery::GuestIndices::new).transpose()?,
    })
}

/// Every function in a known interface that the contract doesn't have there.
fn unknown_functions(engine: &Engine, component: &Component) -> Vec<String> {
    let component = component.component_type();
    let mut unknown = Vec::new();
    for (name, import) in component.imports(engine) {
        let Some(interface) = contract::interface_of(name) else { continue };
        let known = IMPORTS.iter().find(|(known, _)| *known == interface);
        let known = known.map_or(&[][..], |(_, functions)| functions);
        for function in functions_of(engine, &import.ty) {
            if !known.contains(&&*function) {
                unknown.push(format!("it imports `{function}` of `{name}`, which isn't there"));
            }
        }
    }
    let hooks = Hook::ALL.map(|hook| (hook.export(), hook.function(), true));
    let tools = TOOLS_OWN.map(|(name, function)| (name.to_owned(), function, false));
    let exports: Vec<_> = hooks.into_iter().chain(tools).collect();
    for (name, export) in component.exports(engine) {
        let Some((_, only, needed)) = exports.iter().find(|(known, ..)| known == name) else {
            continue;
        };
        let functions = functions_of(engine, &export.ty);
        if *needed && !functions.iter().any(|function| function == only) {
            unknown.push(format!("its `{name}` has no function `{only}`"));
        }
        for function in functions.iter().filter(|function| function != only) {
            unknown.push(format!(
                "it exports `{function}` in `{name}`, where the contract has only `{only}`"
            ));
        }
    }
    unknown
}

fn functions_of(engine: &Engine, item: &ComponentItem) -> Vec<String> {
    let ComponentItem::ComponentInstance(instance) = item else { return Vec::new() };
    instance
        .exports(engine)
        .filter(|(_, export)| matches!(export.ty, ComponentItem::ComponentFunc(_)))
        .map(|(name, _)| name.to_owned())
        .collect()
}
