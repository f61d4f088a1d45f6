//! The author's world, in `world.wit`: which hooks the policy has.

use std::fs;
use std::path::Path;

use wit_parser::{InterfaceId, PackageId, Resolve, SourceMap, Type, WorldId, WorldItem, WorldKey};

use crate::carried;
use crate::error::{Error, Result, at};

/// What an author's world is called.
pub const NAME: &str = "policy";
/// The file that it stands in.
pub const FILE: &str = "world.wit";

/// The world of the contract that has every hook.
const EVERYTHING: &str = "everything";

/// A world, beside the contract that it speaks of.
pub struct World {
    pub resolve: Resolve,
    pub id: WorldId,
    contract: PackageId,
}

/// A hook: an exported interface of the contract, and its functions, as the contract spells them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub interface: String,
    pub functions: Vec<String>,
}

impl World {
    /// The one in `world.wit` of a project.
    pub fn read(project: &Path) -> Result<Self> {
        let path = project.join(FILE);
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        Self::parse(&text)
    }

    pub fn parse(text: &str) -> Result<Self> {
        let mut resolve = Resolve::default();
        let mut contract = SourceMap::default();
        for (path, content) in carried::CONTRACT {
            contract.push_str(path, *content);
        }
        let contract = contract.parse().map_err(|(_, error)| Error::Unexpected(error.into()))?;
        let contract =
            resolve.push_group(contract).map_err(|error| Error::Unexpected(error.into()))?;
        // With the place in the file.
        let package = resolve.push_str(FILE, text);
        let package = package.map_err(|error| Error::World(resolve.render_error(&error)))?;
        let id = resolve.select_world(&[package], Some(NAME));
        let id = id.map_err(|error| Error::World(format!("{error:#}")))?;
        Ok(Self { resolve, id, contract })
    }

    /// The interfaces of the contract that it imports, by their names there.
    pub fn imports(&self) -> Vec<String> {
        let imports = self.resolve.worlds[self.id].imports.keys();
        imports.filter_map(|key| self.name_in_contract(key)).collect()
    }

    /// The hooks that it exports, in their order.
    pub fn hooks(&self) -> Vec<Hook> {
        self.hooks_of(self.id).into_iter().map(|(hook, _)| hook).collect()
    }

    /// The hooks of the contract that it doesn't export.
    pub fn left_out(&self) -> Vec<Hook> {
        let own = self.hooks();
        let every = self.resolve.packages[self.contract].worlds.get(EVERYTHING);
        let every = every.map(|id| self.hooks_of(*id)).unwrap_or_default();
        every.into_iter().map(|(hook, _)| hook).filter(|hook| !own.contains(hook)).collect()
    }

    /// What a function of one of its hooks answers.
    pub fn answer(&self, interface: &str, function: &str) -> Option<Type> {
        let hooks = self.hooks_of(self.id);
        let (_, id) = hooks.into_iter().find(|(hook, _)| hook.interface == interface)?;
        self.resolve.interfaces[id].functions.get(function)?.result
    }

    /// An interface of the contract as worlds name it, as in `taskhost:policy/about@0.1.0`.
    pub fn full_name(&self, interface: &str) -> String {
        self.resolve.packages[self.contract].name.interface_id(interface)
    }

    fn hooks_of(&self, world: WorldId) -> Vec<(Hook, InterfaceId)> {
        let hook = |(key, item): (&WorldKey, &WorldItem)| {
            let WorldItem::Interface { id, .. } = item else { return None };
            let functions = self.resolve.interfaces[*id].functions.keys().cloned().collect();
            Some((Hook { interface: self.name_in_contract(key)?, functions }, *id))
        };
        self.resolve.worlds[world].exports.iter().filter_map(hook).collect()
    }

    fn name_in_contract(&self, key: &WorldKey) -> Option<String> {
        let name = self.resolve.name_world_key(key);
        let (_, name) = name.split_once('/')?;
        Some(name.split('@').next()?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_those_that_the_world_exports() {
        let text = "package my:policy; world policy { include taskhost:policy/imports@0.1.0; \
                    export taskhost:policy/about@0.1.0; export taskhost:policy/lifecycle@0.1.0; }";
        let hooks = World::parse(text).map(|world| world.hooks()).expect("it is a world");
        let hook = |interface: &str, function: &str| Hook {
            interface: interface.into(),
            functions: vec![function.into()],
        };
        assert_eq!(hooks, [hook("about", "describe"), hook("lifecycle", "on-event")]);
    }

    #[test]
    fn world_that_is_wrong_is_refused_with_the_reason() {
        for (text, why) in [
            ("package my:policy; world other {}", "policy"),
            ("package my:policy; world policy { export taskhost:policy/none@0.1.0; }", "none"),
            ("world", "expected"),
        ] {
            let error = World::parse(text).err().expect("it is wrong").to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
