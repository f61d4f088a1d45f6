//! The policy that a command is given: a component's file, one that is kept on the board, or a word for one.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::Result;
use taskhost::{Board, Digest, PolicyTarget};

use super::{check, list};
use crate::exit::{NoSuchValue, Usage};

/// How many digits of a digest are enough.
const DIGITS_MIN: usize = 8;

/// Reads it. A file that is there is meant, whatever its name looks like.
pub fn target(board: &Board, given: &OsStr) -> Result<PolicyTarget> {
    match given.to_str() {
        Some("standard") => return Ok(PolicyTarget::Standard),
        Some("current") => return Ok(PolicyTarget::Current),
        Some(digits) if is_digest(digits) && !Path::new(given).exists() => {
            let component = board.engine().store().component(kept(board, digits)?);
            return Ok(PolicyTarget::Component(component.map_err(|error| {
                NoSuchValue(format!(
                    "the policy `{digits}` isn't kept on this board any more: {error}"
                ))
            })?));
        }
        _ => {}
    }
    Ok(PolicyTarget::Component(check::read(Path::new(given))?))
}

fn is_digest(text: &str) -> bool {
    (DIGITS_MIN..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The policy whose digest begins so, of those that ever led.
fn kept(board: &Board, digits: &str) -> Result<Digest> {
    let known = list::known(board)?;
    let mut found = known.keys().filter(|digest| digest.to_string().starts_with(digits));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(*one),
        (Some(_), Some(_)) => Err(Usage(format!(
            "several policies of this board begin with `{digits}`: give more of the digest"
        ))
        .into()),
        (None, _) => Err(NoSuchValue(format!(
            "there is no file `{digits}`, and no policy of this board begins with it: `taskhost policy list` \
             lists them"
        ))
        .into()),
    }
}
