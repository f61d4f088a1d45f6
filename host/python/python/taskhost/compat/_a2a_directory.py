"""The directory in which programs of the ``a2a`` system leave tasks for each other, one file each.

Such a program claims a task by locking ``available/ID.lock`` and moving ``available/ID.json`` away. So does this one::

    available/ID.json  →  importing/ID.json  →  (onto the board)  →  imported/ID.json

Of two that claim a file at once only one can move it, however the other one treats the lock. What stands in
``importing`` was taken from the others and may not be on the board yet, because a process died in between: whoever
looks next brings it there. What stands in ``claimed`` and ``completed`` is brought along and left where it is.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from taskhost.board import Board, board_id
from taskhost.errors import Invalid, LockTimeout, NotFound, Refused, Taken, UsageError
from taskhost.files import ImportReport
from taskhost.locks import FileLock

__all__ = ["TaskDirectory", "task_id_of", "tell_of"]

_log = logging.getLogger("taskhost.compat.a2a")

_Found = tuple[Path, dict[str, Any]]

_BATCH = 64
"""How many files are locked at once: each takes a descriptor."""

_SETTLED_NS = 2_000_000_000
"""A directory that was changed so recently may change again without looking younger."""

_LOOKED = "a2a:looked"
"""The key in the board's metadata under which stands when what is left alone was last changed."""

_FINISHED = ("completed", "failed", "cancelled", "canceled")


def task_id_of(fields: Mapping[str, Any]) -> str | None:
    """The id that a task of this system gives itself."""
    for name in ("task_id", "id"):
        value = fields.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


def tell_of(report: ImportReport) -> None:
    """Logs what was brought to the board, and what of it has no place there."""
    for remark in report.remarks:
        # What a task is called on the board is nobody's concern here: it answers to its own id.
        if remark.field not in ("task_id", "id"):
            extra = {"event": "not_mapped", "task_id": remark.task}
            _log.warning("%s", remark, extra=extra)
    for id in report.added:
        extra = {"event": "imported", "task_id": id}
        _log.info("task %s was brought to the board", id, extra=extra)


class TaskDirectory:
    """A directory of tasks, and the board that they are brought to."""

    def __init__(self, root: Path, board: Board, lease: float) -> None:
        self.root = root
        self._board = board
        self._lease = lease
        self._warned: set[tuple[str, int]] = set()
        self._brought: set[tuple[str, str]] = set()
        for name in ("available", "claimed", "completed", "importing", "imported"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self._looked: dict[str, int] = dict(board.meta().get(_LOOKED) or {})

    def waiting_as(self, board: Board) -> TaskDirectory:
        """The same directory, for one who waits no longer for the board than ``board`` does."""
        same = copy.copy(self)
        same._board = board
        return same

    def fetch(self, task_id: str, timeout: float) -> float:
        """Brings one task to the board, if its file was left here; says how many seconds its lock was waited for.

        Raises :class:`taskhost.LockTimeout` if somebody else had the lock all the while.
        """
        waited = 0.0
        self._bring_taken()
        if (file := self._available(task_id)) is not None:
            began = time.monotonic()
            with FileLock(file.with_suffix(".lock")).acquire(timeout):
                waited = time.monotonic() - began
                self._take([file])
        if not self._is_on_board(task_id):
            self._bring_standing()
        return waited

    def look(self) -> None:
        """Brings whatever is new to the board, except what another program is just claiming."""
        self._bring_taken()
        self._bring_standing()
        files = _json_files(self.root / "available")
        for start in range(0, len(files), _BATCH):
            with ExitStack() as locks:
                free = []
                for file in files[start : start + _BATCH]:
                    try:
                        locks.enter_context(FileLock(file.with_suffix(".lock")).acquire(0))
                    except LockTimeout:
                        continue
                    free.append(file)
                self._take(free)

    # One step after the other

    def _available(self, task_id: str) -> Path | None:
        """The file in which the task stands if nobody has claimed it there; an id may be no file's name."""
        if not task_id or task_id.startswith(".") or "/" in task_id or "\0" in task_id:
            return None
        file = self.root / "available" / f"{task_id}.json"
        try:
            return file if file.is_file() and not file.is_symlink() else None
        except OSError:
            # Too long for a file's name.
            return None

    def _take(self, files: Iterable[Path]) -> None:
        """Moves files away whose locks are held, and brings them to the board."""
        # Whoever died between writing the claimed file and removing this one has claimed it all the same.
        self._bring_standing()
        moved = False
        for file in files:
            if self._read(file) is None:
                continue
            try:
                os.rename(file, self.root / "importing" / file.name)
                moved = True
            except FileNotFoundError:
                # Another program was faster, whose lock was on a lock file that has been deleted since.
                continue
        if moved:
            # It must not come back where others would claim it, once it was claimed here.
            _sync(self.root / "importing")
            _sync(self.root / "available")
            self._bring_taken()

    def _bring_taken(self) -> None:
        """Brings what was moved away to the board: just now, or by a process that died over it."""
        files = _json_files(self.root / "importing")
        found = [(file, fields) for file in files if (fields := self._read(file)) is not None]
        for file, fields in self._import(found):
            try:
                os.rename(file, self.root / "imported" / file.name)
            except FileNotFoundError:
                # Another process has brought it at the same time.
                pass

    def _bring_standing(self) -> None:
        """Brings what others have claimed or completed."""
        changed = False
        for name, word in (("claimed", "claimed"), ("completed", "completed")):
            now, stamp = time.time_ns(), (self.root / name).stat().st_mtime_ns
            if self._looked.get(name) == stamp:
                continue
            files = _json_files(self.root / name)
            for file, fields in self._import(list(self._new(files, name, word))):
                self._brought.add((name, file.name))
                if name == "completed":
                    self._complete_as_there(fields)
            if not all((name, file.name) in self._brought for file in files):
                # Somebody may still be writing, which doesn't change the directory.
                continue
            if now - stamp > _SETTLED_NS:
                self._looked[name] = stamp
                changed = True
        if changed:
            self._board.set_meta(_LOOKED, self._looked)

    def _complete_as_there(self, fields: Mapping[str, Any]) -> None:
        """Completes a task that was brought while an old program held it, now that this one has completed it."""
        id = board_id(task_id_of(fields) or "")
        task = self._board.task(id)
        holder = task.claim
        if holder is None or fields.get("status") != "completed":
            return
        if holder.agent != fields.get("claimed_by", fields.get("agent_id")):
            return
        result = fields.get("result")
        try:
            self._board.complete(id, holder.agent, token=holder.token, result=result)
        except (Invalid, Taken) as error:
            # It went another way here meanwhile, and what the board says is so.
            _log.warning("%s was completed by an old program, but not here: %s", id, error)

    def _import(self, found: list[_Found]) -> list[_Found]:
        """Brings tasks to the board; gives those that are there now."""
        if not found:
            return []
        try:
            report = self._board.import_tasks("a2a", [f for _, f in found], lease=self._lease)
        except (Invalid, NotFound, Refused, UsageError) as error:
            if len(found) > 1:
                return [one for each in found for one in self._import([each])]
            file = found[0][0]
            if self._warns_first(file):
                _log.error("%s can't be brought to the board: %s", file, error)
            return []
        tell_of(report)
        return found

    def _is_on_board(self, task_id: str) -> bool:
        try:
            self._board.task(board_id(task_id))
        except NotFound:
            return False
        return True

    def _new(self, files: Iterable[Path], name: str, word: str) -> Iterator[_Found]:
        """What stands in those files of a directory that weren't brought yet."""
        for file in files:
            if (name, file.name) not in self._brought and (fields := self._read(file)) is not None:
                yield file, _standing(fields, word)

    def _read(self, file: Path) -> dict[str, Any] | None:
        """The task in a file; ``None`` if it is no task, or none yet, since these programs write in place."""
        try:
            fields = json.loads(file.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            self._leave_alone(file, str(error))
            return None
        if not isinstance(fields, dict):
            self._leave_alone(file, "it isn't an object")
            return None
        return fields if task_id_of(fields) else {"task_id": file.stem, **fields}

    def _leave_alone(self, file: Path, why: str) -> None:
        if self._warns_first(file):
            _log.warning("%s is left alone, since it holds no task: %s", file, why)

    def _warns_first(self, file: Path) -> bool:
        """Whether nothing was said of this file yet, as it is now: it is looked at again and again."""
        try:
            state = (str(file), file.stat().st_mtime_ns)
        except FileNotFoundError:
            return False
        is_first = state not in self._warned
        self._warned.add(state)
        return is_first


def _standing(fields: dict[str, Any], word: str) -> dict[str, Any]:
    """The task as it stands by its place, since a program may have died before it said so in the file."""
    said = fields.get("status")
    if said == word or (word == "completed" and said in _FINISHED):
        return fields
    return {**fields, "status": word}


def _json_files(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            names = [
                entry.name
                for entry in entries
                if entry.name.endswith(".json") and entry.is_file(follow_symlinks=False)
            ]
    except FileNotFoundError:
        return []
    return [directory / name for name in sorted(names)]


def _sync(directory: Path) -> None:
    """Makes sure that what was moved there stays there after a power loss."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
