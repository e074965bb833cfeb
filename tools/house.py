#!/usr/bin/env python3
"""How large the house is, against what it may be: lines, parameters, docstrings.

`make lint` runs it. A limit that is reached is a reason to take something out, not to raise it.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LABKIT = ROOT / "labkit"
BOXES = ("faces", "book")  # what stands beside the core
# What the house aims at, and what it may not exceed until it gets there.
LINES = {
    "labkit": (10_000, 12_000),
    "core": (6_000, 8_400),
    "cli": (700, 900),
    "tools": (1_800, 2_900),
}
FILE, PARAMETERS, DOCSTRINGS = 300, 12, 0.2


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def count(paths: list[Path]) -> int:
    return sum(map(lines, paths))


def functions(path: Path) -> list[tuple[str, int]]:
    """Every function of a file, with the number of its parameters, self left out."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            names = [
                a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            ]
            found.append((node.name, len([name for name in names if name not in ("self", "cls")])))
    return found


def docstring_lines(path: Path) -> int:
    total = 0
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            first = node.body[0]
            total += first.end_lineno - first.lineno + 1
    return total


def faults() -> list[str]:
    """Print the counts; return what is over its limit."""
    files = sorted(LABKIT.rglob("*.py"))
    core = [path for path in files if path.relative_to(LABKIT).parts[0] not in BOXES]
    found = []
    sizes = {
        "labkit": count(files),
        "core": count(core),
        "cli": count(sorted((LABKIT / "cli").glob("*.py"))),
        "tools": count(sorted((ROOT / "tools").glob("*.py"))),
    }
    for name, size in sizes.items():
        aim, limit = LINES[name]
        print(f"{name:8} {size:6,} lines, aim {aim:,}")
        if size > limit:
            found.append(f"{name}: {size} lines, at most {limit}")
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        if lines(path) > FILE:
            found.append(f"{name}: {lines(path)} lines, at most {FILE}")
        for function, parameters in functions(path):
            if parameters > PARAMETERS:
                found.append(
                    f"{name}: {function} has {parameters} parameters, at most {PARAMETERS}"
                )
    for box in ("nn", "losses"):
        paths = sorted((LABKIT / box).glob("*.py"))
        share = sum(map(docstring_lines, paths)) / count(paths)
        print(f"{box:8} {share:6.0%} docstrings, aim {DOCSTRINGS:.0%}")
        if share > DOCSTRINGS + 0.15:
            found.append(f"{box}: {share:.0%} of its lines are docstrings")
    return found


if __name__ == "__main__":
    problems = faults()
    print("\n".join(problems), file=sys.stderr)
    sys.exit(bool(problems))
