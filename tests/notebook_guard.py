"""What a committed chapter must be: executed, readable, described, and built alike.

Strict nbval compares the outputs that are there; a chapter stripped of its outputs passes it. These
rules close that gap, and hold every chapter to one anatomy. Each function returns its complaints.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from execute import COLOUR, METADATA, WIDGET_VIEW, WIDGETS
from IPython.core.inputtransformer2 import TransformerManager
from pages import TIME

# How often a chapter may use each tag; no other tag is allowed.
TAG_BUDGET = {
    "remove-cell": 1,
    "hide-input": 7,
    "hide-output": 1,
    "raises-exception": 2,
    "nbval-ignore-output": 1,
}
# And the whole book, those that loosen the comparison.
BOOK_BUDGET = {"raises-exception": 6, "nbval-ignore-output": 3}

# Calls that may end a cell and print nothing.
SILENT_CALL = re.compile(r"assert_\w+|append|extend|update|add|mkdir")
SHOWING_CALL = re.compile(r"show\w*|explore")
AT_A_GLANCE = ("You will learn", "Prerequisites", "Time", "Hardware")
LAST_SECTIONS = ["Exercises", "Summary", "What next", "References"]
MACHINE_PATH = re.compile(r"/(?:root|home|Users|work|tmp)/")
BARE = re.compile(r"!\[\s*\]\(([^)\s]+)")  # a picture in the text that says nothing
PICTURE_BLOCK = re.compile(r"^`{3,}\{(?:figure|image)\} (\S+)\n((?:.*\n)*?)`{3,}", re.MULTILINE)
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
CODE_BLOCK = re.compile(r"^(`{3,})\w*\n.*?^\1", re.MULTILINE | re.DOTALL)
REFERENCE = re.compile(r"\{(?:numref|eq|ref|prf:ref)\}`(?:[^`<]*<)?([^`>]+)>?`")
LABEL = re.compile(r"^:(?:label|name): (\S+)|^\$\$ \(([^)]+)\)|^\(([^)]+)\)=", re.MULTILINE)
MAX_BYTES = 1_500_000
MAX_CODE_COLUMNS = 88
MAX_OUTPUT_COLUMNS = 100

INSTALL = re.compile(
    r"""import importlib\.util
from pathlib import Path

if Path\("([\w.-]+)/book"\)\.is_dir\(\):  # on Colab, after a restart
    %cd \1/book
elif importlib\.util\.find_spec\("labkit"\) is None:  # on Colab: fetch the book and its package
    !git clone --quiet --depth 1 https://github\.com/[\w.-]+/\1
    %cd \1/book
    %pip install --quiet "\.\.\[notebook\]"
"""
)


def complaints(notebook: Any, name: str, references: str, book: Path) -> list[str]:
    """Everything wrong with one chapter.

    Args:
        name: of its file, without the suffix.
        references: the text of the .bib file.
        book: the folder that its links start from.
    """
    rules = [outputs, streams, tags, figures, metadata, layout]
    found = [text for rule in rules for text in rule(notebook)]
    return (
        found
        + anatomy(notebook, name)
        + exercises(notebook, name)
        + citations(notebook, references)
        + internal_links(notebook, book)
    )


def code_cells(notebook: Any) -> Iterator[tuple[int, Any]]:
    return ((k, cell) for k, cell in enumerate(notebook.cells) if cell.cell_type == "code")


def prose(notebook: Any) -> str:
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def cell_tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def is_install(cell: Any) -> bool:
    return INSTALL.fullmatch(cell.source.rstrip("\n") + "\n") is not None


def called(node: ast.Call) -> str:
    """The last part of a call's name: `show` for `plt.show()`."""
    function = node.func
    return getattr(function, "attr", getattr(function, "id", ""))


def calls_at_run_time(tree: ast.Module) -> Iterator[str]:
    """Names called when the cell runs, leaving out the bodies of functions it only defines."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Call):
            yield called(node)
        waiting.extend(ast.iter_child_nodes(node))


def outputs(notebook: Any) -> list[str]:
    """Every code cell was executed, in order, and what shows something has something to show."""
    found = []
    counts = [cell.execution_count for _, cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        found.append(f"not executed from top to bottom in one go: execution counts {counts}")
    for k, cell in code_cells(notebook):
        if is_install(cell):
            continue
        tree = ast.parse(TransformerManager().transform_cell(cell.source))
        names = set(calls_at_run_time(tree))
        last = tree.body[-1] if tree.body else None
        kinds = {kind for out in cell.outputs for kind in out.get("data", {})}
        if "raises-exception" in cell_tags(cell):
            if not any(out.output_type == "error" for out in cell.outputs):
                found.append(f"cell {k} is tagged raises-exception and shows no error")
            continue
        if any(SHOWING_CALL.fullmatch(n) for n in names) and not kinds & {"image/png", WIDGET_VIEW}:
            found.append(f"cell {k} shows a figure, and its output holds none")
        if "print" in names and not any(out.output_type == "stream" for out in cell.outputs):
            found.append(f"cell {k} prints, and has no printed output")
        if isinstance(last, ast.Expr) and not cell.outputs:
            silent = isinstance(last.value, ast.Call) and SILENT_CALL.fullmatch(called(last.value))
            if not silent:
                found.append(f"cell {k} ends with an expression, and has no output")
    return found


def streams(notebook: Any) -> list[str]:
    """No warnings, no errors that are not meant, no path of one machine."""
    found = []
    for k, cell in code_cells(notebook):
        for out in cell.outputs:
            if out.output_type == "stream" and out.name == "stderr":
                found.append(f"cell {k} wrote to stderr: {out.text[:80]!r}")
            if out.output_type == "error" and "raises-exception" not in cell_tags(cell):
                found.append(f"cell {k} failed: {out.ename}: {out.evalue[:80]}")
            text = out.get("text", "") + str(out.get("data", {}).get("text/plain", ""))
            text += COLOUR.sub("", "\n".join(out.get("traceback", [])))
            if MACHINE_PATH.search(text):
                found.append(f"cell {k} prints a path of one machine")
            if any(len(line) > MAX_OUTPUT_COLUMNS for line in text.splitlines()):
                found.append(f"cell {k} prints lines over {MAX_OUTPUT_COLUMNS} columns")
    return found


def tags(notebook: Any) -> list[str]:
    """Only known tags, each within its budget."""
    used = Counter(tag for cell in notebook.cells for tag in cell_tags(cell))
    return [
        f"tag {tag!r} is used {count} times, {TAG_BUDGET.get(tag, 0)} allowed"
        for tag, count in used.items()
        if count > TAG_BUDGET.get(tag, 0)
    ]


def about_figure(cell: Any, part: str, key: str) -> str:
    """What a cell's metadata say of its figure; empty where they say nothing."""
    return (cell.metadata.get("mystnb", {}).get(part) or {}).get(key) or ""


def figure_name(cell: Any) -> str:
    return about_figure(cell, "figure", "name")


def figures(notebook: Any) -> list[str]:
    """A figure says in words what it shows; sliders follow the same figure standing still."""
    found = []
    previous_has_picture = False
    prose_text = prose(notebook)
    for k, cell in code_cells(notebook):
        pictures = [out for out in cell.outputs if "image/png" in out.get("data", {})]
        views = [
            out["data"][WIDGET_VIEW] for out in cell.outputs if WIDGET_VIEW in out.get("data", {})
        ]
        if len(pictures) > 1:
            found.append(f"cell {k} makes {len(pictures)} figures; one a cell")
        if pictures:
            if len(about_figure(cell, "image", "alt")) < 25:
                found.append(f"cell {k}: the figure's alt text says too little, or is missing")
            if len(about_figure(cell, "figure", "caption")) < 15:
                found.append(f"cell {k}: the figure has no caption")
            name = figure_name(cell)
            if not name.startswith("fig-"):
                found.append(f"cell {k}: the figure's name is {name!r}, not fig-…")
            elif f"`{name}`" not in prose_text:
                found.append(f"cell {k}: nothing in the text refers to {name}")
        elif cell.metadata.get("mystnb", {}).get("figure") and not views:
            found.append(f"cell {k} has a caption and no figure")
        if views and not previous_has_picture:
            found.append(f"cell {k}: sliders without the same figure standing still before them")
        state = notebook.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {})
        if any(view["model_id"] not in state for view in views):
            found.append(f"cell {k}: the state of its widget is not stored")
        previous_has_picture = bool(pictures)
    found += [f"the picture {m[1]} in the text has no alt text" for m in BARE.finditer(prose_text)]
    for block in PICTURE_BLOCK.finditer(prose_text):
        if not re.search(r"^:alt: \S", block[2], re.MULTILINE):
            found.append(f"the picture {block[1]} in the text has no alt text")
    return found


def metadata(notebook: Any) -> list[str]:
    """The same few facts in every chapter, none of them about one machine."""
    kept = {key: value for key, value in notebook.metadata.items() if key != "widgets"}
    return [] if kept == METADATA else [f"metadata {kept}; run `make notebooks`"]


def layout(notebook: Any) -> list[str]:
    """Code that fits the page (the cell for Colab is not on it)."""
    return [
        f"cell {k}: code over {MAX_CODE_COLUMNS} columns"
        for k, cell in code_cells(notebook)
        if any(len(line) > MAX_CODE_COLUMNS for line in cell.source.splitlines())
        and not is_install(cell)
    ]


def anatomy(notebook: Any, name: str) -> list[str]:
    """Opening and closing of a chapter: a reader finds the same things in the same places."""
    found = []
    opening = notebook.cells[0].source
    number = re.match(r"(\d+)-", name)
    title = rf"# {int(number[1])}\. \S" if number else r"# \S"
    if not re.match(title, opening):
        found.append(f"the title does not start with {title!r}")
    if f"/book/{name}.ipynb)" not in opening or "[![Open in Colab]" not in opening:
        found.append("no Colab badge for this file under the title")
    if not re.search(r"^\*\*.+\?\*\*$", opening, re.MULTILINE):
        found.append("no question in bold on a line of its own under the title")
    for label in AT_A_GLANCE:
        if not re.search(rf"^\| {label} \| \S.+\|$", opening, re.MULTILINE):
            found.append(f"the table at the top has no row {label!r}")
    if not TIME.search(opening):
        found.append("the row 'Time' is not 'N minutes to read, N seconds to run'")
    if len(notebook.cells) < 2 or not is_install(notebook.cells[1]):
        found.append("the second cell is not the one that installs labkit on Colab")
    headings = re.findall(r"^(#+) (.+)$", prose(notebook), re.MULTILINE)
    if sum(marks == "#" for marks, _ in headings) != 1:
        found.append("a chapter has one heading of the first level")
    sections = [text.strip() for marks, text in headings if marks == "##"]
    if name == "intro":
        return found
    imports = next(
        (c for c in notebook.cells[2:] if c.cell_type == "code"), nbformat.v4.new_code_cell()
    )
    if "hide-input" not in imports.metadata.get("tags", []):
        found.append("the imports at the top are not folded away by 'hide-input'")
    if sections[-len(LAST_SECTIONS) :] != LAST_SECTIONS:
        found.append(f"the last sections are {sections[-4:]}, not {LAST_SECTIONS}")
    summary = prose(notebook).partition("\n## Summary")[2].partition("\n## ")[0]
    if summary.count("\n- ") < 2:
        found.append("the summary has fewer than two points")
    return found


def exercises(notebook: Any, name: str) -> list[str]:
    """At least two exercises, each with a hidden solution, one of them with code that ran."""
    if name == "intro":
        return []
    text = prose(notebook)
    asked = re.findall(r"^`{3,}\{exercise\}.*\n:label: (\S+)", text, re.MULTILINE)
    solved = re.findall(
        r"^`{3,}\{solution(?:-start)?\} (\S+)\n(?::label: \S+\n)?:class: dropdown",
        text,
        re.MULTILINE,
    )
    found = [] if len(asked) >= 2 else [f"{len(asked)} exercises, two or more wanted"]
    if sorted(asked) != sorted(solved):
        found.append(f"exercises {sorted(asked)} and hidden solutions {sorted(solved)} differ")
    starts, ends = text.count("{solution-start}"), text.count("{solution-end}")
    if not starts or starts != ends:
        found.append(f"{starts} solutions with code are opened, {ends} closed")
    return found


def citations(notebook: Any, references: str) -> list[str]:
    """Every work cited is in the bibliography, and the chapter lists what it cites."""
    text = prose(notebook)
    known = set(re.findall(r"^@\w+\{([^,]+),", references, re.MULTILINE))
    cited = {
        key.strip()
        for keys in re.findall(r"\{footcite:(?:p|t|ps|ts)\}`([^`]+)`", text)
        for key in keys.split(",")
    }
    found = [f"{key} is cited and not in references.bib" for key in sorted(cited - known)]
    if re.search(r"\{cite(?::\w+)?\}`", text):
        found.append("cite with footcite, which lists the work in the chapter itself")
    if re.search(r"\[\^\w+\]", text):
        found.append("a footnote; say it in the text")
    if cited and "{footbibliography}" not in text:
        found.append("works are cited and no list of references is printed")
    return found


def labels(notebook: Any) -> set[str]:
    """What a reference can name: figures, equations, exercises, and places in the text."""
    named = {name for _, cell in code_cells(notebook) if (name := figure_name(cell))}
    return named | {next(filter(None, m.groups())) for m in LABEL.finditer(prose(notebook))}


def slug(heading: str) -> str:
    """The anchor that Sphinx gives a heading."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def internal_links(notebook: Any, book: Path) -> list[str]:
    """Links and references lead to what there is."""
    text = CODE_BLOCK.sub("", prose(notebook))
    found = []
    for file, anchor in LINK.findall(text):
        target = book / file if file else None
        if target and not target.is_file():
            found.append(f"a link to {file}, which does not exist")
        elif anchor:
            there = read(target) if file.endswith(".ipynb") else notebook if not target else None
            headings = re.findall(r"^#+ (.+)$", prose(there), re.MULTILINE) if there else None
            if headings is not None and anchor not in {*map(slug, headings), *labels(there)}:
                found.append(f"a link to {file}#{anchor}, where no such heading is")
    missing = set(REFERENCE.findall(text)) - labels(notebook)
    if missing:
        for other in book.glob("*.ipynb"):
            missing -= labels(read(other))
    return found + [f"a reference to {label}, which nothing is called" for label in sorted(missing)]


def read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook
