//! A component's types as shapes.

use std::collections::HashMap;

use wasmparser::PrimitiveValType;
use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentDefinedType, ComponentDefinedTypeId, ComponentEntityType,
    ComponentFuncTypeId, ComponentInstanceTypeId, ComponentItem, ComponentValType, ResourceId,
};
use wasmparser::types::Types;

use super::Names;
use crate::contract::{Interface, Named, Shape, Signature};

/// Of how many parts all types together may be made before they are taken for some that no contract has: a few parts in
/// a file can stand for a great many.
const PARTS_MAX: u32 = 100_000;
/// How many functions and types are looked at in one interface.
const ITEMS_MAX: usize = 1000;

/// Turns wasmparser's types into shapes.
pub(super) struct Reader<'a> {
    types: &'a Types,
    /// By whom a resource was imported first, and what it is called there.
    resources: HashMap<ResourceId, String>,
    called: HashMap<ComponentDefinedTypeId, String>,
    parts_left: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(types: &'a Types, names: &Names) -> Self {
        let (resources, called) = (HashMap::new(), HashMap::new());
        let mut reader = Self { types, resources, called, parts_left: PARTS_MAX };
        let imports =
            names.imports.iter().map(|name| (name, types.component_item_for_import(name)));
        let exports =
            names.exports.iter().map(|name| (name, types.component_item_for_export(name)));
        for (name, item) in imports.chain(exports) {
            let Some(ComponentEntityType::Instance(id)) = item.map(|item| item.ty) else {
                continue;
            };
            let owner = names.contract.interface_of(name).unwrap_or(name);
            for (name, item) in &types[id].exports {
                let ComponentEntityType::Type { created, .. } = item.ty else { continue };
                match created {
                    ComponentAnyTypeId::Resource(id) => {
                        let full = || format!("{owner}.{name}");
                        reader.resources.entry(id.resource()).or_insert_with(full);
                    }
                    ComponentAnyTypeId::Defined(id) => {
                        reader.called.entry(id).or_insert_with(|| name.clone());
                    }
                    _ => {}
                }
            }
        }
        reader
    }

    pub(super) fn interfaces(
        &mut self,
        all: &Names,
        names: &[String],
        item: impl Fn(&'a Types, &str) -> Option<&'a ComponentItem>,
    ) -> Vec<Option<Interface>> {
        let mut interfaces = Vec::new();
        for name in names {
            interfaces.push(match item(self.types, name).map(|item| item.ty) {
                Some(ComponentEntityType::Instance(id)) if all.is_compared(name) => {
                    Some(self.interface(id))
                }
                _ => None,
            });
        }
        interfaces
    }

    fn interface(&mut self, id: ComponentInstanceTypeId) -> Interface {
        let mut interface = Interface::default();
        let exports = &self.types[id].exports;
        if exports.len() > ITEMS_MAX {
            interface.others.push(format!("more than {ITEMS_MAX} things"));
        }
        for (name, item) in exports.iter().take(ITEMS_MAX) {
            match item.ty {
                ComponentEntityType::Func(id) => {
                    let signature = self.signature(id);
                    interface.functions.insert(name.clone(), signature);
                }
                ComponentEntityType::Type { created: ComponentAnyTypeId::Resource(_), .. } => {
                    interface.resources.push(name.clone());
                }
                // What matters of other types is how functions use them.
                ComponentEntityType::Type { .. } => {}
                _ => interface.others.push(name.clone()),
            }
        }
        interface
    }

    fn signature(&mut self, id: ComponentFuncTypeId) -> Signature {
        let function = &self.types[id];
        let params = function.params.iter();
        Signature {
            is_async: function.async_,
            params: params.map(|(name, ty)| (name.to_string(), self.shape(*ty))).collect(),
            result: function.result.map(|ty| self.shape(ty)),
        }
    }

    fn shape(&mut self, ty: ComponentValType) -> Shape {
        let Some(left) = self.parts_left.checked_sub(1) else {
            return Shape::Other(format!("a type of more than {PARTS_MAX} parts"));
        };
        self.parts_left = left;
        match ty {
            ComponentValType::Primitive(primitive) => plain(primitive),
            ComponentValType::Type(id) => self.defined(id),
        }
    }

    fn boxed(&mut self, ty: ComponentValType) -> Box<Shape> {
        Box::new(self.shape(ty))
    }

    fn defined(&mut self, id: ComponentDefinedTypeId) -> Shape {
        let name = self.called.get(&id).cloned();
        let types = self.types;
        match &types[id] {
            ComponentDefinedType::Primitive(primitive) => plain(*primitive),
            ComponentDefinedType::List { element, .. } => Shape::List(self.boxed(*element)),
            ComponentDefinedType::Option { ty, .. } => Shape::Option(self.boxed(*ty)),
            ComponentDefinedType::Result { ok, err, .. } => {
                let ok = ok.map(|ty| self.boxed(ty));
                Shape::Result(ok, err.map(|ty| self.boxed(ty)))
            }
            ComponentDefinedType::Tuple(tuple) => {
                Shape::Tuple(tuple.types.iter().map(|ty| self.shape(*ty)).collect())
            }
            ComponentDefinedType::Record(record) => {
                let fields = record.fields.iter();
                let parts = fields.map(|(name, ty)| (name.to_string(), self.shape(*ty))).collect();
                Shape::Record(Named { name, parts })
            }
            ComponentDefinedType::Variant(variant) => {
                let cases = variant.cases.iter();
                let parts = cases
                    .map(|(name, case)| (name.to_string(), case.ty.map(|ty| self.shape(ty))))
                    .collect();
                Shape::Variant(Named { name, parts })
            }
            ComponentDefinedType::Enum(cases) => {
                let parts = cases.iter().map(ToString::to_string).collect();
                Shape::Enum(Named { name, parts })
            }
            ComponentDefinedType::Flags(flags) => {
                let parts = flags.iter().map(ToString::to_string).collect();
                Shape::Flags(Named { name, parts })
            }
            ComponentDefinedType::Own(id) => Shape::Own(self.resource(id.resource())),
            ComponentDefinedType::Borrow(id) => Shape::Borrow(self.resource(id.resource())),
            ComponentDefinedType::Map { .. } => Shape::Other("map".into()),
            ComponentDefinedType::FixedLengthList { .. } => {
                Shape::Other("fixed-length list".into())
            }
            ComponentDefinedType::Future { .. } => Shape::Other("future".into()),
            ComponentDefinedType::Stream { .. } => Shape::Other("stream".into()),
        }
    }

    fn resource(&self, id: ResourceId) -> String {
        self.resources.get(&id).cloned().unwrap_or_else(|| "a resource of its own".into())
    }
}

fn plain(primitive: PrimitiveValType) -> Shape {
    Shape::Plain(match primitive {
        PrimitiveValType::Bool => "bool",
        PrimitiveValType::S8 => "s8",
        PrimitiveValType::U8 => "u8",
        PrimitiveValType::S16 => "s16",
        PrimitiveValType::U16 => "u16",
        PrimitiveValType::S32 => "s32",
        PrimitiveValType::U32 => "u32",
        PrimitiveValType::S64 => "s64",
        PrimitiveValType::U64 => "u64",
        PrimitiveValType::F32 => "f32",
        PrimitiveValType::F64 => "f64",
        PrimitiveValType::Char => "char",
        PrimitiveValType::String => "string",
        PrimitiveValType::ErrorContext => "error-context",
    })
}
