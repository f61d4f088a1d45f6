//! `policy check`: is this component a policy?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use taskhost::Digest;

use super::described::Described;
use crate::context::Context;
use crate::exit::{Code, Usage};

/// The largest component that is read, in bytes: larger ones are no policies.
const BYTES_MAX: u64 = 256 << 20;

const EXAMPLES: &str = "\
Example:

  taskhost policy check newest-first.wasm

No board is needed. If the component isn't a policy, everything that is wrong with it is said, and the exit code \
is 8.";

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
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let bytes = read(&args.component)?;
    let about = taskhost::check_policy(&bytes)?;
    let answer = Answer { policy: Described::new(about, Digest::of(&bytes), &BTreeMap::new()) };
    context.output.answer(&answer, |out| answer.policy.write(out))?;
    Ok(Code::Done)
}

/// The bytes of a component.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let wrong =
        |what: String| Usage(format!("`{}` can't be read as a policy: {what}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if size > BYTES_MAX {
        return Err(
            wrong(format!("it has {size} bytes, and a policy has at most {BYTES_MAX}")).into()
        );
    }
    Ok(std::fs::read(path).map_err(|error| wrong(error.to_string()))?)
}
