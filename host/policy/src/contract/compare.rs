//! Where two types differ, in a sentence.
//!
//! [`function`] compares functions and [`shape`] compares types; both say what was found, what is wanted, and where in
//! a record or a variant the difference is. How deep they look is bounded by what is wanted, which is ours.

use super::shape::{Shape, Signature, spoken};

/// Every difference between a function as it was found and as it is wanted. Each begins with `subject`, as in ``it
/// imports `clock.now` ``, and calls what is wanted `owner`, as in `the contract`.
pub(crate) fn function(
    subject: &str,
    found: &Signature,
    wanted: &Signature,
    owner: &str,
) -> Vec<String> {
    let mut differences = Vec::new();
    if found.is_async != wanted.is_async {
        let word = |is_async| if is_async { "async" } else { "not async" };
        differences.push(format!(
            "{subject} as a function that is {}, and is {} in {owner}",
            word(found.is_async),
            word(wanted.is_async)
        ));
    }
    if found.params.len() == wanted.params.len() {
        for ((name, found), (wanted_name, wanted)) in found.params.iter().zip(&wanted.params) {
            if let Some(difference) = shape(found, wanted) {
                let (found, wanted) =
                    (format!("{name}: {found}"), format!("{wanted_name}: {wanted}"));
                differences.push(difference.told(subject, "the parameter", &found, &wanted, owner));
            }
        }
    } else {
        differences.push(format!(
            "{subject} with {}, which has {} in {owner}",
            params(&found.params),
            params(&wanted.params)
        ));
    }
    match (&found.result, &wanted.result) {
        (None, None) => {}
        (Some(found), Some(wanted)) => {
            if let Some(difference) = shape(found, wanted) {
                let (found, wanted) = (found.to_string(), wanted.to_string());
                differences.push(difference.told(subject, "the result", &found, &wanted, owner));
            }
        }
        (Some(found), None) => differences
            .push(format!("{subject} with the result `{found}`, which has none in {owner}")),
        (None, Some(wanted)) => differences.push(format!(
            "{subject} without a result, which has the result `{wanted}` in {owner}"
        )),
    }
    differences
}

fn params(params: &[(String, Shape)]) -> String {
    if params.is_empty() {
        return "no parameters".into();
    }
    let written: Vec<String> =
        params.iter().map(|(name, shape)| format!("{name}: {shape}")).collect();
    format!("the parameters `({})`", written.join(", "))
}

/// A difference between two types.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Where in them: fields and cases, the outermost first.
    path: Vec<String>,
    /// Absent if they differ at the top in a way that their names show.
    inside: Option<(String, String)>,
}

impl Difference {
    fn plain() -> Self {
        Self { path: Vec::new(), inside: None }
    }

    fn of(found: impl Into<String>, wanted: impl Into<String>) -> Self {
        Self { path: Vec::new(), inside: Some((found.into(), wanted.into())) }
    }

    fn within(mut self, part: &str, found: &Shape, wanted: &Shape) -> Self {
        if self.inside.is_none() {
            self.inside = Some((format!("is `{found}`"), format!("is `{wanted}`")));
        }
        self.path.insert(0, part.to_owned());
        self
    }

    /// As a sentence: `subject` with `what`, which was found as `found` and is wanted as `wanted`.
    pub(crate) fn told(
        &self,
        subject: &str,
        what: &str,
        found: &str,
        wanted: &str,
        owner: &str,
    ) -> String {
        match &self.inside {
            None => format!("{subject} with {what} `{found}`, which is `{wanted}` in {owner}"),
            Some((here, there)) if self.path.is_empty() => {
                format!("{subject} with {what} `{found}`, which {here}, and {there} in {owner}")
            }
            Some((here, there)) => {
                let path = self.path.join(".");
                format!(
                    "{subject} with {what} `{found}`, whose `{path}` {here}, and {there} in {owner}"
                )
            }
        }
    }
}

/// The first difference between a type as it was found and as it is wanted.
pub(crate) fn shape(found: &Shape, wanted: &Shape) -> Option<Difference> {
    let inner = |part: &str, found: &Shape, wanted: &Shape| {
        shape(found, wanted).map(|difference| difference.within(part, found, wanted))
    };
    match (found, wanted) {
        (Shape::Plain(one), Shape::Plain(other)) if one == other => None,
        (Shape::Own(one), Shape::Own(other)) | (Shape::Borrow(one), Shape::Borrow(other)) => {
            match (one == other, found.to_string() == wanted.to_string()) {
                (true, _) => None,
                (false, false) => Some(Difference::plain()),
                (false, true) => {
                    Some(Difference::of(format!("is `{one}`"), format!("is `{other}`")))
                }
            }
        }
        (Shape::List(one), Shape::List(other)) => inner("element", one, other),
        (Shape::Option(one), Shape::Option(other)) => inner("some", one, other),
        (Shape::Result(ok, error), Shape::Result(wanted_ok, wanted_error)) => {
            payload("ok", ok.as_deref(), wanted_ok.as_deref())
                .or_else(|| payload("error", error.as_deref(), wanted_error.as_deref()))
        }
        (Shape::Tuple(one), Shape::Tuple(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs.into_iter().find_map(|(at, (one, other))| inner(&at.to_string(), one, other))
        }
        (Shape::Record(one), Shape::Record(other)) => {
            let (names, wanted) = (keys(&one.parts), keys(&other.parts));
            if names != wanted {
                return Some(listed("the fields", &names, &wanted));
            }
            let mut pairs = one.parts.iter().zip(&other.parts);
            pairs.find_map(|((name, one), (_, other))| inner(name, one, other))
        }
        (Shape::Variant(one), Shape::Variant(other)) => {
            let (names, wanted) = (keys(&one.parts), keys(&other.parts));
            if names != wanted {
                return Some(listed("the cases", &names, &wanted));
            }
            let mut pairs = one.parts.iter().zip(&other.parts);
            pairs.find_map(|((name, one), (_, other))| payload(name, one.as_ref(), other.as_ref()))
        }
        (Shape::Enum(one), Shape::Enum(other)) | (Shape::Flags(one), Shape::Flags(other)) => {
            let names = |parts: &'_ [String]| parts.to_vec();
            let (names, wanted) = (names(&one.parts), names(&other.parts));
            (names != wanted).then(|| listed("the cases", &names, &wanted))
        }
        // Two that are called the same are told apart by what they are.
        _ if found.to_string() == wanted.to_string() => {
            Some(Difference::of(format!("is {}", found.kind()), format!("is {}", wanted.kind())))
        }
        _ => Some(Difference::plain()),
    }
}

fn payload(part: &str, found: Option<&Shape>, wanted: Option<&Shape>) -> Option<Difference> {
    match (found, wanted) {
        (None, None) => None,
        (Some(found), Some(wanted)) => {
            shape(found, wanted).map(|difference| difference.within(part, found, wanted))
        }
        (Some(found), None) => {
            let mut difference = Difference::of(format!("is `{found}`"), "has no value");
            difference.path.push(part.to_owned());
            Some(difference)
        }
        (None, Some(wanted)) => {
            let mut difference = Difference::of("has no value", format!("is `{wanted}`"));
            difference.path.push(part.to_owned());
            Some(difference)
        }
    }
}

fn keys<T>(parts: &[(String, T)]) -> Vec<String> {
    parts.iter().map(|(name, _)| name.clone()).collect()
}

/// How two lists of names differ: what is missing or too many, or else their order.
fn listed(what: &str, found: &[String], wanted: &[String]) -> Difference {
    let beside = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter().filter(|name| !other.contains(name)).cloned().collect()
    };
    let (more, less) = (beside(found, wanted), beside(wanted, found));
    match (more.is_empty(), less.is_empty()) {
        (false, true) => Difference::of(format!("has {what} {}", some(&more)), "hasn't"),
        (true, false) => Difference::of(format!("hasn't {what} {}", some(&less)), "has them"),
        _ => Difference::of(
            format!("has {what} {}", some(found)),
            format!("has {what} {}", some(wanted)),
        ),
    }
}

/// As many names as anybody reads.
fn some(names: &[String]) -> String {
    const MAX: usize = 12;
    let mut shown: Vec<String> =
        names.iter().take(MAX).map(|name| format!("`{}`", spoken(name))).collect();
    if names.len() > MAX {
        shown.push(format!("and {} more", names.len() - MAX));
    }
    shown.join(", ")
}
