//! What every policy of a process shares: wasmtime's engine, the linkers, the ticker, the compiled code.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use taskhost_board::{Digest, PolicyFailure};
use wasmtime::component::Linker;
use wasmtime::{Config, Engine};

use crate::anatomy::{self, Anatomy};
use crate::component::{self, Compiled};
use crate::contract::Contracts;
use crate::failure::not_a_policy;
use crate::limits::HookLimits;
use crate::state::State;
use crate::ticker::Ticker;
use crate::{cache, fit, imports, wasi};

/// How many components stay compiled in a process besides those in use.
const COMPILED_MAX: usize = 8;

/// What distinguishes one engine from another.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    /// A forked child makes its own: threads of its parent's may have had locks of that one.
    process: u32,
    stack_bytes_max: usize,
    cache_dir: Option<PathBuf>,
    contracts: Contracts,
}

/// The machines of this process, so that several boards share compiled code.
static MACHINES: Mutex<Vec<(Key, Weak<Machine>)>> = Mutex::new(Vec::new());

/// Whether this is a child of a process that has run policies: the threads that compiled there aren't here, and would be
/// waited for for ever.
fn is_forked(process: u32) -> bool {
    static FIRST: OnceLock<u32> = OnceLock::new();
    *FIRST.get_or_init(|| process) != process
}

pub(crate) struct Machine {
    pub(crate) engine: Engine,
    pub(crate) ticker: Ticker,
    /// The versions of the contract that it runs.
    contracts: Contracts,
    plain: Linker<State>,
    /// For components that import WASI: few do, and it takes a while to define.
    with_wasi: OnceLock<Linker<State>>,
    /// The latest last.
    compiled: Mutex<Vec<Arc<Compiled>>>,
    /// Held while compiling, so that nobody compiles the same at the same time.
    compiling: Mutex<()>,
}

impl Machine {
    /// The process's machine for these limits and this cache.
    pub(crate) fn shared(
        limits: &HookLimits,
        cache_dir: Option<&Path>,
        contracts: Contracts,
    ) -> wasmtime::Result<Arc<Self>> {
        let key = Key {
            process: std::process::id(),
            stack_bytes_max: limits.stack_bytes_max,
            cache_dir: cache_dir.map(Path::to_owned),
            contracts,
        };
        let mut machines = MACHINES.lock();
        machines.retain(|(_, machine)| machine.strong_count() > 0);
        if let Some((_, machine)) = machines.iter().find(|(known, _)| *known == key)
            && let Some(machine) = machine.upgrade()
        {
            return Ok(machine);
        }
        let machine = Arc::new(Self::new(&key)?);
        machines.push((key, Arc::downgrade(&machine)));
        Ok(machine)
    }

    fn new(key: &Key) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .max_wasm_stack(key.stack_bytes_max)
            // A failure is told in a line, so nobody would see the frames.
            .wasm_backtrace_max_frames(None)
            // The same answer on every machine.
            .relaxed_simd_deterministic(true)
            .cache(key.cache_dir.as_deref().and_then(cache::open))
            .parallel_compilation(!is_forked(key.process));
        let engine = Engine::new(&config)?;
        let mut plain = Linker::new(&engine);
        for contract in key.contracts.all() {
            imports::link(&mut plain, contract)?;
        }
        Ok(Self {
            contracts: key.contracts.clone(),
            ticker: Ticker::new(&engine),
            engine,
            plain,
            with_wasi: OnceLock::new(),
            compiled: Mutex::new(Vec::new()),
            compiling: Mutex::new(()),
        })
    }

    /// The component of this digest, if it is compiled.
    pub(crate) fn compiled(&self, digest: Digest) -> Option<Arc<Compiled>> {
        let mut compiled = self.compiled.lock();
        let index = compiled.iter().position(|component| component.digest == digest)?;
        let found = compiled.remove(index);
        compiled.push(found.clone());
        Some(found)
    }

    /// What a component is made of, and every mismatch with the contract if there are any. Nothing is compiled.
    pub(crate) fn examine(
        &self,
        bytes: &[u8],
        limits: &HookLimits,
    ) -> Result<Anatomy, PolicyFailure> {
        let names = anatomy::names(bytes, limits, &self.contracts)?;
        // Misspelt names are told even where the rest can't be read.
        let parts = anatomy::parts(bytes, &names)
            .map_err(|detail| fit::unreadable(bytes, &names, detail))?;
        fit::by_type(bytes, &names, &parts)?;
        Ok(names.anatomy(bytes, &parts))
    }

    /// Compiles the component that has this digest, unless it is compiled. Whatever a board is set to was examined then, so
    /// this reads no more of the contract than its version.
    pub(crate) fn compile(
        &self,
        digest: Digest,
        bytes: &[u8],
        limits: &HookLimits,
    ) -> Result<Arc<Compiled>, PolicyFailure> {
        if let Some(compiled) = self.compiled(digest) {
            return Ok(compiled);
        }
        let names = anatomy::names(bytes, limits, &self.contracts)?;
        let _compiling = self.compiling.lock();
        if let Some(compiled) = self.compiled(digest) {
            return Ok(compiled);
        }
        let linker = if names.wants_wasi() {
            self.with_wasi().map_err(|error| not_a_policy(&digest.short(), error.to_string()))?
        } else {
            &self.plain
        };
        let compiled =
            component::compile(&self.engine, linker, bytes, digest, &names).map_err(|failure| {
                // Each of its names that is wrong tells more than the first of them.
                fit::by_name(bytes, &names).err().unwrap_or(failure)
            })?;
        let compiled = Arc::new(compiled);
        let mut all = self.compiled.lock();
        if all.len() >= COMPILED_MAX {
            all.remove(0);
        }
        all.push(compiled.clone());
        Ok(compiled)
    }

    fn with_wasi(&self) -> wasmtime::Result<&Linker<State>> {
        if let Some(linker) = self.with_wasi.get() {
            return Ok(linker);
        }
        let mut linker = self.plain.clone();
        wasi::link(&mut linker)?;
        Ok(self.with_wasi.get_or_init(|| linker))
    }
}

#[cfg(test)]
mod tests {
    use wit_component::ComponentEncoder;
    use wit_parser::{ManglingAndAbi, Resolve};

    use super::*;

    /// A policy that says what it is, or would if that didn't trap.
    fn component() -> Vec<u8> {
        let mut resolve = Resolve::default();
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        resolve.push_dir(wit).expect("the contract");
        let world = "package test:made; world p { import taskhost:policy/board@0.1.0; \
                     export taskhost:policy/about@0.1.0; }";
        let package = resolve.push_str("made.wit", world).expect("a package");
        let world = resolve.select_world(&[package], None).expect("a world");
        let mut module = wit_component::dummy_module(&resolve, world, ManglingAndAbi::Standard32);
        let encoding = wit_component::StringEncoding::UTF8;
        wit_component::embed_component_metadata(&mut module, &resolve, world, encoding)
            .expect("a module");
        let mut encoder = ComponentEncoder::default().module(&module).expect("a module");
        encoder.encode().expect("a component")
    }

    // Every process parsed the text of the whole contract before its first claim, and that took a tenth as long as all
    // the rest of the command.
    #[test]
    fn component_that_fits_is_compiled_without_reading_the_contract() {
        let (limits, contracts) = (HookLimits::default(), Contracts::alone());
        let machine = Machine::shared(&limits, None, contracts.clone()).expect("a machine");
        let component = component();
        machine.compile(Digest::of(&component), &component, &limits).expect("it fits");
        assert!(!contracts.present().is_read());
        machine.examine(&component, &limits).expect("it fits");
        assert!(contracts.present().is_read());
    }
}
