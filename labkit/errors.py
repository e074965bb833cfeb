"""The one exception a user can cause.

Everything a person can get wrong (a path, a shape, a setting) raises `InputError`; the command line
prints it in one line and exits with code 2. Any other exception is a defect of the package.
"""

from __future__ import annotations

from collections.abc import Iterable


class InputError(ValueError):
    """A problem with what the caller supplied, and what to do about it.

    Args:
        problem: what is wrong, naming the file or argument and the value found.
        remedy: what the caller can do; empty where the problem already says it.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}; {remedy}" if remedy else problem)


def check_choice(what: str, value: object, choices: Iterable[str]) -> None:
    """Refuse a setting that is none of the named ones.

    Args:
        what: the setting's name in the message.
        value: what was given.
        choices: the names there are, such as `typing.get_args` of a Literal.

    Raises:
        InputError: naming the value, and the choices as the remedy.
    """
    choices = tuple(choices)
    if value not in choices:
        raise InputError(f"{what} {value!r} is unknown", f"one of {', '.join(choices)}")
