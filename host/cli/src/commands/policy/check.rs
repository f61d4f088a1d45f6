//! `policy check`: is this component a policy?

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use taskhost::{Anatomy, Digest, HookLimits};

use super::described::Described;
use crate::context::{Context, slowly};
use crate::exit::{Code, Usage};
use crate::output::line;
use crate::parse;

const EXAMPLES: &str = "\
Example:

  taskhost policy check newest-first.wasm

No board is needed. If the component isn't a policy, everything that is wrong with it is said, a line each, and \
the exit code is 8.";

/// Check that a WebAssembly component is a policy, and show what it says about itself
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The component
    #[arg(value_name = "P.wasm")]
    component: PathBuf,
}

#[derive(Serialize)]
struct Answer {
    policy: Described,
    component: Component,
}

/// `contract`: the version it was built against. `imports`: the interfaces of the contract that it uses; `wasi`: those
/// of WASI, which have nothing in them.
#[derive(Serialize)]
struct Component {
    bytes: u64,
    code_bytes: u64,
    data_bytes: u64,
    contract: String,
    imports: Vec<String>,
    wasi: Vec<String>,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let bytes = read(&args.component)?;
    let (about, anatomy) = slowly("compiling the policy", || taskhost::examine_policy(&bytes))?;
    let Anatomy { bytes: size, code_bytes, data_bytes, contract, imports, wasi } = anatomy;
    let answer = Answer {
        policy: Described::new(about, Digest::of(&bytes), &BTreeMap::new()),
        component: Component { bytes: size, code_bytes, data_bytes, contract, imports, wasi },
    };
    context.output.answer(&answer, |out| {
        answer.policy.write(out);
        answer.component.write(out);
    })?;
    Ok(Code::Done)
}

impl Component {
    fn write(&self, out: &mut String) {
        let Self { bytes, code_bytes, data_bytes, contract, imports, wasi } = self;
        line(
            out,
            format_args!("size      {bytes} bytes: {code_bytes} of code, {data_bytes} of data"),
        );
        let imports = if imports.is_empty() { "nothing".into() } else { imports.join(" ") };
        line(out, format_args!("contract  {contract}, of which it imports {imports}"));
        let wasi = match wasi.len() {
            0 => "not wanted".into(),
            count => format!("{count} interfaces wanted, and given with nothing in them"),
        };
        line(out, format_args!("wasi      {wasi}"));
    }
}

/// The bytes of a component.
///
/// Only a file is read: whatever else has a name may have no end, or keep whoever opens it waiting.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let wrong =
        |what: String| Usage(format!("`{}` can't be read as a policy: {what}", path.display()));
    let failed = |error: std::io::Error| wrong(error.to_string());
    // A pipe that nobody writes to is opened without waiting for them.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let opened = File::options().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        let what = if found.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(wrong(format!("it is {what}: give the `.wasm` file of a component")).into());
    }
    let max = HookLimits::default().component_bytes_max as u64;
    if found.len() > max {
        let size = found.len();
        let what = format!(
            "it has {size} bytes, and a policy at most {}: leave out what it doesn't need",
            parse::show_bytes(max)
        );
        return Err(wrong(what).into());
    }
    let mut bytes = Vec::new();
    // One that grows meanwhile is refused by its size.
    file.take(max + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
