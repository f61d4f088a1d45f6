//! What comes out of a build: components that have the hooks their source names, and no more authority
//! than the contract gives.

use std::path::Path;
use wit_component::{DecodedWasm, decode};

const CONTRACT: &str = "taskhost:policy/";

/// The interfaces that a component imports and exports, sorted, as `taskhost:policy/about@0.1.0`.
struct Interfaces {
    imports: Vec<String>,
    exports: Vec<String>,
}

fn interfaces(component: &[u8]) -> Interfaces {
    let decoded = decode(component).expect("a component");
    let DecodedWasm::Component(resolve, world) = &decoded else { panic!("it is a WIT package") };
    let world = &resolve.worlds[*world];
    let sorted = |keys: Vec<_>| {
        let mut names: Vec<String> = keys.iter().map(|key| resolve.name_world_key(key)).collect();
        names.sort();
        names
    };
    Interfaces {
        imports: sorted(world.imports.keys().cloned().collect()),
        exports: sorted(world.exports.keys().cloned().collect()),
    }
}

/// WIT has no optional exports, and a policy that exported a hook it doesn't have would decide in the
/// standard policy's place; one that imported WASI would want files and a clock of its own.
#[test]
fn components_export_the_hooks_they_name_and_import_only_the_contract() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let components = taskhost_guest_build::build_all(
        &["newest-first", "taskhost-standard"],
        &workspace,
        &taskhost_guest_build::target_dir(&workspace),
    )
    .expect("the policies build");
    let [newest_first, standard] = components.as_slice() else { panic!("two components") };

    let all = ["about", "assignment", "lifecycle", "readiness", "recovery"];
    for (component, hooks) in [(newest_first, &all[..2]), (standard, &all[..])] {
        let Interfaces { imports, exports } = interfaces(component);
        let hooks: Vec<_> = hooks.iter().map(|hook| format!("{CONTRACT}{hook}@0.1.0")).collect();
        assert_eq!(exports, hooks);
        assert!(imports.iter().all(|import| import.starts_with(CONTRACT)), "{imports:?}");
    }
}
