"""Holes: rectangles, free-form strokes, irregular masks, and masks read from files; 1 = missing."""

from labkit.masks.collection import MaskFiles
from labkit.masks.files import PolarityWarning, decode_mask, read_mask, write_mask
from labkit.masks.free_form import free_form
from labkit.masks.irregular import irregular
from labkit.masks.ratio import BINS, bin_index, hole_ratio
from labkit.masks.rectangle import rectangle
from labkit.masks.sampling import sample_masks
from labkit.settings import MaskConfig

__all__ = [
    "BINS",
    "MaskConfig",
    "MaskFiles",
    "PolarityWarning",
    "bin_index",
    "decode_mask",
    "free_form",
    "hole_ratio",
    "irregular",
    "read_mask",
    "rectangle",
    "sample_masks",
    "write_mask",
]
