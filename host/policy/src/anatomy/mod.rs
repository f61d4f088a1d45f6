//! What a component is made of, as far as it can be told without compiling it.
//!
//! - [`Names`]: what it imports and exports, read by skipping over everything else, so that this takes no time.
//! - [`Parts`]: the types of all that, and how much of it is code and data; read by validating everything but the
//!   code itself. [`Anatomy`] is what people are told of it.
//!
//! Whatever the bytes are, reading them ends, in time that grows with their number: wasmparser bounds the size of
//! types, and what is made of a type here is bounded as well.

mod types;

use std::sync::Arc;

use taskhost_board::{Digest, PolicyFailure};
use wasmparser::types::Types;
use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, Encoding, Parser, Payload, TypeBounds, ValidPayload,
    Validator, WasmFeatures,
};

use self::types::Reader;
use crate::contract::{Contract, Contracts, Interface, names};
use crate::failure::not_a_policy;
use crate::limits::HookLimits;

/// How many things a component may import and export before it is taken for one that nobody means.
const NAMES_MAX: usize = 1000;

/// What a component is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anatomy {
    /// Its size in bytes.
    pub bytes: u64,
    /// How much of that is code, in bytes.
    pub code_bytes: u64,
    /// How much of that is data that its memory begins with, in bytes.
    pub data_bytes: u64,
    /// The version of the contract that it was built against.
    pub contract: String,
    /// The interfaces of the contract that it imports, as in `board`.
    pub imports: Vec<String>,
    /// The interfaces of WASI that it imports, as in `wasi:io/streams@0.2.6`.
    pub wasi: Vec<String>,
}

/// The names of what a component wants and gives, and the contract that it means.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) contract: Arc<Contract>,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

/// What stands behind the names.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) code_bytes: u64,
    pub(crate) data_bytes: u64,
    /// In the order of the names; nothing for what isn't an interface, or isn't this package's.
    pub(crate) imports: Vec<Option<Interface>>,
    pub(crate) exports: Vec<Option<Interface>>,
}

impl Names {
    /// Whether what stands behind a name is compared with anything.
    fn is_compared(&self, name: &str) -> bool {
        self.contract.interface_of(name).is_some() || names::is_tools_own(name)
    }

    pub(crate) fn wants_wasi(&self) -> bool {
        self.imports.iter().any(|name| name.starts_with("wasi:"))
    }

    pub(crate) fn anatomy(&self, bytes: &[u8], parts: &Parts) -> Anatomy {
        let imports = self.imports.iter();
        let own = imports.clone().filter_map(|name| self.contract.interface_of(name));
        let wasi = imports.filter(|name| name.starts_with("wasi:"));
        Anatomy {
            bytes: bytes.len() as u64,
            code_bytes: parts.code_bytes,
            data_bytes: parts.data_bytes,
            contract: self.contract.version.to_string(),
            imports: own.map(str::to_owned).collect(),
            wasi: wasi.cloned().collect(),
        }
    }
}

/// Reads the names, and finds the contract that they are of.
///
/// # Errors
///
/// What it is instead of a component, or that it is of a version of the contract that isn't run.
pub(crate) fn names(
    bytes: &[u8],
    limits: &HookLimits,
    contracts: &Contracts,
) -> Result<Names, PolicyFailure> {
    let wrong = |detail| not_a_policy(&Digest::of(bytes).short(), detail);
    let (imports, exports) = read_names(bytes, limits).map_err(wrong)?;
    let all = imports.iter().chain(&exports).map(String::as_str);
    let contract = names::contract(contracts, all).map_err(wrong)?;
    Ok(Names { contract, imports, exports })
}

fn read_names(bytes: &[u8], limits: &HookLimits) -> Result<(Vec<String>, Vec<String>), String> {
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
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut parser = Parser::new(0);
    parser.set_features(WasmFeatures::all());
    let mut rest = bytes;
    loop {
        let chunk = parser.parse(rest, true).map_err(damaged)?;
        let wasmparser::Chunk::Parsed { consumed, payload } = chunk else {
            return Err("it is cut off or damaged: it ends too soon".into());
        };
        rest = rest.get(consumed..).unwrap_or_default();
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => {
                return Err("it is a core module, not a component: wrap it with \
                            `wasm-tools component new`, or build it with `taskhost policy build`"
                    .into());
            }
            Payload::ModuleSection { unchecked_range, .. }
            | Payload::ComponentSection { unchecked_range, .. } => {
                let inner = unchecked_range.end - unchecked_range.start;
                rest = rest.get(inner..).ok_or("it is cut off or damaged: it ends too soon")?;
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.map_err(damaged)?;
                    // A type that its author gave a name in a world of their own is nothing to be given.
                    if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export.map_err(damaged)?;
                    if export.kind != ComponentExternalKind::Type {
                        exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ if imports.len() + exports.len() > NAMES_MAX => {
                return Err(format!("it imports and exports more than {NAMES_MAX} things"));
            }
            Payload::End(_) if rest.is_empty() => return Ok((imports, exports)),
            Payload::End(_) => {
                return Err("it is damaged: something follows after its end".into());
            }
            _ => {}
        }
    }
}

fn damaged(error: wasmparser::Error) -> String {
    format!("it is cut off or damaged: {error}")
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

/// A component has no length of its own, so one that was cut off between two sections is a component too, with fewer
/// hooks; the standard policy would decide instead of them. But its code comes first, and has them all.
fn all_there(names: &Names, exported_by_code: &str) -> Result<(), String> {
    let Some((interface, _)) = exported_by_code.split_once('#') else { return Ok(()) };
    let is_there = names.exports.iter().any(|name| name == interface);
    if is_there || names::own(interface).is_none() {
        return Ok(());
    }
    Err(format!("it is cut off or damaged: its code has `{interface}`, and it doesn't export it"))
}

/// Reads the types of what `names` has.
///
/// # Errors
///
/// If it isn't valid. That its code is valid shows when it is compiled.
pub(crate) fn parts(bytes: &[u8], names: &Names) -> Result<Parts, String> {
    // Whatever is known: what isn't taken after all, wasmtime refuses by name.
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut parser = Parser::new(0);
    parser.set_features(WasmFeatures::all());
    let mut parts = Parts::default();
    let mut types = None;
    for payload in parser.parse_all(bytes) {
        let payload = payload.map_err(damaged)?;
        match &payload {
            Payload::CodeSectionStart { size, .. } => parts.code_bytes += u64::from(*size),
            Payload::DataSection(section) => {
                let range = section.range();
                parts.data_bytes += (range.end - range.start) as u64;
            }
            Payload::ExportSection(section) => {
                for export in section.clone() {
                    all_there(names, export.map_err(damaged)?.name)?;
                }
            }
            _ => {}
        }
        // The last end is the component's own.
        let invalid = |error| format!("it isn't a valid component: {error}");
        if let ValidPayload::End(all) = validator.payload(&payload).map_err(invalid)? {
            types = Some(all);
        }
    }
    let types = types.ok_or("it is cut off or damaged: it has no end")?;
    let mut reader = Reader::new(&types, names);
    parts.imports = reader.interfaces(names, &names.imports, Types::component_item_for_import);
    parts.exports = reader.interfaces(names, &names.exports, Types::component_item_for_export);
    Ok(parts)
}
