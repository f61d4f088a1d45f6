//! Names that a crate can't have, though a policy could.

/// The language's words of all editions, those that are kept for later included.
const WORDS: [&str; 52] = [
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue",
    "crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if",
    "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub",
    "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Those of the crates that come with the compiler.
const COMPILERS: [&str; 5] = ["alloc", "core", "proc_macro", "std", "test"];

/// Those of the crates that a policy is built with, which a new project depends on.
const SDKS: [&str; 2] = ["taskhost_sdk", "wit_bindgen"];

/// The name of a policy's library: without capitals, of which the compiler warns.
pub fn library(name: &str) -> String {
    name.replace('-', "_").to_ascii_lowercase()
}

/// Whose a name is, if no crate can have it.
pub fn taken(name: &str) -> Option<&'static str> {
    // As the compiler knows the package, and its library.
    let names = [name.replace('-', "_"), library(name)];
    let is_in = |taken: &[&str]| names.iter().any(|name| taken.contains(&name.as_str()));
    if is_in(&WORDS) {
        Some("a word of the language")
    } else if is_in(&COMPILERS) {
        Some("a library's that comes with the compiler")
    } else if is_in(&SDKS) {
        Some("a library's that policies are built with")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Projects of these names were made and couldn't be built: cargo or the compiler stumbled over them later.
    #[test]
    fn names_that_no_crate_can_have_are_told_from_those_that_look_like_them() {
        for name in [
            "fn",
            "self",
            "std",
            "core",
            "alloc",
            "test",
            "proc_macro",
            "proc-macro",
            "taskhost-sdk",
            "Self",
            "Fn",
        ] {
            assert!(taken(name).is_some(), "{name}");
        }
        for name in ["mine", "tests", "standard", "fn2", "taskhost", "Mine"] {
            assert_eq!(taken(name), None, "{name}");
        }
    }
}
