"""What can go wrong, as exceptions.

Each says what to do next in its message, and has:

``code``
    One word for exactly what it is, the same that the command line prints as ``error.code``.
``retryable``
    Whether the same request may succeed later.
``details``
    Who or what is in the way: ``holder``, ``session``, ``since``, ``lease_until``, ``task``, ``waited_ms``, …
"""

from __future__ import annotations

import json
from typing import Any

__all__ = [
    "BoardDamaged",
    "Invalid",
    "LockTimeout",
    "Moved",
    "NotFound",
    "OutcomeUnknown",
    "PolicyFailed",
    "Refused",
    "Taken",
    "TaskhostError",
    "UsageError",
]


class TaskhostError(Exception):
    """Something was not done; nothing was lost."""

    code: str = "unexpected"
    retryable: bool = False
    details: dict[str, Any]

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool = False,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.retryable = retryable
        self.details = details or {}

    def __reduce__(self) -> Any:
        # Exceptions cross processes, in pools for instance, and keep what they say.
        state = {"code": self.code, "retryable": self.retryable, "details": self.details}
        return (type(self), self.args, state)


class UsageError(TaskhostError, ValueError):
    """The request can't be meant: a name that is no name, a negative time, a token that is missing."""

    code = "usage"


class Taken(TaskhostError):
    """Somebody else's: claimed, reserved, or the token is stale."""

    @property
    def holder(self) -> str | None:
        """Who has the task, by name; ``None`` where nobody has it any more."""
        holder = self.details.get("holder")
        return None if holder is None else str(holder)

    @property
    def is_stale(self) -> bool:
        """Whether the caller held the task once and doesn't any more: it should stop working on it."""
        return self.code in ("stale_token", "claim_ended")


class NotFound(TaskhostError, LookupError):
    """There is no such task, or no such board."""


class LockTimeout(TaskhostError, TimeoutError):
    """Somebody else held the lock all the while. Nothing was done; try again."""

    code = "lock_timeout"


class Refused(TaskhostError):
    """The board's policy refused, and its reason is the message."""

    code = "refused"


class PolicyFailed(TaskhostError):
    """The board's policy failed: it trapped, took too long, or isn't one."""

    code = "policy_failed"


class BoardDamaged(TaskhostError):
    """The board is damaged, or of a newer format; ``taskhost doctor`` says more."""


class Invalid(TaskhostError):
    """The task can't go that way from where it stands, tasks would wait in a circle, or a key was used before."""


class OutcomeUnknown(TaskhostError):
    """The disk failed, and nobody knows whether it was done: repeat the request with its key."""

    code = "outcome_unknown"


class Moved(TaskhostError):
    """The board is elsewhere now: open it there, by ``address``. Here it is only read."""

    code = "moved"

    @property
    def address(self) -> str:
        """Where the board is now, without a password."""
        return str(self.details.get("address", ""))


_OF_KIND: dict[str, type[TaskhostError]] = {
    "usage": UsageError,
    "taken": Taken,
    "missing": NotFound,
    "lock_timeout": LockTimeout,
    "refused": Refused,
    "policy_failed": PolicyFailed,
    "damaged": BoardDamaged,
    "invalid": Invalid,
    "outcome_unknown": OutcomeUnknown,
    "moved": Moved,
}


def _from_native(
    kind: str, code: str, message: str, retryable: bool, details: str
) -> TaskhostError:
    """The exception for what the compiled part says."""
    of_kind = _OF_KIND.get(kind, TaskhostError)
    return of_kind(message, code=code, retryable=retryable, details=json.loads(details))
