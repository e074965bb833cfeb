"""Rendered faces: pictures without an owner, drawn from a seed by NumPy alone."""

from labkit.faces.render import RenderedFaces, box_around, face_regions, render_faces

__all__ = ["RenderedFaces", "box_around", "face_regions", "render_faces"]
