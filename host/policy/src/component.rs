//! From bytes to a policy that can be instantiated.
//!
//! What isn't a policy is told from one before minutes could go into compiling it ([`crate::anatomy`],
//! [`crate::fit`]). [`Compiled`] is a component that was compiled and whose imports fit. That its exports have the
//! contract's types is checked again when it is first instantiated ([`crate::instance`]): wasmtime has the last word.
//!
//! Invariant: code is only ever made from WebAssembly here. Precompiled code is refused whatever it claims to
//! be, since running it would be as good as running a native program.

use std::sync::OnceLock;

use taskhost_board::{Description, Digest, PolicyFailure};
use wasmtime::Engine;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use crate::anatomy::Names;
use crate::contract::Hook;
use crate::failure::{chain_text, not_a_policy, root_text};
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
    pub(crate) about: ComponentExportIndex,
    pub(crate) readiness: Option<ComponentExportIndex>,
    pub(crate) assignment: Option<ComponentExportIndex>,
    pub(crate) lifecycle: Option<ComponentExportIndex>,
    pub(crate) recovery: Option<ComponentExportIndex>,
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

    /// Finds the hooks by the names that their version of the contract gives them.
    fn find(component: &Component, names: &Names) -> Result<Self, String> {
        let find = |hook: Hook| {
            let name = names.contract.full_name(hook.name());
            if !names.exports.contains(&name) {
                return Ok(None);
            }
            let interface = component.get_export_index(None, &*name);
            let function = interface
                .and_then(|at| component.get_export_index(Some(&at), hook.function()))
                .ok_or_else(|| format!("its `{name}` has no function `{}`", hook.function()))?;
            Ok::<_, String>(Some(function))
        };
        Ok(Self {
            about: find(Hook::About)?.ok_or("it doesn't say what it is")?,
            readiness: find(Hook::Readiness)?,
            assignment: find(Hook::Assignment)?,
            lifecycle: find(Hook::Lifecycle)?,
            recovery: find(Hook::Recovery)?,
        })
    }
}

/// Compiles a component, and checks that its imports fit `linker`.
///
/// # Errors
///
/// If it isn't valid, or the first import that isn't the contract's.
pub(crate) fn compile(
    engine: &Engine,
    linker: &Linker<State>,
    bytes: &[u8],
    digest: Digest,
    names: &Names,
) -> Result<Compiled, PolicyFailure> {
    let wrong = |detail: String| not_a_policy(&digest.short(), detail);
    let component = Component::from_binary(engine, bytes)
        .map_err(|error| wrong(format!("it can't be compiled: {}", root_text(&error))))?;
    let pre = linker.instantiate_pre(&component).map_err(|error| {
        // The outermost sentence says that the import doesn't fit; what follows says where and how.
        wrong(format!("an import isn't the contract's: {}", chain_text(&error)))
    })?;
    let exports = Exports::find(&component, names).map_err(wrong)?;
    Ok(Compiled { digest, pre, exports, wasi: names.wants_wasi(), described: OnceLock::new() })
}
