"""Files that are replaced in one step, durably."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from taskhost.errors import OutcomeUnknown

__all__ = ["replace_file"]


def replace_file(path: Path, content: bytes) -> None:
    """Puts ``content`` in the place of what the file at ``path`` had.

    Its steps, and what a crash after each leaves:

    1. directories are made: the old file;
    2. a new file beside it is written, with the old one's permissions: the old file, and a leftover ``.*.tmp``;
    3. the new file is synced: the same;
    4. the new file is renamed over the old one: the old file or the new one, each whole;
    5. the directory is synced: the new file.
    """
    # A link stays a link: what it points at is replaced.
    target = Path(os.path.realpath(path))
    # 1.
    _make_directory(target.parent)
    # 2. to 4.
    # A name has 255 bytes at most.
    begin = os.fsdecode(os.fsencode(target.name)[:200])
    draft = target.with_name(f".{begin}.{secrets.token_hex(8)}.tmp")
    try:
        _write_synced(draft, content, like=target)
        os.replace(draft, target)
    except BaseException:
        with suppress(FileNotFoundError):
            draft.unlink()
        raise
    # 5.
    try:
        _sync_directory(target.parent)
    except OSError as error:
        raise OutcomeUnknown(
            f"`{target}` was written, but may be the old one again after a power failure: {error}: write it again",
            code="outcome_unknown",
            details={"path": str(target)},
        ) from error


def _write_synced(draft: Path, content: bytes, *, like: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    with os.fdopen(os.open(draft, flags, 0o666), "wb") as file:
        _make_alike(file.fileno(), like)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _make_alike(descriptor: int, like: Path) -> None:
    """Gives the new file the owner and permissions of the old one, if there is one."""
    try:
        old = like.stat()
    except FileNotFoundError:
        return
    new = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        # Only root may give files away; without, the file is whose process this is.
        with suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    # After the owner, whose change takes some permissions away.
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _make_directory(directory: Path) -> None:
    """Makes it and what is above it, durably: each new entry is synced in the directory that has it."""
    if directory.is_dir():
        return
    _make_directory(directory.parent)
    with suppress(FileExistsError):
        directory.mkdir()
    _sync_directory(directory.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
