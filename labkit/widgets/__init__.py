"""Things a reader moves with the mouse; they need the `notebook` extra (ipywidgets)."""

from labkit.widgets.sliders import Explorer, explore

__all__ = ["Explorer", "explore"]
