//! A contract from its WIT text.

use std::collections::BTreeMap;

use semver::Version;
use wit_parser::{
    Handle, Interface as WitInterface, InterfaceId, Resolve, SourceMap, Type, TypeDefKind, TypeId,
    TypeOwner, WorldItem,
};

use super::shape::{Interface, Named, Shape, Signature};
use super::{PACKAGE, Terms};

/// The world that has everything that a contract lets a policy import, and every hook.
const WORLD: &str = "everything";

/// Reads the files of a contract, by name and text.
///
/// # Errors
///
/// What is wrong with the text, or that it isn't a contract of this package.
pub(super) fn parse<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(Version, Terms), String> {
    let mut sources = SourceMap::default();
    for (name, text) in files {
        sources.push_str(name, text);
    }
    let group = sources.parse().map_err(|(sources, error)| error.render(&sources))?;
    let mut resolve = Resolve::default();
    let package = resolve.push_group(group).map_err(|error| error.to_string())?;
    let name = &resolve.packages[package].name;
    let own = format!("{}:{}", name.namespace, name.name);
    let version = match &name.version {
        Some(version) if own == PACKAGE => version.clone(),
        _ => return Err(format!("it is the package `{name}`, and not a version of `{PACKAGE}`")),
    };
    let world = resolve.select_world(&[package], Some(WORLD)).map_err(|error| error.to_string())?;
    let world = &resolve.worlds[world];
    let terms = Terms {
        imports: interfaces(&resolve, world.imports.values()),
        hooks: interfaces(&resolve, world.exports.values()),
    };
    Ok((version, terms))
}

/// The version of a contract, without reading the rest.
pub(super) fn version(files: &[(&str, &str)]) -> Option<Version> {
    let mut lines = files.iter().flat_map(|(_, text)| text.lines());
    let text = lines.find_map(|line| {
        line.strip_prefix("package ")?.strip_prefix(PACKAGE)?.strip_prefix('@')?.strip_suffix(';')
    });
    Version::parse(text?).ok()
}

fn interfaces<'a>(
    resolve: &Resolve,
    items: impl Iterator<Item = &'a WorldItem>,
) -> BTreeMap<String, Interface> {
    let mut interfaces = BTreeMap::new();
    for item in items {
        let WorldItem::Interface { id, .. } = item else { continue };
        let found = &resolve.interfaces[*id];
        if let Some(name) = &found.name {
            interfaces.insert(name.clone(), interface(resolve, found));
        }
    }
    interfaces
}

fn interface(resolve: &Resolve, found: &WitInterface) -> Interface {
    let mut interface = Interface::default();
    for (name, function) in &found.functions {
        let params = function.params.iter();
        let signature = Signature {
            is_async: function.kind.is_async(),
            params: params.map(|param| (param.name.clone(), shape(resolve, &param.ty))).collect(),
            result: function.result.as_ref().map(|result| shape(resolve, result)),
        };
        interface.functions.insert(name.clone(), signature);
    }
    for (name, id) in &found.types {
        match &resolve.types[*id].kind {
            TypeDefKind::Resource => interface.resources.push(name.clone()),
            // A type of another interface, which has it.
            TypeDefKind::Type(Type::Id(_)) => {}
            _ => {
                interface.types.insert(name.clone(), defined(resolve, *id));
            }
        }
    }
    interface
}

fn shape(resolve: &Resolve, found: &Type) -> Shape {
    Shape::Plain(match found {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(id) => return defined(resolve, *id),
    })
}

fn defined(resolve: &Resolve, id: TypeId) -> Shape {
    let found = &resolve.types[id];
    let boxed = |found: &Type| Box::new(shape(resolve, found));
    let name = || found.name.clone();
    match &found.kind {
        TypeDefKind::Type(of) => shape(resolve, of),
        TypeDefKind::List(element) => Shape::List(boxed(element)),
        TypeDefKind::Option(some) => Shape::Option(boxed(some)),
        TypeDefKind::Result(result) => {
            Shape::Result(result.ok.as_ref().map(boxed), result.err.as_ref().map(boxed))
        }
        TypeDefKind::Tuple(tuple) => {
            Shape::Tuple(tuple.types.iter().map(|found| shape(resolve, found)).collect())
        }
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter();
            let parts = fields.map(|field| (field.name.clone(), shape(resolve, &field.ty)));
            Shape::Record(Named { name: name(), parts: parts.collect() })
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter();
            let parts = cases
                .map(|case| (case.name.clone(), case.ty.as_ref().map(|ty| shape(resolve, ty))));
            Shape::Variant(Named { name: name(), parts: parts.collect() })
        }
        TypeDefKind::Enum(cases) => {
            let parts = cases.cases.iter().map(|case| case.name.clone()).collect();
            Shape::Enum(Named { name: name(), parts })
        }
        TypeDefKind::Flags(flags) => {
            let parts = flags.flags.iter().map(|flag| flag.name.clone()).collect();
            Shape::Flags(Named { name: name(), parts })
        }
        TypeDefKind::Handle(Handle::Own(id)) => Shape::Own(resource(resolve, *id)),
        TypeDefKind::Handle(Handle::Borrow(id)) => Shape::Borrow(resource(resolve, *id)),
        other => Shape::Other(other.as_str().to_owned()),
    }
}

/// A resource as `interface.resource`, by the interface that it belongs to.
fn resource(resolve: &Resolve, mut id: TypeId) -> String {
    while let TypeDefKind::Type(Type::Id(of)) = &resolve.types[id].kind {
        id = *of;
    }
    let found = &resolve.types[id];
    let owner: Option<InterfaceId> = match found.owner {
        TypeOwner::Interface(id) => Some(id),
        _ => None,
    };
    let owner = owner.and_then(|id| resolve.interfaces[id].name.as_deref()).unwrap_or_default();
    format!("{owner}.{}", found.name.as_deref().unwrap_or_default())
}
