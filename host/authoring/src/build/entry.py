"""The module that is built: the author's hooks, each guarded. The lines that name them are put behind these.

What a hook answers against the contract would end its call in the runtime, which tells little of it. It is told here.
"""

import dataclasses
import functools
import sys
import typing

from wit_world import exports

import policy

# How much of a wrong answer is told, in characters.
SHOWN_MAX = 200


class MissingHook(Exception):
    pass


class UnnamedHook(Exception):
    pass


@functools.cache
def fields(kind):
    """The fields of a class and their types: to find them takes longer than all the rest of a check."""
    return typing.get_type_hints(kind)


def one_of(kinds):
    words = ["`None`" if kind is type(None) else f"`{kind.__name__}`" for kind in kinds]
    return " or ".join([*filter(None, [", ".join(words[:-1])]), words[-1]])


def wrong(value, hint, path=""):
    """What is wrong with a value that should be of this type, as a clause; None if it is. `path` leads to it."""
    subject = f"whose `{path}`" if path else "which"
    if typing.get_origin(hint) is list:
        if not isinstance(value, (list, tuple)):
            return f"{subject} isn't a list"
        (inner,) = typing.get_args(hint)
        each = (wrong(part, inner, f"{path}[{n}]") for n, part in enumerate(value))
        return next(filter(None, each), None)
    kinds = typing.get_args(hint) or (hint,)
    kind = next((kind for kind in kinds if isinstance(value, kind)), None)
    if kind is None:
        return f"{subject} isn't {one_of(kinds)}"
    if dataclasses.is_dataclass(kind):
        for name, inner in fields(kind).items():
            said = wrong(getattr(value, name), inner, f"{path}.{name}" if path else name)
            if said:
                return said
    return None


def guarded(author, name, methods):
    """The author's class, with what its methods answer checked."""
    if not isinstance(author, type):
        return author
    wanted = getattr(exports, name)
    guarding = type(name, (author,), {})
    for method in methods:
        hint = typing.get_type_hints(getattr(wanted, method)).get("return", object)

        def guard(self, *given, method=method, hint=hint):
            answer = getattr(super(guarding, self), method)(*given)
            said = wrong(answer, hint)
            if said is not None:
                if isinstance(answer, type):
                    said = f"a class: call it, as in `{answer.__name__}()`"
                shown = repr(answer)
                shown = shown if len(shown) <= SHOWN_MAX else f"{shown[:SHOWN_MAX]}…"
                # The place would be this one, where there is nothing to mend.
                sys.tracebacklimit = 0
                raise TypeError(f"`{method}` answered {shown}, {said}")
            return answer

        setattr(guarding, method, guard)
    return guarding
