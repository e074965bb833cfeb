"""Every chapter keeps the rules of notebook_guard, and every rule can fail."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import execute
import links
import nbformat
import notebook_guard as guard
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
REFERENCES = (BOOK / "references.bib").read_text(encoding="utf-8")

OPENING = """# 3. A sample

[![Open in Colab](_static/colab.svg)](https://colab.research.google.com/github/a/b/blob/main/book/03-sample.ipynb)

**Does the guard hold?**

| At a glance | |
|---|---|
| You will learn | what a chapter is |
| Prerequisites | none |
| Time | 1 minute to read, 5 seconds to run |
| Hardware | a laptop's CPU |
"""
INSTALL = """import importlib.util
from pathlib import Path

if Path("b/book").is_dir():  # on Colab, after a restart
    %cd b/book
elif importlib.util.find_spec("labkit") is None:  # on Colab: fetch the book and its package
    !git clone --quiet --depth 1 https://github.com/a/b
    %cd b/book
    %pip install --quiet "..[notebook]\""""
CLOSING = """## Exercises

```{exercise}
:label: ex-03-one
One?
```

```{solution} ex-03-one
:class: dropdown
One.
```

```{exercise}
:label: ex-03-two
Two?
```

````{solution-start} ex-03-two
:class: dropdown
````"""
ENDING = """````{solution-end}
````

## Summary

- One point, from {footcite:t}`wang2018gmcnn`.
- Another, seen in {numref}`fig-sample`.

## What next

More.

## References

```{footbibliography}
```
"""
FIGURE = {
    "mystnb": {
        "image": {"alt": "A dark square in the middle of a light one."},
        "figure": {"caption": "A mask with a square hole.", "name": "fig-sample"},
    }
}
MASK = "mask = np.pad(np.ones((8, 8), bool), 4)"
SLIDERS = """def square(side):
    return plotting.draw_masks(np.pad(np.ones((side, side), bool), 4))


explore(square, side=[4, 8])"""


@pytest.fixture(scope="module")
def sample_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chapter that keeps every rule, executed as `make notebooks` does it."""
    imports = (
        "import numpy as np\n\nfrom labkit.book import plotting\n"
        "from labkit.book.widgets import explore"
    )
    cells = [
        new_markdown_cell(OPENING),
        new_code_cell(INSTALL, metadata={"tags": ["remove-cell"]}),
        new_code_cell(imports, metadata={"tags": ["hide-input"]}),
        new_code_cell(f"{MASK}\nplotting.show_masks(mask)", metadata=FIGURE),
        new_code_cell(SLIDERS),
        new_code_cell("print(f'{mask.mean():.3f}')\nmask.shape"),
        new_markdown_cell(CLOSING),
        new_code_cell("print(2)"),
        new_markdown_cell(ENDING),
    ]
    path = tmp_path_factory.mktemp("book") / "03-sample.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    execute.execute(path, timeout=120)
    return path


@pytest.fixture
def sample(sample_path: Path) -> Any:
    return guard.read(sample_path)


def complaints(notebook: Any) -> list[str]:
    return guard.complaints(notebook, "03-sample", REFERENCES, BOOK)


def nbval(path: Path) -> int:
    """Exit status of the strict comparison that `make test` runs."""
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env"]
    command += ["-p", "no:cacheprovider", "--rootdir", str(path.parent), str(path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(command, capture_output=True, env=environment, check=False).returncode


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_chapter_keeps_the_rules(path: Path) -> None:
    found = guard.complaints(guard.read(path), path.stem, REFERENCES, BOOK)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_chapter_is_small(path: Path) -> None:
    assert path.stat().st_size < guard.MAX_BYTES


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_chapter_stripped_of_outputs_is_refused(path: Path) -> None:
    notebook = guard.read(path)
    strip_outputs(notebook)
    assert guard.outputs(notebook)


def test_figures_are_named_once_in_the_book() -> None:
    cells = [c for path in CHAPTERS for _, c in guard.code_cells(guard.read(path))]
    names = Counter(name for cell in cells if (name := guard.figure_name(cell)))
    assert [name for name, count in names.items() if count > 1] == []


def test_few_cells_of_the_book_are_compared_loosely() -> None:
    cells = [c for path in CHAPTERS for c in guard.read(path).cells]
    used = Counter(tag for cell in cells for tag in guard.cell_tags(cell))
    assert {tag: used[tag] for tag, most in guard.BOOK_BUDGET.items() if used[tag] > most} == {}


def test_contents_list_every_chapter_and_nothing_else() -> None:
    listed = links.listed_files(ROOT)
    assert len(set(listed)) == len(listed)
    for path in CHAPTERS:
        assert f"book/{path.stem}" in listed
    for file in listed:
        assert any((ROOT / f"{file}{kind}").is_file() for kind in (".ipynb", ".md")), file


def test_sample_keeps_every_rule(sample: Any) -> None:
    assert complaints(sample) == []


def test_execution_is_reproducible_and_passes_the_comparison(sample_path: Path) -> None:
    before = sample_path.read_bytes()
    execute.execute(sample_path, timeout=120)
    assert sample_path.read_bytes() == before
    assert nbval(sample_path) == 0


def test_comparison_passes_a_stripped_chapter_which_the_guard_refuses(
    sample_path: Path, tmp_path: Path
) -> None:
    notebook = guard.read(sample_path)
    strip_outputs(notebook)
    stripped = tmp_path / "03-sample.ipynb"
    nbformat.write(notebook, stripped)
    assert nbval(stripped) == 0  # the gap that the guard is there to close
    found = complaints(notebook)
    assert any("not executed" in text for text in found)
    assert any("shows a figure" in text for text in found)
    assert any("prints" in text for text in found)


def test_traceback_keeps_the_chapter_and_not_the_machine(sample: Any, tmp_path: Path) -> None:
    sample.cells[5].source = "plotting.show_masks(np.full((2, 2), 0.5))"
    sample.cells[5].metadata["tags"] = ["raises-exception"]
    path = tmp_path / "03-sample.ipynb"
    nbformat.write(sample, path)
    execute.execute(path, timeout=60)
    (error,) = guard.read(path).cells[5].outputs
    assert "InputError" in error.traceback[-1]
    assert any("show_masks" in frame for frame in error.traceback)
    assert str(ROOT) not in "".join(error.traceback)


def test_failing_cell_leaves_the_file_as_it_was(sample: Any, tmp_path: Path) -> None:
    sample.cells[2].source = "1 / 0"
    path = tmp_path / "03-sample.ipynb"
    nbformat.write(sample, path)
    before = path.read_bytes()
    with pytest.raises(execute.CellExecutionError):
        execute.execute(path, timeout=60)
    assert path.read_bytes() == before


def strip_outputs(notebook: Any) -> None:
    for _, cell in guard.code_cells(notebook):
        cell.outputs, cell.execution_count = [], None


def strip_one_figure(notebook: Any) -> None:
    notebook.cells[3].outputs = []


def strip_a_value(notebook: Any) -> None:
    notebook.cells[5].source, notebook.cells[5].outputs = "mask.shape", []


def run_out_of_order(notebook: Any) -> None:
    notebook.cells[4].execution_count = 9


def warn(notebook: Any) -> None:
    notebook.cells[5].outputs[0].name = "stderr"


def fail(notebook: Any) -> None:
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}
    notebook.cells[5].outputs.append(nbformat.from_dict(error))


def print_a_path(notebook: Any) -> None:
    notebook.cells[5].outputs[0].text = "/home/reader/book\n"


def show_a_path_in_a_traceback(notebook: Any) -> None:
    frame = "File \x1b[32m/home/reader/labkit/images.py:3\x1b[39m"
    error = {"output_type": "error", "ename": "E", "evalue": "no", "traceback": [frame]}
    notebook.cells[5].outputs.append(nbformat.from_dict(error))
    notebook.cells[5].metadata["tags"] = ["raises-exception"]


def print_a_long_line(notebook: Any) -> None:
    notebook.cells[5].outputs[0].text = "x" * 101 + "\n"


def skip_a_cell(notebook: Any) -> None:
    notebook.cells[5].metadata["tags"] = ["nbval-skip"]


def ignore_twice(notebook: Any) -> None:
    for k in (4, 5):
        notebook.cells[k].metadata["tags"] = ["nbval-ignore-output"]


def promise_an_exception(notebook: Any) -> None:
    notebook.cells[5].metadata["tags"] = ["raises-exception"]


def drop_alt(notebook: Any) -> None:
    notebook.cells[3].metadata["mystnb"]["image"] = {}


def empty_the_caption(notebook: Any) -> None:
    notebook.cells[3].metadata["mystnb"]["figure"]["caption"] = None


def drop_caption(notebook: Any) -> None:
    notebook.cells[3].metadata["mystnb"]["figure"]["caption"] = ""


def drop_figure_name(notebook: Any) -> None:
    notebook.cells[3].metadata["mystnb"]["figure"]["name"] = ""


def never_mention_the_figure(notebook: Any) -> None:
    notebook.cells[-1].source = notebook.cells[-1].source.replace("fig-sample", "fig-other")


def move_the_sliders_away(notebook: Any) -> None:
    notebook.cells.insert(4, notebook.cells.pop(5))


def drop_widget_state(notebook: Any) -> None:
    del notebook.metadata["widgets"]


def name_another_kernel(notebook: Any) -> None:
    notebook.metadata["kernelspec"]["name"] = "my-kernel"


def show_the_imports(notebook: Any) -> None:
    notebook.cells[2].metadata.pop("tags")


def write_a_long_line(notebook: Any) -> None:
    notebook.cells[7].source = "print(2)  # " + "x" * 88


def edit(k: int, old: str, new: str) -> Callable[[Any], None]:
    def change(notebook: Any) -> None:
        assert old in notebook.cells[k].source
        notebook.cells[k].source = notebook.cells[k].source.replace(old, new)

    return change


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (strip_outputs, "not executed"),
        (strip_one_figure, "shows a figure"),
        (strip_a_value, "ends with an expression"),
        (run_out_of_order, "not executed"),
        (warn, "stderr"),
        (fail, "failed: ValueError"),
        (print_a_path, "path of one machine"),
        (show_a_path_in_a_traceback, "path of one machine"),
        (print_a_long_line, "columns"),
        (skip_a_cell, "'nbval-skip'"),
        (ignore_twice, "'nbval-ignore-output'"),
        (promise_an_exception, "shows no error"),
        (drop_alt, "alt text"),
        (drop_caption, "no caption"),
        (empty_the_caption, "no caption"),
        (drop_figure_name, "not fig-"),
        (never_mention_the_figure, "refers to"),
        (move_the_sliders_away, "standing still"),
        (drop_widget_state, "state of its widget"),
        (name_another_kernel, "metadata"),
        (show_the_imports, "not folded away"),
        (write_a_long_line, "code over"),
        (edit(0, "# 3. ", "# "), "title"),
        (edit(0, "03-sample", "04-other"), "badge"),
        (edit(0, "**Does", "Does"), "question"),
        (edit(0, "| Prerequisites | none |\n", ""), "'Prerequisites'"),
        (edit(0, "5 seconds to run", "soon run"), "'Time' is not"),
        (edit(1, "--quiet", ""), "installs labkit"),
        (edit(-1, "## Summary", "## Recap"), "last sections"),
        (edit(-1, "- Another", "Another"), "fewer than two points"),
        (edit(6, "ex-03-two\n:class: dropdown", "ex-03-two"), "hidden solutions"),
        (edit(6, "{exercise}\n:label: ex-03-one", "{note}"), "two or more wanted"),
        (edit(-1, "{solution-end}", "{note}"), "closed"),
        (edit(-1, "wang2018gmcnn", "nobody1900"), "nobody1900 is cited"),
        (edit(-1, "footcite:t", "cite:t"), "cite with footcite"),
        (edit(-1, "{footbibliography}", "{note}"), "no list of references"),
        (edit(-1, "More.", "More.[^1]"), "footnote"),
        (edit(-1, "More.", "[More](99-nothing.ipynb)."), "99-nothing.ipynb, which"),
        (edit(-1, "More.", "[More](#nowhere)."), "#nowhere, where"),
        (edit(-1, "More.", "See {eq}`eq-03-none`."), "eq-03-none, which nothing"),
        (edit(-1, "More.", "![](_static/logo.svg)"), "logo.svg in the text has no alt"),
        (edit(-1, "More.", "```{image} _static/logo.svg\n```"), "logo.svg in the text has no alt"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_every_rule_can_fail(sample: Any, spoil: Callable[[Any], None], complaint: str) -> None:
    spoiled = copy.deepcopy(sample)
    spoil(spoiled)
    assert any(complaint in text for text in complaints(spoiled)), complaints(spoiled)
