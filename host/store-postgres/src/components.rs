//! Policy components: in the database, and, once fetched, in files of this machine's cache.
//!
//! A component is known by the digest of its bytes, so a file that says something else is none, whoever wrote it, and
//! nobody has to keep the cache in order.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant as Deadline;

use taskhost_board::{Digest, ReadError};

use crate::link::Call;
use crate::shared::Shared;
use crate::sql;

/// The component of this digest.
pub(crate) fn component(shared: &Shared, digest: Digest) -> Result<Vec<u8>, ReadError> {
    let file = shared.component_cache.as_deref().map(|folder| place(folder, digest));
    let kept = file.as_deref().and_then(|file| fs::read(file).ok());
    if let Some(kept) = kept.filter(|kept| Digest::of(kept) == digest) {
        return Ok(kept);
    }
    let content = fetch(shared, digest)?;
    if let Some(file) = file {
        // Without it, it is fetched again.
        let _ = keep(&file, &content);
    }
    Ok(content)
}

fn fetch(shared: &Shared, digest: Digest) -> Result<Vec<u8>, ReadError> {
    let name = digest.to_string();
    let calls = [Call::of(sql::COMPONENT, vec![&name])];
    let rows = shared.ask(&calls, Deadline::now() + shared.lock_wait)?;
    let Some(row) = rows.first().and_then(|rows| rows.first()) else {
        return Err(ReadError::Damaged(format!("the board has no policy `{}`", digest.short())));
    };
    let content: Vec<u8> = row.get("content");
    if Digest::of(&content) != digest {
        let why = format!("the policy `{}` isn't what its name says", digest.short());
        return Err(ReadError::Damaged(why));
    }
    Ok(content)
}

fn place(folder: &Path, digest: Digest) -> PathBuf {
    folder.join(format!("{digest}.wasm"))
}

fn keep(file: &Path, content: &[u8]) -> std::io::Result<()> {
    let Some(folder) = file.parent() else { return Ok(()) };
    fs::create_dir_all(folder)?;
    let fresh = folder.join(format!(".{:016x}", crate::random()));
    fs::write(&fresh, content)?;
    fs::rename(&fresh, file).inspect_err(|_| {
        let _ = fs::remove_file(&fresh);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = place(&folder.path().join("components"), Digest::of(b"policy"));
        keep(&file, b"policy").expect("it can be written");
        keep(&file, b"policy").expect("it can be written");
        assert_eq!(fs::read(&file).expect("it is there"), b"policy");
        assert_eq!(
            fs::read_dir(file.parent().expect("it is in one")).expect("it is there").count(),
            1
        );
    }
}
