"""What only the chapters and their studies need. Nothing else in labkit imports it."""

from labkit.book.checks import check

__all__ = ["check"]
