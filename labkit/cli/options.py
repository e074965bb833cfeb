"""Options of a command made from settings: name, type, default and sentence stand in the field."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_type_hints

import typer

from labkit.settings.base import leaves, types_in

_SCALARS = (bool, int, float)


def with_options(
    command: Callable, settings: Mapping[str, type], panels: Mapping[str, str]
) -> None:
    """Put an option for each setting that has one in the place of the command's ``**options``.

    An option that is not given is None; the command gets it under its dotted name with "__" for
    each point.

    Args:
        settings: prefix of the dotted names → class.
        panels: start of a dotted name → title under which help shows the option.
    """
    hints = get_type_hints(command, include_extras=True)
    own = [
        p.replace(annotation=hints[p.name]) for p in inspect.signature(command).parameters.values()
    ]
    made = [
        _parameter(prefix + name, field, _panel(prefix + name, panels))
        for prefix, kind in settings.items()
        for name, field in leaves(kind).items()
        if any(isinstance(text, str) for text in field.metadata)
    ]
    signature = inspect.Signature([*own[:-1], *made])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}


def given(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The options that were given, by dotted name without its prefix."""
    dotted = {name.replace("__", "."): value for name, value in options.items()}
    return {
        name.removeprefix(prefix): value
        for name, value in dotted.items()
        if value is not None and name.startswith(prefix)
    }


def _panel(name: str, panels: Mapping[str, str]) -> str | None:
    return next((title for start, title in panels.items() if name.startswith(start)), None)


def _parameter(name: str, field: Any, panel: str | None) -> inspect.Parameter:
    default = getattr(field.default, "kernel", field.default)
    if isinstance(default, tuple):
        default = ", ".join(map(str, default))
    elif isinstance(default, bool):
        default = ("off", "on")[default]
    has_default = isinstance(default, (str, int, float)) and default != ""
    option = typer.Option(
        next(text for text in field.metadata if isinstance(text, str)),
        help=" ".join(field.description.split()),
        show_default=str(default) if has_default else False,
        rich_help_panel=panel,
    )
    several = "several" in (field.json_schema_extra or {})
    kind: Any = next((t for t in types_in(field.annotation) if t in _SCALARS), str)
    return inspect.Parameter(
        name.replace(".", "__"),
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[(list[str] if several else kind) | None, option],
    )
