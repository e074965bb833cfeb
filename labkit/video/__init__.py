"""Filling the holes of a clip: what a neighbouring frame shows is copied, the rest is painted."""
