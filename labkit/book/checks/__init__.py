"""Checks of what a reader builds in the exercises: right, or a hint that does not give it away.

    check("04.2", my_function)

The checks of chapter 4 stand in `chapter_04`, each under the number that its exercise has on the
page. A check calls the answer with inputs of its own and raises `Hint` where it finds a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from labkit.errors import InputError

Check = Callable[[Any], str]
_checks: dict[str, Check] = {}


class Hint(Exception):
    """What to look at again."""


def exercise(number: str) -> Callable[[Check], Check]:
    """Register the check of an exercise, "04.2": it returns what it tried, or raises `Hint`."""

    def register(function: Check) -> Check:
        _checks[number] = function
        return function

    return register


def check(number: str, answer: Any) -> None:
    """Print whether the answer to an exercise is right, and if not, a hint.

    Args:
        number: of chapter and exercise, as on the page: "04.2".
        answer: what the exercise asks for; mostly a function or a module.

    Raises:
        InputError: that exercise has no check.
    """
    chapter = f"{__name__}.chapter_{number[:2]}"
    if find_spec(chapter):
        import_module(chapter)
    if number not in _checks:
        known = ", ".join(sorted(_checks)) or "none"
        raise InputError(f"exercise {number!r} has no check", f"known here: {known}")
    try:
        print(f"{number} is right: {_checks[number](answer)}")
    except Hint as hint:
        print(f"{number} is not there yet: {hint}")
    except Exception as error:  # whatever a reader's code may raise
        print(f"{number} is not there yet: it raised {type(error).__name__}: {error}")
