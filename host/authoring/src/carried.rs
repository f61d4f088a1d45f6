//! The files that this crate carries, as paths and contents; the build script lists them.

/// A file: its path below the directory it came from, and its content.
pub type Carried = (&'static str, &'static str);

include!(concat!(env!("OUT_DIR"), "/carried.rs"));

/// The licence of what is copied into projects.
pub const LICENSE: &str = include_str!("../../../LICENSE");

#[cfg(test)]
mod tests {
    use super::*;

    /// A project of its own resolves the SDK's dependencies itself, so the two lists must not drift apart.
    #[test]
    fn sdk_that_is_carried_has_the_dependencies_of_the_real_one() {
        let manifest = |text: &str| -> Vec<String> {
            let (_, dependencies) = text.split_once("[dependencies]\n").expect("it has some");
            let lines = dependencies.lines().take_while(|line| !line.starts_with('['));
            lines.filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
        };
        let carried = RUST_FILES.iter().find(|(path, _)| *path == "vendor/sdk/Cargo.toml.in");
        let carried = manifest(carried.expect("the SDK has a manifest").1);
        let real = manifest(include_str!("../../../guest/sdk/Cargo.toml"));
        let workspace = include_str!("../../../Cargo.toml");
        assert_eq!(carried.len(), real.len(), "{carried:?} for {real:?}");
        for (carried, real) in carried.iter().zip(&real) {
            let name = real.strip_suffix(".workspace = true").expect("it is the workspace's");
            assert!(carried.starts_with(&format!("{name} = ")), "{carried} for {name}");
            assert!(
                workspace.lines().any(|line| line == carried),
                "{carried} isn't the workspace's"
            );
        }
    }

    #[test]
    fn contract_sdk_and_bindings_are_carried_whole() {
        let has = |list: &[Carried], path: &str| list.iter().any(|(name, _)| *name == path);
        assert!(has(CONTRACT, "types.wit") && has(CONTRACT, "worlds.wit"));
        assert!(has(SDK_SOURCES, "lib.rs") && has(SDK_SOURCES, "mock/mod.rs"));
        assert!(has(SDK_WORLDS, "hooks.wit"));
        for hook in ["about", "readiness", "assignment", "lifecycle", "recovery"] {
            assert!(has(PYTHON_BINDINGS, &format!("wit_world/exports/{hook}.py")), "{hook}");
            let types = format!("interfaces/taskhost-policy-{hook}.d.ts");
            assert!(has(JAVASCRIPT_BINDINGS, &types), "{hook}");
        }
    }
}
