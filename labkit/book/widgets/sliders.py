"""Sliders under a figure: one picture for each setting, drawn once, switched in the browser.

Every combination of the settings is drawn when the cell runs, and the sliders only choose which
one is seen. No Python is asked while a slider moves, so the same widget works in JupyterLab, in
Colab and on the built page, where there is no kernel; and an error in the drawing function stops
the cell, with its traceback, as any other error does. With ipywidgets 7, which Colab has in memory
before the book is installed, the kernel exchanges the pictures.
"""

from __future__ import annotations

import io
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from labkit.errors import InputError

MAX_FRAMES = 48
FRAME_DPI = 96


class Explorer(widgets.VBox):
    """Sliders over a stack of pictures, whose printed form names the settings alone.

    ipywidgets prints the children, the picture's first bytes among them, which differ between
    versions of the libraries and so between a committed notebook and its next run.
    """

    def __init__(self, settings: Mapping[str, Sequence[Any]], children: list[widgets.Widget]):
        super().__init__(children=children)
        self._settings = {name: list(values) for name, values in settings.items()}

    def __repr__(self) -> str:
        names = ", ".join(f"{name}: {len(values)}" for name, values in self._settings.items())
        return f"Explorer({names})"


def explore(
    draw: Callable[..., Figure],
    *,
    start: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    **settings: Sequence[Any],
) -> Explorer:
    """Sliders for the arguments of a drawing function.

    Args:
        draw: called with one value of each setting by keyword; returns a figure, which is closed.
        start: values shown first; by default the first of each setting.
        labels: setting → the text beside its slider; by default its name.
        **settings: the values each argument takes. Numbers get a slider, anything else a menu.

    Returns:
        A widget; make it the last line of a cell, below one that shows the same figure statically.

    Raises:
        InputError: no setting, a setting without values, a start that is not among them, more than
            `MAX_FRAMES` combinations, or a `draw` that returns no figure.

    Example:
        explore(lambda side: draw_masks(square(side)), side=[16, 32, 64])
    """
    start, labels = dict(start or {}), dict(labels or {})
    _check(settings, start, labels)
    controls = {
        name: _control(labels.get(name, name), values, start.get(name, values[0]))
        for name, values in settings.items()
    }
    _enable_on_colab()
    frames = (
        _stack(draw, dict(settings), controls, {})
        if hasattr(widgets, "Stack")
        else _exchanged(draw, settings, controls)
    )
    return Explorer(settings, [*controls.values(), frames])


def _check(
    settings: Mapping[str, Sequence[Any]], start: Mapping[str, Any], labels: Mapping[str, str]
) -> None:
    if not settings:
        raise InputError("there is nothing to explore", "name a setting and its values")
    frames = 1
    for name, values in settings.items():
        if isinstance(values, str) or len(values) == 0:
            raise InputError(f"the setting {name!r} needs a sequence of values, not {values!r}")
        frames *= len(values)
    if frames > MAX_FRAMES:
        raise InputError(
            f"{frames} combinations of settings would be drawn, over {MAX_FRAMES}",
            "give fewer values",
        )
    for name in (*start, *labels):
        if name not in settings:
            raise InputError(f"{name!r} is not one of the settings {sorted(settings)}")
    for name, value in start.items():
        if value not in settings[name]:
            raise InputError(f"{name} starts at {value!r}, which is not among {settings[name]}")


def _control(label: str, values: Sequence[Any], value: Any) -> widgets.Widget:
    """A slider over numbers, a menu over anything else."""
    numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    kind = widgets.SelectionSlider if numeric else widgets.Dropdown
    return kind(
        options=[(str(v), v) for v in values],
        value=value,
        description=label,
        style={"description_width": "9em"},
        layout={"width": "min(100%, 32em)"},
    )


def _stack(
    draw: Callable[..., Figure],
    settings: dict[str, Sequence[Any]],
    controls: Mapping[str, widgets.Widget],
    chosen: dict[str, Any],
) -> widgets.Widget:
    """A picture where every setting is chosen; otherwise a stack over the next setting's values.

    Linking in the browser knows only "this number equals that number", so two settings are a
    stack of stacks, every inner one tied to the same slider.
    """
    if not settings:
        return _picture(draw, chosen)
    (name, values), *rest = settings.items()
    stack = widgets.Stack(
        children=[_stack(draw, dict(rest), controls, chosen | {name: v}) for v in values],
        selected_index=controls[name].index,
    )
    widgets.jslink((controls[name], "index"), (stack, "selected_index"))
    return stack


def _exchanged(
    draw: Callable[..., Figure],
    settings: Mapping[str, Sequence[Any]],
    controls: Mapping[str, widgets.Widget],
) -> widgets.Image:
    """One picture, which the kernel exchanges: ipywidgets 7 has no stack."""
    frames = {
        places: _picture(
            draw, {name: settings[name][k] for name, k in zip(settings, places, strict=True)}
        )
        for places in itertools.product(*(range(len(values)) for values in settings.values()))
    }

    def chosen() -> bytes:
        return frames[tuple(controls[name].index for name in settings)].value

    shown = _image(chosen())
    for control in controls.values():
        control.observe(lambda _: setattr(shown, "value", chosen()), "index")
    return shown


def _enable_on_colab() -> None:
    """Colab draws widgets of ipywidgets 8 only if it is asked to."""
    if "google.colab" in sys.modules:
        sys.modules["google.colab"].output.enable_custom_widget_manager()


def _picture(draw: Callable[..., Figure], chosen: Mapping[str, Any]) -> widgets.Image:
    """One frame as a PNG of at most 256 colours, a third of the size of a full-colour one."""
    figure = draw(**chosen)
    if not isinstance(figure, Figure):
        raise InputError(
            f"the drawing function returned {type(figure).__name__}, not a figure",
            "use a draw_ function of labkit.book.plotting, and return what it returns",
        )
    raw, small = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, format="png", dpi=FRAME_DPI, facecolor=figure.get_facecolor())
    plt.close(figure)
    with Image.open(raw) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
            small, format="png", optimize=True
        )
    return _image(small.getvalue())


def _image(png: bytes) -> widgets.Image:
    return widgets.Image(value=png, format="png", layout={"width": "100%", "max_width": "48rem"})
