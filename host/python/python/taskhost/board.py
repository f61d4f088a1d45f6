"""A board, as a program has it open."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from taskhost import _native
from taskhost._process import PerProcess
from taskhost.agent import Agent
from taskhost.errors import NotFound, TaskhostError, UsageError, _from_native
from taskhost.files import ImportReport, Remark
from taskhost.locks import HeldLock
from taskhost.looking import Event, Explanation, History
from taskhost.task import Assignee, Task

__all__ = ["Board", "Changed", "Counts", "Page", "board_id", "shaped"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tasks stand where."""

    total: int
    ready: int
    by_status: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the tasks that were asked for, and how many there are in all."""

    tasks: tuple[Task, ...]
    total: int
    next_cursor: int | None

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self.tasks)


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of each task that was named, and every task that was changed by it."""

    done: tuple[str, ...]
    already: tuple[str, ...]
    failed: Mapping[str, TaskhostError]
    touched: tuple[Task, ...]

    def check(self) -> Changed:
        """Raises the first failure, if there is one."""
        for error in self.failed.values():
            raise error
        return self


def _named(path: str | os.PathLike[str]) -> Path | str:
    """A board's directory, or its address in PostgreSQL, which a path would make another one of."""
    text = os.fspath(path)
    return text if text.startswith(("postgres://", "postgresql://")) else Path(text)


class Board:
    """A board of tasks: a directory, ``.taskhost`` unless said otherwise, or one in PostgreSQL, which is named by an
    address such as ``postgres://ada@db.example.org/work?board=nightly``.

    ::

        board = Board.init("work.taskhost")          # or Board("work.taskhost"), if it is there
        board.add("build", id="parser", priority=3)
        with board.agent("ada") as agent:
            for claim in agent.claims():             # until there is nothing to claim
                with claim:                          # completed at the end, failed if it raises
                    print("working on", claim.task.id)

    Any number of threads may use a board. A forked child opens it anew by itself, and so does a process that it is
    handed to. ``timeout`` is how many seconds each command waits for the board's lock before it raises
    :class:`taskhost.LockTimeout`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = ".taskhost",
        *,
        timeout: float = 5.0,
        allow_unsafe_file_system: bool = False,
    ) -> None:
        self._begin(path, timeout, allow_unsafe_file_system, None)

    def _begin(
        self,
        path: str | os.PathLike[str],
        timeout: float,
        allow_unsafe_file_system: bool,
        opened: _native.Board | None,
    ) -> None:
        self._named = named = _named(path)
        self.timeout = timeout
        # Where the current directory is another one by the time of a fork, the board is the same.
        self._place = place = named.absolute() if isinstance(named, Path) else named
        self._unsafe = allow_unsafe_file_system
        # It doesn't refer to this object, which so ends as soon as nobody has it any more.
        opening = partial(_native.Board.open, place, timeout, allow_unsafe_file_system)
        self._handle = PerProcess(opening, opened)
        self._handle.get()

    @classmethod
    def init(
        cls,
        path: str | os.PathLike[str] = ".taskhost",
        *,
        timeout: float = 5.0,
        unfenced: bool = False,
        settings: Mapping[str, str] | None = None,
        exist_ok: bool = False,
        allow_unsafe_file_system: bool = False,
    ) -> Board:
        """Makes a board that the standard policy leads, with these ``settings`` of it, such as ``{"lease": "20m"}``.

        On an ``unfenced`` board, who holds a task is taken at their name's word: for clients that can't keep a token.
        With ``exist_ok`` a board that is there already is opened as it is.
        """
        if exist_ok:
            try:
                return cls(path, timeout=timeout, allow_unsafe_file_system=allow_unsafe_file_system)
            except NotFound:
                pass
        try:
            made = _native.Board.init(
                _named(path), timeout, allow_unsafe_file_system, unfenced, dict(settings or {})
            )
        except TaskhostError as error:
            # Somebody else made it meanwhile.
            if not (exist_ok and error.code == "board_exists"):
                raise
            made = None
        board = cls.__new__(cls)
        board._begin(path, timeout, allow_unsafe_file_system, made)
        return board

    def __repr__(self) -> str:
        return f"Board({self.address!r})"

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    @property
    def address(self) -> str:
        """Where the board is, as it was named; without the password, if there was one in it."""
        return _native.shown_address(self._named)

    @property
    def path(self) -> Path:
        """The board's directory. A board that is in none, such as one in PostgreSQL, has no path."""
        if isinstance(self._named, Path):
            return self._named
        raise UsageError(f"`{self.address}` is no directory, so it has no path: use `address`")

    def __reduce__(self) -> Any:
        open_there = partial(Board, timeout=self.timeout, allow_unsafe_file_system=self._unsafe)
        return open_there, (self._place,)

    @property
    def _native(self) -> _native.Board:
        return self._handle.get()

    # Adding

    def add(
        self,
        type: str,
        *,
        id: str | None = None,
        parent: str | None = None,
        after: Iterable[str] = (),
        priority: int = 0,
        labels: Iterable[str] = (),
        needs: Iterable[str] = (),
        assignee: str | Assignee | None = None,
        data: Any = None,
        key: str | None = None,
        not_before: datetime | None = None,
    ) -> Task:
        """Adds a task. Repeated with the same ``key``, it gives the same task again."""
        fields: dict[str, Any] = {
            "type": type,
            "id": id,
            "parent": parent,
            "after": list(after),
            "priority": priority,
            "labels": list(labels),
            "needs": list(needs),
            "assignee": asdict(assignee) if isinstance(assignee, Assignee) else assignee,
            "data": data,
            "key": key,
            "not_before": None if not_before is None else _rfc3339(not_before),
        }
        return self.add_all([{k: v for k, v in fields.items() if v is not None}])[0]

    def add_all(self, tasks: Iterable[Mapping[str, Any]]) -> list[Task]:
        """Adds all of these tasks or none, at most 10,000, in any order; each a mapping of :meth:`add`'s names."""
        lines = [json.dumps(dict(task), allow_nan=False) for task in tasks]
        return [Task._read(added["task"]) for added in json.loads(self._native.add(lines))]

    # Looking

    def task(self, id: str) -> Task:
        """One task as it is now; raises :class:`taskhost.NotFound` if there is none."""
        return Task._read(json.loads(self._native.task(id)))

    def list(
        self,
        *,
        status: str | Iterable[str] = (),
        type: str | Iterable[str] = (),
        label: str | Iterable[str] = (),
        parent: str | None = None,
        assignee: str | None = None,
        holder: str | None = None,
        ready: bool = False,
        roots: bool = False,
        limit: int | None = 50,
        cursor: int | None = None,
    ) -> Page:
        """Tasks in the order of their creation, a page at a time; ``limit=None`` for all.

        Of any of the given ``status`` and ``type``, with all of the given labels; the children of ``parent``, or
        what has no parent if ``roots``; what is reserved for ``assignee``, held by ``holder``, or can be claimed now.
        """
        text = self._native.list_tasks(
            _several(status),
            _several(type),
            _several(label),
            parent,
            assignee,
            holder,
            ready,
            roots,
            cursor,
            limit,
        )
        page = json.loads(text)
        tasks = tuple(Task._read(wire) for wire in page["tasks"])
        return Page(tasks, page["total"], page["next_cursor"])

    def tasks(self, **query: Any) -> Iterator[Task]:
        """All tasks that :meth:`list` would give for ``query``, read a page at a time."""
        cursor: int | None = None
        while True:
            page = self.list(**query, limit=1000, cursor=cursor)
            yield from page.tasks
            cursor = page.next_cursor
            if cursor is None:
                return

    def counts(self) -> Counts:
        """How many tasks stand where. Costs the same on a board of any size."""
        return Counts(**json.loads(self._native.counts()))

    def census(self) -> dict[str, dict[str, int]]:
        """How many tasks of each type are of each status, at one instant. Its cost grows with the board."""
        return self._native.census()

    def history(
        self,
        id: str | None = None,
        *,
        agent: str | None = None,
        event: str | Iterable[str] = (),
        past: int = 0,
        limit: int | None = 100,
        before: str | None = None,
    ) -> History:
        """What happened on the board, the newest last: to one task, by or to one agent, of these kinds of ``event``.

        ``past`` leaves out what was there at a :attr:`sequence` that was read before; together with :meth:`wait` it
        follows the board. ``before`` is the ``next_cursor`` of a page, for what happened before it. Its cost grows
        with the history that is kept.
        """
        text = self._native.history(id, agent, _several(event), past, before, limit)
        page = json.loads(text)
        events = tuple(Event._read(wire) for wire in page["events"])
        return History(events, page["total"], page["next_cursor"], page["begins_with"])

    def explain(
        self,
        id: str,
        *,
        agent: str | None = None,
        kind: str = "agent",
        capabilities: Iterable[str] = (),
    ) -> Explanation:
        """Why a task can or can't be claimed now: by ``agent``, who can do this, or by anybody."""
        answer = self._native.explain(id, agent, kind, list(capabilities))
        return Explanation._read(json.loads(answer))

    def wait(self, timeout: float, *, past: int | None = None) -> bool:
        """Sleeps until something happens on the board, at most ``timeout`` seconds; says whether it did.

        With ``past``, a :attr:`sequence` that was read before, it counts also what has happened since, so nothing is
        slept through between a look and the sleep.
        """
        return self._native.wait(timeout, past)

    # Working

    def agent(
        self,
        name: str,
        *,
        kind: str = "agent",
        hostname: str | None = None,
        capabilities: Iterable[str] = (),
        session: str | None = None,
        living: bool = True,
        holder_pid: int | None = None,
    ) -> Agent:
        """Somebody who works on the board, by that name.

        A ``living`` one holds a lock for as long as this process lives and keeps it or a claim of it, so that what it
        holds comes back at once afterwards. Without, or where ``holder_pid`` names no process whose end says the same,
        it comes back when its lease is over.
        """
        options = (name, kind, hostname, list(capabilities), session, living, holder_pid)
        return Agent(self, options)

    def complete(
        self, id: str, agent: str, *, token: int | None = None, result: Any = None
    ) -> Task:
        """Ends ``agent``'s claim: the task is done. The token may be left out on an unfenced board only."""
        value = None if result is None else json.dumps(result, allow_nan=False)
        return self._finish(id, agent, token, "complete", value)

    def fail(
        self, id: str, agent: str, *, token: int | None = None, error: str | None = None
    ) -> Task:
        """Ends ``agent``'s claim: the attempt failed. The policy may let it be tried again."""
        return self._finish(id, agent, token, "fail", error)

    def release(
        self, id: str, agent: str, *, token: int | None = None, reason: str | None = None
    ) -> Task:
        """Ends ``agent``'s claim: the task is handed back, and its attempt with it."""
        return self._finish(id, agent, token, "release", reason)

    def _finish(
        self, id: str, agent: str, token: int | None, how: str, value: str | None
    ) -> Task:
        answer = self._native.finish(id, agent, token, how, value)
        return Task._read(json.loads(answer)["task"])

    def heartbeat(
        self, id: str, agent: str, *, token: int | None = None, lease: float | None = None
    ) -> Task:
        """Extends ``agent``'s lease, to ``lease`` seconds from now or by its own length."""
        answer = self._native.heartbeat(id, agent, token, lease)
        return Task._read(json.loads(answer)["task"])

    # Changing

    def assign(
        self,
        ids: str | Sequence[str],
        to: str | Assignee,
        *,
        by: str | None = None,
        all_or_nothing: bool = False,
    ) -> Changed:
        """Reserves tasks: only ``to`` can claim them then."""
        assignee = Assignee(to) if isinstance(to, str) else to
        said = {**asdict(assignee), "by": assignee.by or by}
        return self._change(ids, {"verb": "assign", **said}, by, all_or_nothing)

    def unassign(
        self,
        ids: str | Sequence[str],
        *,
        name: str | None = None,
        by: str | None = None,
        all_or_nothing: bool = False,
    ) -> Changed:
        """Reserves tasks for nobody any more; with ``name``, only those that are reserved for them."""
        return self._change(ids, {"verb": "unassign", "name": name}, by, all_or_nothing)

    def update(
        self,
        ids: str | Sequence[str],
        *,
        priority: int | None = None,
        labels: Iterable[str] | None = None,
        add_labels: Iterable[str] = (),
        remove_labels: Iterable[str] = (),
        needs: Iterable[str] | None = None,
        data: Any = ...,
        not_before: datetime | None = None,
        by: str | None = None,
        all_or_nothing: bool = False,
    ) -> Changed:
        """Changes what tasks are; what isn't given stays."""
        said = {
            "verb": "update",
            "priority": priority,
            "labels": None if labels is None else list(labels),
            "add_labels": list(add_labels),
            "remove_labels": list(remove_labels),
            "needs": None if needs is None else list(needs),
            "data": None if data is ... else json.dumps(data, allow_nan=False),
            "not_before": None if not_before is None else _rfc3339(not_before),
        }
        return self._change(ids, said, by, all_or_nothing)

    def cancel(
        self,
        ids: str | Sequence[str],
        *,
        reason: str | None = None,
        cascade: bool = False,
        by: str | None = None,
        all_or_nothing: bool = False,
    ) -> Changed:
        """Tasks aren't wanted any more; with ``cascade``, nor what waits for them."""
        said = {"verb": "cancel", "cascade": cascade, "reason": reason}
        return self._change(ids, said, by, all_or_nothing)

    def retry(
        self,
        ids: str | Sequence[str],
        *,
        reason: str | None = None,
        cascade: bool = False,
        by: str | None = None,
        all_or_nothing: bool = False,
    ) -> Changed:
        """Tasks that failed or were cancelled are to be done after all."""
        said = {"verb": "retry", "cascade": cascade, "reason": reason}
        return self._change(ids, said, by, all_or_nothing)

    def block(
        self,
        ids: str | Sequence[str],
        *,
        reason: str | None = None,
        agent: str | None = None,
        token: int | None = None,
        force: bool = False,
        by: str | None = None,
        all_or_nothing: bool = False,
    ) -> Changed:
        """Parks tasks, usually with a question; a holder says who it is."""
        said = {"verb": "block", "reason": reason, "agent": agent, "token": token, "force": force}
        return self._change(ids, said, by, all_or_nothing)

    def unblock(
        self,
        ids: str | Sequence[str],
        *,
        reason: str | None = None,
        by: str | None = None,
        all_or_nothing: bool = False,
    ) -> Changed:
        """Parks tasks no longer; ``reason`` is the answer."""
        return self._change(ids, {"verb": "unblock", "reason": reason}, by, all_or_nothing)

    def release_by_force(
        self,
        ids: str | Sequence[str],
        *,
        reason: str | None = None,
        by: str | None = None,
        all_or_nothing: bool = False,
    ) -> Changed:
        """Takes tasks from their holders, whose tokens are worth nothing then."""
        return self._change(ids, {"verb": "release", "reason": reason}, by, all_or_nothing)

    def review(
        self,
        ids: str | Sequence[str],
        *,
        accept: bool,
        reason: str | None = None,
        by: str | None = None,
        all_or_nothing: bool = False,
    ) -> Changed:
        """Accepts what was completed and waits for review, or sends it back."""
        said = {"verb": "review", "accept": accept, "reason": reason}
        return self._change(ids, said, by, all_or_nothing)

    def archive(
        self, ids: str | Sequence[str], *, by: str | None = None, all_or_nothing: bool = False
    ) -> Changed:
        """Takes finished tasks and all below them off the board; the history keeps them."""
        return self._change(ids, {"verb": "archive"}, by, all_or_nothing)

    def _change(
        self,
        ids: str | Sequence[str],
        said: Mapping[str, Any],
        by: str | None,
        all_or_nothing: bool,
    ) -> Changed:
        answer = json.loads(
            self._native.change(_several(ids), json.dumps(said), by, all_or_nothing)
        )
        outcomes = answer["outcomes"]
        failed = {
            o["task"]: _from_native(
                o["kind"], o["code"], o["message"], o["retryable"], json.dumps(o["details"])
            )
            for o in outcomes
            if o["message"] is not None
        }
        done = tuple(o["task"] for o in outcomes if o["done"])
        already = tuple(
            o["task"] for o in outcomes if not o["done"] and o["message"] is None
        )
        touched = tuple(Task._read(wire) for wire in answer["touched"])
        return Changed(done, already, failed, touched)

    # Beside the tasks

    def meta(self) -> dict[str, Any]:
        """The workflow's own metadata."""
        return {key: json.loads(value) for key, value in self._native.meta().items()}

    def set_meta(
        self, key: str, value: Any, *, expected: Any = ..., by: str | None = None
    ) -> None:
        """Sets a value of the metadata, or removes it if it is ``None``; with ``expected``, only if it is still that."""
        text = None if value is None else json.dumps(value, allow_nan=False)
        was = None if expected is ... else json.dumps(expected, allow_nan=False)
        self._native.set_meta(key, text, was, by)

    def context(
        self, key: str, *, task: str | None = None, agent: str | None = None
    ) -> bytes | None:
        """A large value that is kept for a task or an agent; ``None`` if there is none."""
        return self._native.context(task, agent, key)

    def set_context(
        self, key: str, value: bytes, *, task: str | None = None, agent: str | None = None
    ) -> None:
        """Keeps a large value, in place of what there was."""
        self._native.set_context(task, agent, key, value, False)

    def append_context(
        self, key: str, value: bytes, *, task: str | None = None, agent: str | None = None
    ) -> None:
        """Appends to a large value; of two who append at once, neither is lost."""
        self._native.set_context(task, agent, key, value, True)

    def remove_context(
        self, key: str, *, task: str | None = None, agent: str | None = None
    ) -> bool:
        """Removes a large value; says whether there was one."""
        return self._native.remove_context(task, agent, key)

    def contexts(
        self, *, task: str | None = None, agent: str | None = None
    ) -> dict[str, int]:
        """The keys of what is kept for a task or an agent, with their lengths in bytes."""
        return self._native.contexts(task, agent)

    def context_owners(self) -> Sequence[tuple[str, str]]:
        """For whom large values are kept: ``("task", id)`` or ``("agent", name)``."""
        return self._native.context_owners()

    # The files of other systems

    def import_file(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        lease: float | None = None,
    ) -> ImportReport:
        """Brings the tasks of another system's file, or directory, onto this board.

        ``format`` is ``task-manager``, ``todo2``, ``a2a``, ``task-board`` or ``sqlite``, recognised if none is named.
        What the board has already, or has archived, stays as it is, so importing twice changes nothing. Unknown
        fields are kept in ``data``. Tasks that somebody holds there are held here, for ``lease`` seconds from when
        they were claimed, 24 hours unless said otherwise.
        """
        answer = json.loads(self._native.import_file(Path(path), format, lease))
        remarks = tuple(Remark(**remark) for remark in answer["remarks"])
        return ImportReport(
            answer["format"], tuple(answer["added"]), tuple(answer["present"]), remarks
        )

    def import_tasks(
        self, format: str, tasks: Sequence[Mapping[str, Any]], *, lease: float | None = None
    ) -> ImportReport:
        """Brings tasks in another system's shape onto this board, each as its file has it, with its id.

        As :meth:`import_file`, but a task that was archived here comes back: these very tasks are wanted.
        """
        lines = json.dumps(list(tasks), allow_nan=False)
        answer = json.loads(self._native.import_tasks(format, lines, lease))
        remarks = tuple(Remark(**remark) for remark in answer["remarks"])
        return ImportReport(
            answer["format"], tuple(answer["added"]), tuple(answer["present"]), remarks
        )

    def export_file(self, path: str | os.PathLike[str], *, format: str) -> tuple[Remark, ...]:
        """Writes all tasks in another system's format; says what could not be written."""
        remarks = json.loads(self._native.export_file(Path(path), format))
        return tuple(Remark(**remark) for remark in remarks)

    # Locks and upkeep

    def lock_task(
        self, id: str, *, who: str | None = None, timeout: float | None = None
    ) -> HeldLock:
        """Locks a task by hand: nobody is given it meanwhile. The task need not be there yet."""
        wait = self.timeout if timeout is None else timeout
        return HeldLock(self._native.hold(id, who, wait))

    def lock(self, *, who: str | None = None, timeout: float | None = None) -> HeldLock:
        """Locks the whole board by hand: nobody changes it meanwhile, not even this program."""
        wait = self.timeout if timeout is None else timeout
        return HeldLock(self._native.hold(None, who, wait))

    def compact(self) -> None:
        """Makes the journal short again. Boards do this by themselves now and then."""
        self._native.compact()

    def migrate(self, to: str | os.PathLike[str]) -> str:
        """Moves the board to another place, a directory or a ``postgres://…`` at which there is none.

        It is the same board there: ids, tokens, claims, policies and history go on. Whoever would change it here afterwards
        gets :exc:`Moved`, with where it is: what this returns, which has no password in it. If it is cut short, the same
        again finishes it.
        """
        return self._native.migrate(os.fspath(to))

    @property
    def sequence(self) -> int:
        """The number of the board's last entry: as long as it is the same, tasks and metadata are."""
        return self._native.sequence()

    @property
    def is_unfenced(self) -> bool:
        """Whether claims are ended without tokens here."""
        return self._native.is_unfenced()


def shaped(format: str, task: Task) -> dict[str, Any]:
    """A task in another system's shape: what was imported comes back as it was, with what has changed since."""
    shape: dict[str, Any] = json.loads(_native.shaped(format, json.dumps(task.as_dict())))
    return shape


def board_id(original: str) -> str:
    """The id that an imported task of this id has on a board: the same, if it can be one."""
    return _native.board_id(original)


def _several(one_or_more: str | Iterable[str]) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else list(one_or_more)


def _rfc3339(at: datetime) -> str:
    # One without a zone is local time, as everywhere in Python.
    return at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
