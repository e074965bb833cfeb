#!/usr/bin/env python3
"""Make notebooks to work in from the chapters: the exercises without their solutions.

    tools/exercises.py [CHAPTER ...]

Each solution is taken out, with its outputs. An empty cell stands in its place, with the call that
checks an answer as a comment; all else is the chapter. A notebook that is there already is kept,
since it may hold somebody's work. The built book offers the same notebooks beside the exercises of
each chapter.
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import execute
import links
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

FOLDER = links.ROOT / "exercises"
# A directive of sphinx-exercise: its fence, name, argument, options and text.
BLOCK = re.compile(
    r"^(?P<fence>`{3,})\{(?P<kind>exercise|solution|solution-start|solution-end)\}[^\n]*\n"
    r"(?P<options>(?::[^\n]*\n)*)(?P<text>.*?)^(?P=fence)[ \t]*$\n?",
    re.MULTILINE | re.DOTALL,
)
BADGE_LINE = re.compile(links.BADGE_FOUND.pattern + r"\n*")
LOCAL_LINK = re.compile(r"\]\((?!\w+:|#)([^)\s]+)\)")

NOTE = """\
> **Exercise version** of [this chapter]({chapter}). Its solutions are left out: yours go into the \
cells marked *Your solution*, and those of the book stand at the end of the chapter.
>
> It runs wherever the book is installed with `make install`, in whatever folder it lies, and in \
[Colab](https://colab.research.google.com/), where *File → Upload notebook* opens it."""
PLACE = """\
import os
from pathlib import Path

import labkit

if not Path("results").is_dir():  # this notebook lies outside the book's folder
    os.chdir(Path(labkit.__file__).resolve().parent.parent / "book")"""
YOUR_CODE = "# Your solution"
CHECKS = re.compile(r"^check\(.*\)$", re.MULTILINE)
YOUR_WORDS = "*Your solution:*"


def pieces(notebook: Any) -> Iterator[tuple[str, str | Any]]:
    """The chapter as ("cell", code cell), ("text", Markdown) and (kind of directive, its text)."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            yield "cell", cell
            continue
        end = 0
        for block in BLOCK.finditer(cell.source):
            yield "text", cell.source[end : block.start()]
            yield block["kind"], block["text"]
            end = block.end()
        yield "text", cell.source[end:]


def has_exercises(notebook: Any) -> bool:
    return "exercise" in dict(pieces(notebook))


def without_solutions(notebook: Any, chapter: int) -> Iterator[Any]:
    """The cells of the exercise version; exercises are numbered as on the chapter's page."""
    number, solving, code, checks = 0, False, False, ""
    for kind, piece in pieces(notebook):
        if kind == "solution-start":
            solving, code, checks = True, False, ""
        elif kind == "solution-end":
            solving = False
            yield new_code_cell(YOUR_CODE + checks) if code else new_markdown_cell(YOUR_WORDS)
        elif solving:
            code = code or kind == "cell"
            if kind == "cell":
                checks += "".join(f"\n\n# {line}" for line in CHECKS.findall(piece.source))
        elif kind == "cell":
            yield copy.deepcopy(piece)
        elif kind == "exercise":
            number += 1
            yield new_markdown_cell(f"### Exercise {chapter}.{number}\n\n{piece.strip()}")
        elif kind == "solution":
            yield new_markdown_cell(YOUR_WORDS)
        elif piece.strip():
            yield new_markdown_cell(piece.strip())


def exercise_version(notebook: Any, name: str, repository: links.Repository) -> Any:
    """The notebook to work in, of an executed chapter whose file has that name, which begins with
    its number. What links to a file beside it will link to the public repository."""
    made = copy.deepcopy(notebook)
    opening, install, *rest = without_solutions(notebook, int(name[:2]))
    note = NOTE.format(chapter=repository.page(name))
    made.cells = [opening, new_markdown_cell(note), install, new_code_cell(PLACE), *rest]
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number:03d}"
        if cell.cell_type == "markdown":
            text = BADGE_LINE.sub("", cell.source)
            cell.source = LOCAL_LINK.sub(lambda m: f"]({repository.page(m[1])})", text)
    nbformat.validate(made)
    return made


def write_all(chapters: list[Path], folder: Path, repository: links.Repository) -> list[Path]:
    """Write the exercise versions of those chapters that have exercises; files there are kept.

    Returns:
        The files that were written.
    """
    written = []
    for path in chapters:
        notebook, target = nbformat.read(path, as_version=4), folder / path.name
        if has_exercises(notebook) and not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            nbformat.write(exercise_version(notebook, path.name, repository), target)
            written.append(target)
    return written


if __name__ == "__main__":
    found = write_all(execute.chapters(sys.argv[1:]), FOLDER, links.read_repository(links.ROOT))
    print(
        *found or [f"nothing written: {FOLDER} has them already, or there are no exercises"],
        sep="\n",
    )
