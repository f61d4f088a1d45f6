"""Makes, when it is asked for work, the mistake that the setting `mistake` names."""

from typing import Any

from wit_world import exports
from wit_world.exports import about, assignment
from wit_world.imports import settings
from wit_world.imports.board import View
from wit_world.imports.transactions import Transaction
from wit_world.imports.types import Request

MISTAKE = about.Setting("mistake", about.ValueType_Text(), "", "Which one it makes.")


class About(exports.About):
    def describe(self) -> about.Description:
        return about.Description("mistakes", "0", "Makes mistakes.", [MISTAKE])


class Near(assignment.Answer_Staged):
    """What Python takes for an answer, and the runtime doesn't."""


def recurse(depth: int) -> int:
    return recurse(depth + 1) + 1


MISTAKES: dict[str, Any] = {
    "error": lambda: {}["no luck"],
    "recursion": lambda: recurse(0),
    "import": lambda: __import__("socket"),
    "no-answer": lambda: None,
    "answer-text": lambda: "staged",
    "answer-class": lambda: assignment.Answer_Staged,
    "answer-value": lambda: assignment.Answer_Nothing(42),
    "answer-near": lambda: Near(),
}


class Assignment(exports.Assignment):
    def choose(self, view: View, tx: Transaction, request: Request) -> assignment.Answer:
        return MISTAKES[settings.get("mistake") or ""]()
