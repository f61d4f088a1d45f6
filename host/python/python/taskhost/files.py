"""The files of other systems: what of them was imported, and what could not be."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

__all__ = ["ImportReport", "NotMapped", "Remark"]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something of a file that a board has no place for. It is kept in the task's data all the same."""

    task: str | None
    field: str
    why: str

    def __str__(self) -> str:
        about = self.field if self.task is None else f"{self.task}: {self.field}"
        return f"{about}: {self.why}"


class NotMapped(UserWarning):
    """Something of an imported file could not be mapped."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of an import."""

    format: str
    added: tuple[str, ...]
    present: tuple[str, ...]
    remarks: tuple[Remark, ...]

    def warn(self) -> None:
        """Warns of what could not be mapped."""
        for remark in self.remarks:
            warnings.warn(str(remark), NotMapped, stacklevel=3)
