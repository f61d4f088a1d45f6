"""A board of tasks that agents share: each gets work that nobody else has, and a dead agent's work comes back.

::

    import taskhost

    board = taskhost.Board.init("work.taskhost", exist_ok=True)
    board.add("build", id="parser")
    with board.agent("ada") as agent:
        for claim in agent.claims(wait=60):
            with claim:
                print("working on", claim.task.id)

- :class:`Board`: an open board, and everything that can be done with it.
- :class:`Agent`: somebody who works on it; :class:`Claim`: a task that is theirs to do; :class:`Task`: one as it was read.
- :class:`FileLock`, :class:`HeldLock`: locks on any file, on a task, on a board.
- :class:`TaskhostError` and what derives from it: what can go wrong.
- :mod:`taskhost.compat`: the interfaces of five systems that it replaces.

Processes in any language share a board: those of this package, of the command ``taskhost`` (which comes with it), and
of Rust. What was answered is on the disk.
"""

from taskhost._native import __version__
from taskhost.agent import Agent, Claim, Nothing
from taskhost.board import Board, Changed, Counts, Page
from taskhost.errors import (
    BoardDamaged,
    Invalid,
    LockTimeout,
    Moved,
    NotFound,
    OutcomeUnknown,
    PolicyFailed,
    Refused,
    Taken,
    TaskhostError,
    UsageError,
)
from taskhost.files import ImportReport, NotMapped, Remark
from taskhost.locks import FileLock, HeldLock
from taskhost.looking import Event, Explanation, History
from taskhost.task import Assignee, ClaimInfo, Task

__all__ = [
    "Agent",
    "Assignee",
    "Board",
    "BoardDamaged",
    "Changed",
    "Claim",
    "ClaimInfo",
    "Counts",
    "Event",
    "Explanation",
    "FileLock",
    "HeldLock",
    "History",
    "ImportReport",
    "Invalid",
    "LockTimeout",
    "Moved",
    "NotFound",
    "NotMapped",
    "Nothing",
    "OutcomeUnknown",
    "Page",
    "PolicyFailed",
    "Refused",
    "Remark",
    "Taken",
    "Task",
    "TaskhostError",
    "UsageError",
    "__version__",
]
