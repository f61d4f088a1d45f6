//! What a policy may call: one file per interface that has more than a function.
//!
//! Every text and list that crosses is charged to the call ([`State::charge`]); every error that isn't the
//! policy's ends the call ([`crate::failure::Abort`]) instead of being handed to it.

mod board;
mod files;
mod locks;
mod transactions;

use wasmtime::component::{HasSelf, Linker, LinkerInstance};

use crate::bindings::taskhost::policy as bound;
use crate::bindings::taskhost::policy::{clock, log, random, settings, types};
use crate::contract::Contract;
use crate::state::State;

type Define = fn(&mut LinkerInstance<'_, State>) -> wasmtime::Result<()>;

/// The host's side of every interface that a policy may import.
const INTERFACES: [(&str, Define); 9] = [
    ("board", |names| bound::board::add_to_linker_instance::<_, Own>(names, |state| state)),
    ("clock", |names| clock::add_to_linker_instance::<_, Own>(names, |state| state)),
    ("files", |names| bound::files::add_to_linker_instance::<_, Own>(names, |state| state)),
    ("locks", |names| bound::locks::add_to_linker_instance::<_, Own>(names, |state| state)),
    ("log", |names| log::add_to_linker_instance::<_, Own>(names, |state| state)),
    ("random", |names| random::add_to_linker_instance::<_, Own>(names, |state| state)),
    ("settings", |names| settings::add_to_linker_instance::<_, Own>(names, |state| state)),
    ("transactions", |names| {
        bound::transactions::add_to_linker_instance::<_, Own>(names, |state| state)
    }),
    ("types", |names| types::add_to_linker_instance::<_, Own>(names, |state| state)),
];

type Own = HasSelf<State>;

/// Defines everything that this version of the contract lets a policy import. What stands in an older version means the
/// same as in the present one, so all of them have the same functions behind them, each under names of its own.
pub(crate) fn link(linker: &mut Linker<State>, contract: &Contract) -> wasmtime::Result<()> {
    for (interface, define) in INTERFACES {
        define(&mut linker.instance(&contract.full_name(interface))?)?;
    }
    Ok(())
}

impl types::Host for State {}

impl settings::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.call("settings.get")?;
        let value = self.settings.get(&name).cloned();
        self.charge(name.len() + value.as_ref().map_or(0, String::len))?;
        Ok(value)
    }
}

impl clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.call("clock.now")?.tx.now().wall.0)
    }
}

impl random::Host for State {
    fn next(&mut self) -> wasmtime::Result<u32> {
        Ok(self.call("random.next")?.random.next_u32())
    }
}

impl log::Host for State {
    fn write(&mut self, line: String) -> wasmtime::Result<()> {
        self.charge(line.len())?;
        self.log.write(&line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contracts;

    #[test]
    fn something_stands_behind_every_interface_of_every_contract() {
        let contracts = Contracts::with(&[]);
        let names: Vec<&str> = INTERFACES.iter().map(|(name, _)| *name).collect();
        assert_eq!(contracts.present().imports().keys().collect::<Vec<_>>(), names);
        for older in contracts.all() {
            assert!(older.imports().keys().all(|name| names.contains(&&**name)), "{older:?}");
        }
    }
}
