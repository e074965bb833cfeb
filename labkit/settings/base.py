"""How a setting is written: once, as a field with its type, bounds, default and one sentence.

pydantic checks the fields; `labkit train --help`, the option table of the book and the reading of
config.json derive from them. Nothing here imports torch, so that help answers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Annotated, Any, TypeVar, dataclass_transform, get_args

import pydantic
from pydantic import ConfigDict, Field, Strict, ValidationError

from labkit.errors import InputError

T = TypeVar("T")

Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Switch = Annotated[bool, Strict()]
Text = Annotated[str, Strict()]


@dataclass_transform(frozen_default=True)
def settings(cls: type[T]) -> type[T]:
    """A frozen dataclass whose fields are checked; what does not fit raises `InputError`.

    A field's docstring describes it; a text among its annotations, "--lr", makes it an option of
    the command line. Nested settings may be given as the dict that JSON has.
    """
    config = ConfigDict(extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True)
    made = pydantic.dataclasses.dataclass(frozen=True, config=config)(cls)
    validate: Callable = made.__init__

    @wraps(validate)
    def __init__(self: Any, *values: Any, **named: Any) -> None:
        try:
            validate(self, *values, **named)
        except ValidationError as error:
            raise in_one_line(error) from None

    made.__init__ = __init__  # type: ignore[method-assign]
    return made


def in_one_line(error: ValidationError, where: str = "") -> InputError:
    """The first thing that does not fit, as the error that a user reads."""
    found = error.errors()[0]
    own = found.get("ctx", {}).get("error")
    place = ".".join(str(part) for part in found["loc"])
    start = f"{where}: " if where else ""
    if isinstance(own, InputError):
        return InputError(start + own.problem, own.remedy)
    if found["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return InputError(f"{start}unknown settings {place}")
    message = found["msg"].replace("Input should", "must").replace("Value should", "must")
    return InputError(f"{start}{place} {found['input']!r}: {message}")


def leaves(cls: type, prefix: str = "") -> dict[str, Any]:
    """Every setting of a class and of those nested in it: dotted name → pydantic's field.

    Nested settings that have an option of their own are given as a whole.
    """
    found: dict[str, Any] = {}
    for field in fields(cls):
        info = cls.__pydantic_fields__[field.name]  # type: ignore[attr-defined]
        nested = next(
            (t for t in types_in(info.annotation) if isinstance(t, type) and is_dataclass(t)), None
        )
        found[prefix + field.name] = info
        if nested is not None and not any(isinstance(text, str) for text in info.metadata):
            found |= leaves(nested, f"{prefix}{field.name}.")
    return found


def types_in(annotation: Any) -> list:
    """Everything that an annotation mentions, itself first."""
    return [annotation, *(found for part in get_args(annotation) for found in types_in(part))]


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one, its keys dotted."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, dict)
        found |= flat(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return found
