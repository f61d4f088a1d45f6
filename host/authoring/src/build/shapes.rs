//! What the answer of a hook looks like in JavaScript, for what is checked there before it leaves the policy.
//!
//! A shape is a word (`string`, `bool`, `small` and `large` for integers, `any` for what isn't checked), or an object with
//! one key: `record` and `variant` hold shapes by their names, `list` and `option` a shape, `enum` words.

use serde_json::{Map, Value, json};
use wit_parser::{Resolve, Type, TypeDefKind};

/// The shape of a type of the contract.
pub fn shape(resolve: &Resolve, ty: &Type) -> Value {
    match ty {
        Type::String => "string".into(),
        Type::Bool => "bool".into(),
        Type::U8 | Type::U16 | Type::U32 | Type::S8 | Type::S16 | Type::S32 => "small".into(),
        Type::U64 | Type::S64 => "large".into(),
        Type::Id(id) => kind(resolve, &resolve.types[*id].kind),
        _ => "any".into(),
    }
}

fn kind(resolve: &Resolve, kind: &TypeDefKind) -> Value {
    match kind {
        TypeDefKind::Type(ty) => shape(resolve, ty),
        TypeDefKind::Option(inner) => json!({ "option": shape(resolve, inner) }),
        TypeDefKind::List(inner) => json!({ "list": shape(resolve, inner) }),
        TypeDefKind::Enum(words) => {
            let words: Vec<&str> = words.cases.iter().map(|case| case.name.as_str()).collect();
            json!({ "enum": words })
        }
        TypeDefKind::Record(record) => {
            let field =
                |field: &wit_parser::Field| (lower_camel(&field.name), shape(resolve, &field.ty));
            json!({ "record": record.fields.iter().map(field).collect::<Map<_, _>>() })
        }
        TypeDefKind::Variant(variant) => {
            let case = |case: &wit_parser::Case| {
                let held = case.ty.as_ref().map_or(Value::Null, |ty| shape(resolve, ty));
                (case.name.clone(), held)
            };
            json!({ "variant": variant.cases.iter().map(case).collect::<Map<_, _>>() })
        }
        _ => "any".into(),
    }
}

/// A name of the contract as JavaScript has it.
pub fn lower_camel(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut text, word| {
        let mut letters = word.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text + letters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    #[test]
    fn shape_of_an_answer_is_what_its_author_writes() {
        let text = "package my:policy; world policy { include taskhost:policy/imports@0.1.0; \
                    export taskhost:policy/about@0.1.0; export taskhost:policy/readiness@0.1.0; }";
        let world = World::parse(text).expect("it is a world");
        let shape = |interface, function| {
            let answer = world.answer(interface, function).expect("it answers something");
            shape(&world.resolve, &answer)
        };
        let setting = json!({ "record": {
            "name": "string",
            "valueType": { "variant": {
                "text": null, "integer": null, "boolean": null, "duration": null,
                "choice": { "list": "string" },
            } },
            "defaultValue": "string",
            "doc": "string",
        } });
        assert_eq!(shape("about", "describe")["record"]["settings"], json!({ "list": setting }));
        let wait =
            json!({ "record": { "on": { "list": "string" }, "why": { "option": "string" } } });
        let answer = json!({ "variant": {
            "standard": null, "ready": "small", "waiting": wait, "until": "large", "never": "string",
            "cancel": "string",
        } });
        assert_eq!(shape("readiness", "classify"), answer);
    }
}
