//! Types as they look from outside: what a contract says and what a component has, in one form, so that the two can be
//! compared.
//!
//! - [`Shape`]: a type. [`Signature`]: a function. [`Interface`]: functions and types by their names.
//! - Names of types and of parameters are kept for people; what must be the same is everything else.

use std::collections::BTreeMap;
use std::fmt;

/// How many characters of a type are shown: enough to see what is meant.
const SHOWN_CHARS_MAX: usize = 120;

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A number, a text, a boolean: by its keyword.
    Plain(&'static str),
    List(Box<Self>),
    Option(Box<Self>),
    Result(Option<Box<Self>>, Option<Box<Self>>),
    Tuple(Vec<Self>),
    Record(Named<Vec<(String, Self)>>),
    Variant(Named<Vec<(String, Option<Self>)>>),
    Enum(Named<Vec<String>>),
    Flags(Named<Vec<String>>),
    /// A handle that is given away, and the resource behind it as `interface.resource`.
    Own(String),
    /// A handle that is lent.
    Borrow(String),
    /// What no contract has, in words: a stream, or a type of too many parts.
    Other(String),
}

/// What a type is made of, and what it is called, if anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named<T> {
    pub(crate) name: Option<String>,
    pub(crate) parts: T,
}

/// A function's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) is_async: bool,
    pub(crate) params: Vec<(String, Shape)>,
    pub(crate) result: Option<Shape>,
}

/// What is called by a name in an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) functions: BTreeMap<String, Signature>,
    pub(crate) types: BTreeMap<String, Shape>,
    pub(crate) resources: Vec<String>,
    /// Whatever else a component has there, by its name.
    pub(crate) others: Vec<String>,
}

impl Interface {
    pub(crate) fn has_resource(&self, name: &str) -> bool {
        self.resources.iter().any(|known| known == name)
    }

    /// The names of its functions, as people write them.
    pub(crate) fn function_names(&self) -> String {
        if self.functions.is_empty() {
            return "no functions".into();
        }
        let names: Vec<String> =
            self.functions.keys().map(|name| format!("`{}`", spoken(name))).collect();
        names.join(", ")
    }
}

/// A function's name without the marks of a method: `task.data` for `[method]task.data`.
pub(crate) fn spoken(function: &str) -> &str {
    match function.split_once(']') {
        Some((mark, name)) if mark.starts_with('[') => name,
        _ => function,
    }
}

impl Shape {
    /// What it is called, or else what it is.
    fn write(&self, out: &mut String) {
        match self {
            Self::Plain(keyword) => out.push_str(keyword),
            Self::List(element) => wrapped(out, "list", [Some(&**element)]),
            Self::Option(some) => wrapped(out, "option", [Some(&**some)]),
            Self::Result(None, None) => out.push_str("result"),
            Self::Result(ok, error) => {
                wrapped(out, "result", [ok.as_deref(), error.as_deref()]);
            }
            Self::Tuple(types) => wrapped(out, "tuple", types.iter().map(Some)),
            Self::Record(record) => {
                let fields = record.parts.iter().map(|(name, shape)| (name, Some(shape)));
                named(out, "record", &record.name, fields);
            }
            Self::Variant(variant) => {
                let cases = variant.parts.iter().map(|(name, shape)| (name, shape.as_ref()));
                named(out, "variant", &variant.name, cases);
            }
            Self::Enum(cases) => {
                named(out, "enum", &cases.name, cases.parts.iter().map(|name| (name, None)));
            }
            Self::Flags(flags) => {
                named(out, "flags", &flags.name, flags.parts.iter().map(|name| (name, None)));
            }
            Self::Own(resource) => out.push_str(short(resource)),
            Self::Borrow(resource) => {
                out.push_str("borrow<");
                out.push_str(short(resource));
                out.push('>');
            }
            Self::Other(words) => out.push_str(words),
        }
    }

    /// What kind of type it is, where it has a name of its own.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Record(_) => "a record",
            Self::Variant(_) => "a variant",
            Self::Enum(_) => "an enum",
            Self::Flags(_) => "flags",
            Self::Own(_) => "a handle that is given away",
            Self::Borrow(_) => "a handle that is lent",
            _ => "another type",
        }
    }
}

fn short(resource: &str) -> &str {
    resource.rsplit('.').next().unwrap_or(resource)
}

fn is_full(out: &str) -> bool {
    out.len() > SHOWN_CHARS_MAX
}

fn wrapped<'a>(out: &mut String, word: &str, types: impl IntoIterator<Item = Option<&'a Shape>>) {
    out.push_str(word);
    for (index, shape) in types.into_iter().enumerate() {
        if is_full(out) {
            break;
        }
        out.push_str(if index == 0 { "<" } else { ", " });
        match shape {
            Some(shape) => shape.write(out),
            None => out.push('_'),
        }
    }
    out.push('>');
}

fn named<'a>(
    out: &mut String,
    kind: &str,
    name: &Option<String>,
    parts: impl Iterator<Item = (&'a String, Option<&'a Shape>)>,
) {
    if let Some(name) = name {
        out.push_str(name);
        return;
    }
    out.push_str(kind);
    out.push_str(" { ");
    for (index, (name, shape)) in parts.enumerate() {
        if is_full(out) {
            out.push('…');
            break;
        }
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str(name);
        if let Some(shape) = shape {
            out.push_str(": ");
            shape.write(out);
        }
    }
    out.push_str(" }");
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write(&mut out);
        if out.chars().count() > SHOWN_CHARS_MAX {
            out = out.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect();
        }
        f.write_str(&out)
    }
}
