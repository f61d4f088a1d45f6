//! `policy check`: is this component a policy?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use taskhost::domain::Error as BoardError;
use taskhost::{Anatomy, Digest, HookLimits};

use super::described::Described;
use crate::context::{Context, slowly};
use crate::exit::{Code, Usage};
use crate::input::{self, FileError};
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
    let examined = slowly("compiling the policy", || taskhost::examine_policy(&bytes));
    let (about, anatomy) = examined.map_err(|error| of_file(error, &args.component, &bytes))?;
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

/// Names the file where the failure knows no more than its digest.
fn of_file(mut error: taskhost::Error, path: &Path, bytes: &[u8]) -> taskhost::Error {
    if let taskhost::Error::Board(BoardError::Policy(failure)) = &mut error
        && failure.policy == Digest::of(bytes).short()
    {
        failure.policy = path.display().to_string();
    }
    error
}

/// The bytes of a component.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let max = HookLimits::default().component_bytes_max as u64;
    input::file(path, max).map_err(|error| {
        let what = match error {
            FileError::Failed(error) => error.to_string(),
            FileError::NoFile(what) => {
                format!("it is {what}: give the `.wasm` file of a component")
            }
            FileError::TooLarge(size) => format!(
                "it has {size} bytes, and a policy at most {}: leave out what it doesn't need",
                parse::show_bytes(max)
            ),
        };
        Usage(format!("`{}` can't be read as a policy: {what}", path.display())).into()
    })
}
