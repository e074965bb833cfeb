#!/usr/bin/env python3
"""Write what other files determine: the book's address (links.py), and of the appendices

book/run-times.md from the table at the head of each chapter, pyproject.toml and constraints.txt,
book/cli.md from the help texts of `labkit`, and in book/glossary.md and book/notation.md the links
to the chapters that there are.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import links
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from labkit.cli import program

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TIME = re.compile(r"^\| Time \| (\d+) minutes? to read, (\d+) (second|minute)s? to run \|$", re.M)
HARDWARE = re.compile(r"^\| Hardware \| (.+?) \|$", re.M)
SPACE = "\N{NO-BREAK SPACE}"
TORCH = re.compile(r"torch (\S+), torchvision (\S+),\n# with Python (\S+)\.\n")


def table(*rows: tuple[str, ...]) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


# Run times and versions -------------------------------------------------------------------------


def chapter_times(root: Path) -> Iterator[tuple[str, str, int, int, str]]:
    """(file, title, minutes to read, seconds to run, hardware) of each chapter."""
    for path in links.chapter_paths(root):
        opening = links.source(json.loads(links.read(path))["cells"][0])
        time, hardware = TIME.search(opening), HARDWARE.search(opening)
        if not time or not hardware:
            sys.exit(f"{path.name}: no 'N minutes to read, N seconds to run', or no hardware")
        title = re.search(r"^# (.+)$", opening, re.MULTILINE)[1]
        seconds = int(time[2]) * (60 if time[3] == "minute" else 1)
        yield path.name, title, int(time[1]), seconds, hardware[1]


def tested_versions(root: Path) -> tuple[str, dict[str, str]]:
    """The Python that constraints.txt was written under, and the version of each package."""
    text = links.read(root / "constraints.txt")
    pins = (Requirement(line) for line in text.splitlines() if line and not line.startswith("#"))
    versions = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in pins}
    versions["torch"], versions["torchvision"], python = TORCH.search(text).groups()
    return python, versions


def read_project(root: Path) -> dict[str, Any]:
    return tomllib.loads(links.read(root / "pyproject.toml"))["project"]


def direct_requirements(root: Path) -> Iterator[tuple[str, Requirement]]:
    """What labkit asks for itself: (what brings it, as pip names it, requirement)."""
    project = read_project(root)
    listed = {"labkit": project["dependencies"]}
    listed |= {f"labkit[{name}]": each for name, each in project["optional-dependencies"].items()}
    for name, texts in listed.items():
        found = (Requirement(text) for text in texts)
        yield from ((name, each) for each in found if each.name != "labkit")


RUN_TIMES = """\
# Run times and versions

This page says how long each chapter takes to read and to run, on what hardware, and with which \
versions of its packages the book was tested.

## Chapters

The times are those that each chapter states at its head: to read it once without the exercises, \
and to run it from top to bottom on two cores of a processor with nothing else to do.

{times}

What takes longer than a chapter may was run beforehand: trainings, studies and evaluations. The \
results lie in `book/results/`, each with the versions and the machine that it was measured with; \
the command that wrote it stands in the file, or in the chapter that shows it.

## Versions

The book was tested with Python {python}. It should run with Python {oldest} or newer and with any \
version within the bounds. `pip install -c constraints.txt -e ".[book,test]"` installs those that \
were tested, but for PyTorch, whose right build depends on the machine.

{packages}
"""


def run_times(root: Path) -> str:
    """The text of book/run-times.md."""
    chapters = list(chapter_times(root))
    times = [
        (f"[{title}]({file})", f"{minutes}{SPACE}min", f"{seconds}{SPACE}s", hardware)
        for file, title, minutes, seconds, hardware in chapters
    ]
    read, run = sum(each[2] for each in chapters), sum(each[3] for each in chapters)
    times.append(("together", f"{read / 60:.1f}{SPACE}h", f"{run / 60:.1f}{SPACE}min", ""))
    python, versions = tested_versions(root)
    packages = []
    for origin, each in direct_requirements(root):
        bounds = ", ".join(sorted(map(str, each.specifier), reverse=True))
        tested = versions[canonicalize_name(each.name)]
        packages.append((each.name, f"`{origin}`", f"`{bounds}`", tested))
    return RUN_TIMES.format(
        times=table(("chapter", "to read", "to run", "hardware"), *times),
        python=python,
        oldest=read_project(root)["requires-python"].removeprefix(">="),
        packages=table(("package", "comes with", "bounds", "tested"), *packages),
    )


# The command line -------------------------------------------------------------------------------

MARKDOWN = re.compile(r"([|*<>$\[\]])")
CODE = re.compile(r"(?<![\w-])(--?[a-z][\w-]*)")
BREAK = "\n\n"


def prose(text: str) -> str:
    """A help text as Markdown on one line, with options set as code."""
    return CODE.sub(r"`\1`", MARKDOWN.sub(r"\\\1", " ".join(text.split())))


def paragraphs(text: str) -> str:
    """The help of a command as Markdown: an example becomes a block of code."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        words = " ".join(paragraph.split())
        example = re.fullmatch(r"(Example|To see it work): (labkit .+)", words)
        found.append(f"```sh\n{example[2]}\n```" if example else prose(words))
    return BREAK.join(found)


def default(parameter: Any) -> str:
    """What holds where an option is not given, as code; empty where there is nothing to show."""
    if parameter.required:
        return "required"
    shown = parameter.show_default
    if isinstance(shown, str):
        return f"`{shown}`"
    if not shown or parameter.default in (None, (), []) or parameter.is_flag:
        return ""
    return f"`{parameter.default}`"


def spelled(parameter: Any) -> str:
    """How an argument or option is written: `-o`, `--out`."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])


def command_section(path: str, command: Any, level: int) -> Iterator[str]:
    """Heading, help and options of a command, then the same of the commands below it."""
    yield f"{'#' * level} {path}"
    yield paragraphs(command.help or "")
    panels: dict[str, list[tuple[str, ...]]] = {}
    for parameter in command.params:
        if not parameter.hidden and parameter.name != "help":
            kind = "argument" if parameter.param_type_name == "argument" else "option"
            panel = getattr(parameter, "rich_help_panel", None) or kind
            row = (spelled(parameter), prose(parameter.help or ""), default(parameter))
            panels.setdefault(panel, []).append(row)
    for panel, rows in panels.items():
        yield table((panel, "meaning", "default"), *rows)
    for name, below in getattr(command, "commands", {}).items():
        yield from command_section(f"{path} {name}", below, level + 1)


COMMAND_LINE = """\
# Command line

This page lists every command of `labkit` with its arguments and options, as `labkit COMMAND \
--help` prints them.

{usage}

Every command also takes `--help`. What can be put right by whoever typed the command ends in one \
line that says how, and exit code 2; Ctrl-C in exit code 130.

{commands}
"""


def command_line() -> str:
    """The text of book/cli.md."""
    _, usage, *sections = command_section("labkit", program(), 1)
    return COMMAND_LINE.format(usage=usage, commands=BREAK.join(sections))


# Glossary and notation ---------------------------------------------------------------------------

BARE = re.compile(r"\[(chapter \d+|\d+)\]\([^)]*\)", re.IGNORECASE)
NAMED = re.compile(r"\bchapter (\d+)\b|(?<=\| )(\d+)(?= \|$)", re.IGNORECASE | re.MULTILINE)


def link_chapters(text: str, root: Path) -> str:
    """A text in which "chapter 7", or a row that ends in 7, links to chapter 7 if there is one."""
    names = (path.name for path in links.chapter_paths(root))
    files = {name[:2].lstrip("0"): name for name in names if name[:2].isdigit()}

    def link(found: re.Match[str]) -> str:
        file = files.get(found[1] or found[2])
        return f"[{found[0]}]({file})" if file else found[0]

    return NAMED.sub(link, BARE.sub(r"\1", text))


def out_of_step(root: Path) -> dict[Path, str]:
    """Pages whose text would change, and what it would become."""
    made = {root / "book/run-times.md": run_times(root), root / "book/cli.md": command_line()}
    for path in (root / "book/glossary.md", root / "book/notation.md"):
        if path.is_file():
            made[path] = link_chapters(links.read(path), root)
    return links.changed(made)


if __name__ == "__main__":
    for changes in (links.out_of_step, out_of_step):
        for path, text in changes(links.ROOT).items():
            print(f"rewritten: {path.relative_to(links.ROOT)}")
            path.write_text(text, encoding="utf-8")
