#!/usr/bin/env python3
"""Write constraints.txt: the versions with which the book was tested, read off this environment.

PyTorch and what it brings for the graphics card are left out, since the right build differs from
machine to machine; a comment names the versions tested. A version that needs a newer Python than
the oldest supported one carries a marker, so that an older Python takes what it can.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("book", "test")
LEFT_OUT = re.compile(r"torch|torchvision|triton|nvidia-.*|cuda-.*|labkit")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def closure(name: str, extras: tuple[str, ...], seen: dict[str, set[str]]) -> None:
    """Everything that `name[extras]` needs here, gathered into `seen` (name → its extras)."""
    name = canonicalize_name(name)
    new = {"", *extras} - seen.setdefault(name, set())
    seen[name] |= new
    try:
        requirements = distribution(name).requires or []
    except PackageNotFoundError:
        del seen[name]  # needed on another platform or Python only
        return
    for text in requirements:
        requirement = Requirement(text)
        wanted = requirement.marker is None or any(
            requirement.marker.evaluate({**default_environment(), "extra": extra}) for extra in new
        )
        known = canonicalize_name(requirement.name)
        if wanted and (known not in seen or requirement.extras - seen[known]):
            closure(requirement.name, tuple(requirement.extras), seen)


def line(name: str) -> str:
    """`name==version`, with a marker where that version does not support every Python."""
    package = distribution(name)
    supported = SpecifierSet(package.metadata.get("Requires-Python") or "")
    oldest = next(version for version in PYTHONS if supported.contains(version + ".99"))
    marker = "" if oldest == PYTHONS[0] else f'; python_version >= "{oldest}"'
    return f"{name}=={package.version}{marker}"


def main() -> None:
    seen: dict[str, set[str]] = {}
    closure("labkit", EXTRAS, seen)
    python = ".".join(map(str, sys.version_info[:2]))
    tested = ", ".join(f"{n} {distribution(n).version}" for n in ("torch", "torchvision"))
    header = [
        "# The versions with which the book was tested; written by `make constraints`.",
        f"# Not held fast, since the right build depends on the machine: {tested},",
        f"# with Python {python}.",
    ]
    pins = sorted(line(name) for name in seen if not LEFT_OUT.fullmatch(name))
    (ROOT / "constraints.txt").write_text("\n".join(header + pins) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
