"""The state of a Todo2 project: a file that people and programs edit, and the board beside it.

- :class:`StateFile`: both of them, and the locks; :func:`state_file` finds it.
- :class:`Snapshot`: what both said when they agreed.

The board is the truth for who has what. The file is where todos are written, and a mirror: whoever has the state lock
first does on the board what was changed in the file (:mod:`._todo2_absorb`), and then writes into the file what was
changed on the board. What was known when the two last agreed is kept with the board, so each change is told from the
other side's silence. Where both were changed the board's is kept, with a warning.

A file that isn't there is nobody's wish: nothing is done then, and the board stays as it is.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

from taskhost.board import Board, board_id, shaped
from taskhost.compat import _todo2_meaning as meaning
from taskhost.compat import _todo2_seen as seen_files
from taskhost.compat._boards import board_beside
from taskhost.compat._durable import replace_file
from taskhost.compat._todo2_absorb import FORMAT, Absorbing
from taskhost.compat._todo2_meaning import Todo
from taskhost.compat._todo2_memory import Known, Memory
from taskhost.compat._todo2_seen import Seen
from taskhost.compat.file_ops import BrokenJSON, FileLock, format_json, parse_json
from taskhost.errors import LockTimeout, NotFound
from taskhost.files import NotMapped
from taskhost.locks import HeldLock
from taskhost.task import Task

__all__ = ["Snapshot", "StateFile", "state_file"]

_DIRECTORY = ".todo2"
_NAME = "state.todo2.json"
#: Todos wait for what they depend on and not for their parents, their claims last, and nothing counts attempts.
_SETTINGS = {"parent": "independent", "lease": "30d", "max_attempts": "0"}
#: How long each command may wait for the board's own lock, which is held for milliseconds, in seconds: few different
#: ones, since each has a handle of its own.
_BOARD_WAITS = (1.0, 5.0, 30.0)


def state_file(root: str | os.PathLike[str] | None = None) -> StateFile:
    """That of the project at ``root``, else at ``TODO2_ROOT``, else of the nearest directory upwards that has one."""
    named = root if root is not None else os.environ.get("TODO2_ROOT")
    if named:
        return StateFile(Path(named).absolute())
    here = Path.cwd()
    found = next((up for up in (here, *here.parents) if (up / _DIRECTORY).is_dir()), here)
    return StateFile(found)


@dataclass(slots=True)
class Snapshot:
    """What the file and the board said when they agreed, by the board's ids."""

    text: bytes
    digest: str
    state: dict[str, Any]
    todos: dict[str, Todo]
    tasks: dict[str, Task]
    memory: Memory
    #: What of the file can't be done on the board yet, as it was known.
    waiting: dict[str, meaning.Meaning]
    #: The board's last entry before it was read.
    sequence: int
    #: Whether ``tasks`` are all of them. Where nothing has changed since the two agreed, none is read.
    is_whole: bool = True

    def task(self, board: Board, id: str) -> Task | None:
        """The task of this id on the board."""
        if not self.is_whole and id not in self.tasks and id in self.memory.known:
            try:
                self.tasks[id] = board.task(id)
            except NotFound:
                # It was archived just now.
                return None
        return self.tasks.get(id)


class _TaskLocks(threading.local):
    """The tasks that the current thread has locked: by the state's lock file and id, how many times and how."""

    def __init__(self) -> None:
        self.held: dict[tuple[Path, str], tuple[int, HeldLock]] = {}


_task_locks = _TaskLocks()


def _after_fork() -> None:
    # The child has none of its parent's locks.
    global _task_locks
    _task_locks = _TaskLocks()


os.register_at_fork(after_in_child=_after_fork)


class StateFile:
    """The file ``.todo2/state.todo2.json`` of a project, and the board beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / _DIRECTORY / _NAME
        self._lock = FileLock(self.path)

    def board(self, timeout: float) -> Board:
        """The board, which is made if it isn't there; its commands wait about ``timeout`` seconds for its lock."""
        wait = next((wait for wait in _BOARD_WAITS if timeout <= wait), _BOARD_WAITS[-1])
        return board_beside(self.path, timeout=wait, settings=_SETTINGS)

    @property
    def is_locked_here(self) -> bool:
        """Whether the current thread has the state lock."""
        return self._lock.is_held

    # Locks

    @contextmanager
    def hold(
        self,
        ids: Sequence[str],
        timeout: float,
        *,
        first: Callable[[], None] = lambda: None,
        last: Callable[[BaseException | None], None] = lambda error: None,
    ) -> Iterator[None]:
        """Holds the state lock, and the locks of these tasks. A thread may do so while it does so already.

        ``first`` and ``last``, which is told of an exception on its way, are called under the state lock alone. Nobody
        waits for a task while they keep others from the state, unless they had that before.
        """
        deadline = time.monotonic() + timeout
        while True:
            is_nested = self._lock.is_held
            with ExitStack() as held:
                self._lock.acquire(_until(deadline))
                held.callback(self._lock.release)
                first()
                tasks = held.enter_context(ExitStack())
                # In a fixed order, so that no two wait for each other.
                wait = _until(deadline) if is_nested else 0.0
                busy = self._lock_all(tasks, sorted({*map(board_id, ids)}), wait, timeout)
                if busy is None:
                    if is_nested and ids:
                        # While it waited for them, others may have changed what was seen.
                        first()
                    try:
                        yield
                    except BaseException as error:
                        tasks.close()
                        if self._lock.is_held:
                            last(error)
                        raise
                    tasks.close()
                    # In a child that was forked meanwhile it isn't: the parent has the lock.
                    if self._lock.is_held:
                        last(None)
                    return
            # One who waits for this task alone keeps nobody from anything.
            self.board(timeout).lock_task(busy, timeout=_until(deadline)).release()

    def _lock_all(
        self, held: ExitStack, ids: Sequence[str], wait: float, timeout: float
    ) -> str | None:
        """Locks all of them, or says which one somebody else has locked."""
        for id in ids:
            try:
                self._lock_one(id, wait, timeout)
            except LockTimeout:
                if wait > 0:
                    raise
                return id
            held.callback(self._unlock_one, id)
        return None

    def _lock_one(self, id: str, wait: float, timeout: float) -> None:
        key = (self._lock.lock_path, id)
        count, lock = _task_locks.held.get(key, (0, None))
        if lock is None:
            lock = self.board(timeout).lock_task(id, timeout=wait)
        _task_locks.held[key] = (count + 1, lock)

    def _unlock_one(self, id: str) -> None:
        key = (self._lock.lock_path, id)
        if key not in _task_locks.held:
            # This is a child that was forked meanwhile: its parent has the lock.
            return
        count, lock = _task_locks.held.pop(key)
        if count > 1:
            _task_locks.held[key] = (count - 1, lock)
        else:
            lock.release()

    def _locked_here(self) -> set[str]:
        return {id for path, id in _task_locks.held if path == self._lock.lock_path}

    # Reading and writing, under the state lock

    def load(self) -> dict[str, Any] | None:
        """What the file says; ``None`` if it isn't there. Raises :class:`~.file_ops.BrokenJSON`."""
        text = self._text()
        return None if text is None else self._parse(text)

    def save(self, state: Mapping[str, Any]) -> None:
        """Puts this in the file's place."""
        replace_file(self.path, format_json(state))

    def _text(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def _parse(self, text: bytes) -> dict[str, Any]:
        state = parse_json(self.path, text)
        todos = state.get("todos") if isinstance(state, dict) else None
        if not (isinstance(todos, list) and all(isinstance(todo, dict) for todo in todos)):
            raise BrokenJSON(
                f"`{self.path}` isn't an object with `todos`, a list of objects: mend it, or restore it from a copy",
                details={"path": str(self.path)},
            )
        found: dict[str, Any] = state
        return found

    # The file and the board, under the state lock

    def agree(self, timeout: float) -> Snapshot | None:
        """Brings the file's changes to the board and the board's to the file; ``None`` if there is no file."""
        text = self._text()
        seen = seen_files.take(self._lock.lock_path)
        if text is None:
            return None
        if seen is not None and seen.text == text:
            digest, state, todos = seen.digest, seen.state, seen.todos
        else:
            digest, state = _digest(text), self._parse(text)
            todos = _by_id(state)
        board = self.board(timeout)
        memory = Memory.recall(board, digest, None if seen is None else seen.memory)
        is_edited = memory.is_waiting or memory.gone or memory.digest != digest
        sequence = board.sequence
        snapshot = Snapshot(text, digest, state, todos, {}, memory, {}, sequence)
        if memory.sequence == sequence and not is_edited:
            snapshot.is_whole = False
            self._see(snapshot)
            return snapshot
        tasks = snapshot.tasks = {task.id: task for task in board.tasks()}
        if not is_edited:
            self._mirror(board, snapshot)
            return snapshot
        # What it does on the board, others may do something in between.
        snapshot.sequence = -1
        absorbing = Absorbing(board, tasks, memory.known, self._locked_here(), memory.gone)
        absorbing.run(todos)
        snapshot.waiting = absorbing.waiting
        self._mirror(board, snapshot, edited=absorbing.edited, kept=absorbing.kept)
        return snapshot

    def assigned(
        self, timeout: float, snapshot: Snapshot, tasks: Sequence[Task], said: Todo
    ) -> None:
        """Writes into the file that these tasks, which were changed on the board, are ``said``'s now."""
        seen_files.take(self._lock.lock_path)
        snapshot.tasks.update((task.id, task) for task in tasks)
        now = datetime.now(timezone.utc)
        for task in tasks:
            todo = snapshot.todos[task.id]
            todo["assignee"] = dict(said)
            meaning.touch(todo, now)
        board = self.board(timeout)
        if snapshot.sequence >= 0:
            snapshot.sequence += 1
        self._mirror(board, snapshot, edited={task.id for task in tasks}, is_changed=True)

    def _see(self, now: Snapshot) -> None:
        """Remembers what file and board say, which agree, for this process."""
        if len(now.todos) < len(now.state["todos"]):
            # The next one is to be told again what of the file isn't on the board.
            return
        seen = Seen(now.text, now.digest, now.state, now.todos, now.memory)
        seen_files.keep(self._lock.lock_path, seen)

    def _mirror(
        self,
        board: Board,
        snapshot: Snapshot,
        *,
        edited: Collection[str] = (),
        kept: Mapping[str, set[str]] = MappingProxyType({}),
        is_changed: bool = False,
    ) -> None:
        """Writes into the file what was changed on the board, and remembers what both say.

        ``edited`` are the todos that mean something else than what is known of them, and ``kept`` is what of them stays
        though the board says otherwise. What a crash after each step leaves:

        1. what is known is announced, with the digest of the file to come: the next one finds the old file, and goes by
           what was known before;
        2. the file is replaced: the next one knows it by that digest, and goes by what was announced;
        3. that it has happened is kept.
        """
        memory = snapshot.memory
        is_changed |= _render(snapshot, edited, kept)
        memory.is_waiting = any("status" in keys for keys in snapshot.waiting.values())
        for id, keys in snapshot.waiting.items():
            known = memory.known[id]
            memory.known[id] = Known({**known.todo, **keys}, known.task)
        if is_changed:
            text = snapshot.text = format_json(snapshot.state, _indent(snapshot.text))
            snapshot.digest = _digest(text)
            # 1.
            memory.announce(board, snapshot.digest)
            # 2.
            replace_file(self.path, text)
        memory.digest = snapshot.digest
        memory.sequence = snapshot.sequence if snapshot.sequence == board.sequence else -1
        # 3.
        memory.keep(board)
        self._see(snapshot)


def _render(
    snapshot: Snapshot, edited: Collection[str], kept: Mapping[str, set[str]]
) -> bool:
    """Brings the state and what is known of it up to date with the board; says whether the state was changed."""
    memory, todos, tasks = snapshot.memory, snapshot.todos, snapshot.tasks
    now = datetime.now(timezone.utc)
    if not snapshot.is_whole:
        # All others are as they were when the two agreed.
        theirs = {id: meaning.of_task(tasks[id], memory.known[id].task) for id in edited}
        memory.known.update((id, Known(meaning.of_todo(todos[id]), theirs[id])) for id in edited)
        return False
    known: dict[str, Known] = {}
    is_changed = False
    for id, todo in list(todos.items()):
        task = tasks.get(id)
        if task is None:
            # It was archived on the board.
            snapshot.state["todos"].remove(todo)
            del todos[id]
            is_changed = True
            continue
        agreed = memory.known[id]
        theirs = meaning.of_task(task, agreed.task)
        if id not in edited and theirs == agreed.task:
            known[id] = agreed
            continue
        is_changed |= _tell(todo, theirs, agreed.task, kept.get(id, set()), now)
        known[id] = Known(meaning.of_todo(todo), theirs)
    for id, task in tasks.items():
        if id not in todos and id not in memory.gone:
            todo = todos[id] = shaped(FORMAT, task)
            snapshot.state["todos"].append(todo)
            known[id] = Known(meaning.of_todo(todo), meaning.of_task(task))
            is_changed = True
    memory.known = known
    return is_changed


def _tell(
    todo: Todo,
    theirs: meaning.Meaning,
    before: meaning.Meaning,
    kept: set[str],
    now: datetime,
) -> bool:
    """Writes into the todo what was changed on the board; says whether anything was."""
    is_changed = False
    said = meaning.of_todo(todo)
    for key in sorted({*theirs, *before}):
        if key.startswith("fixed:") or key in kept:
            continue
        value = theirs.get(key)
        if value != before.get(key) and value != said.get(key):
            meaning.write(todo, key, value)
            is_changed = True
    if is_changed:
        meaning.touch(todo, now)
    return is_changed


def _by_id(state: Mapping[str, Any]) -> dict[str, Todo]:
    """The todos by the board's ids. Of two of one id the first counts, and what has no id is left alone."""
    todos: dict[str, Todo] = {}
    for todo in state["todos"]:
        original = todo.get("id")
        if isinstance(original, bool) or not isinstance(original, str | int) or original == "":
            _leave_out("a todo has no id")
            continue
        id = board_id(str(original))
        if id in todos:
            _leave_out(f"two todos have the id `{original}`")
            continue
        todos[id] = todo
    return todos


def _leave_out(what: str) -> None:
    said = f"{what}: it stays in the file, and the board has nothing of it: give it an id of its own"
    warnings.warn(said, NotMapped, stacklevel=3)


def _indent(text: bytes) -> int | None:
    """How the file is indented: as it is, so that its differences stay small."""
    return 2 if text.startswith(b"{\n") else None


def _digest(text: bytes) -> str:
    return sha256(text).hexdigest()


def _until(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
