#!/usr/bin/env python3
"""How large the house is, against what it may be: lines, parameters, docstrings.

`make lint` runs it. A limit that is reached is a reason to take something out, not to raise it.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOXES = ("faces", "book")  # what stands beside the core
# What the house aims at, and what it may not exceed until it gets there.
LINES = {
    "labkit": (10_000, 16_540),
    "core": (6_000, 12_280),
    "cli": (700, 1_095),
    "tools": (1_800, 2_666),
}
FILE, PARAMETERS, DOCSTRINGS = 300, 12, (0.2, 0.35)


def lines(*paths: Path) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def functions(path: Path) -> list[tuple[str, int]]:
    """Every function of a file, with the number of its parameters, self left out."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    found = []
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            listed = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            count = sum(each.arg not in ("self", "cls") for each in listed)
            found.append((node.name, count))
    return found


def docstring_lines(path: Path) -> int:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    firsts = [n.body[0] for n in nodes if isinstance(n, kinds) and ast.get_docstring(n)]
    return sum(first.end_lineno - first.lineno + 1 for first in firsts)


def faults() -> list[str]:
    """Print the counts; return what is over its limit."""
    files = {path.relative_to(ROOT): path for path in sorted((ROOT / "labkit").rglob("*.py"))}
    sizes = {
        "labkit": lines(*files.values()),
        "core": lines(*(path for name, path in files.items() if name.parts[1] not in BOXES)),
        "cli": lines(*(ROOT / "labkit" / "cli").glob("*.py")),
        "tools": lines(*(ROOT / "tools").glob("*.py")),
    }
    found = []
    for name, size in sizes.items():
        aim, limit = LINES[name]
        print(f"{name:8} {size:6,} lines, aim {aim:,}, limit {limit:,}")
        if size > limit:
            found.append(f"{name}: {size} lines, at most {limit}")
    for name, path in files.items():
        if (size := lines(path)) > FILE:
            found.append(f"{name}: {size} lines, at most {FILE}")
        for function, count in functions(path):
            if count > PARAMETERS:
                found.append(f"{name}: {function} has {count} parameters, at most {PARAMETERS}")
    aim, limit = DOCSTRINGS
    for box in ("nn", "losses"):
        paths = list((ROOT / "labkit" / box).glob("*.py"))
        share = sum(map(docstring_lines, paths)) / lines(*paths)
        print(f"{box:8} {share:6.0%} docstrings, aim {aim:.0%}")
        if share > limit:
            found.append(f"{box}: {share:.0%} of its lines are docstrings, at most {limit:.0%}")
    return found


if __name__ == "__main__":
    problems = faults()
    print("\n".join(problems), file=sys.stderr)
    sys.exit(bool(problems))
