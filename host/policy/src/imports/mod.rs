//! What a policy may call: one file per interface that has more than a function.
//!
//! Every text and list that crosses is charged to the call ([`State::charge`]); every error that isn't the
//! policy's ends the call ([`crate::failure::Abort`]) instead of being handed to it.

mod board;
mod files;
mod locks;
mod transactions;

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::taskhost::policy as bound;
use crate::bindings::taskhost::policy::{clock, log, random, settings, types};
use crate::contract::Contract;
use crate::state::State;

/// Defines everything that this version of the contract lets a policy import. What stands in an older version means the
/// same as in the present one, so all of them have the same functions behind them, each under names of its own.
pub(crate) fn link(linker: &mut Linker<State>, contract: &Contract) -> wasmtime::Result<()> {
    type Own = HasSelf<State>;
    for interface in contract.imports.keys() {
        let mut names = linker.instance(&contract.full_name(interface))?;
        match &**interface {
            "board" => bound::board::add_to_linker_instance::<_, Own>(&mut names, |state| state)?,
            "clock" => clock::add_to_linker_instance::<_, Own>(&mut names, |state| state)?,
            "files" => bound::files::add_to_linker_instance::<_, Own>(&mut names, |state| state)?,
            "locks" => bound::locks::add_to_linker_instance::<_, Own>(&mut names, |state| state)?,
            "log" => log::add_to_linker_instance::<_, Own>(&mut names, |state| state)?,
            "random" => random::add_to_linker_instance::<_, Own>(&mut names, |state| state)?,
            "settings" => settings::add_to_linker_instance::<_, Own>(&mut names, |state| state)?,
            "transactions" => {
                bound::transactions::add_to_linker_instance::<_, Own>(&mut names, |state| state)?;
            }
            "types" => types::add_to_linker_instance::<_, Own>(&mut names, |state| state)?,
            other => wasmtime::bail!("nothing stands behind `{other}` of the contract"),
        }
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
