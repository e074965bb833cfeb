"""Things a reader moves with the mouse; they need the `notebook` extra (ipywidgets, anywidget)."""

from labkit.book.widgets.painter import CompareSlider, MaskPainter, Stroke
from labkit.book.widgets.sliders import Explorer, explore

__all__ = ["CompareSlider", "Explorer", "MaskPainter", "Stroke", "explore"]
