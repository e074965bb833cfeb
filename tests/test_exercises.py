"""Exercise versions hold every exercise and no solution, and run with the answers still empty."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import execute
import exercises
import finish
import links
import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = links.read_repository(ROOT)
CHAPTERS = sorted((ROOT / "book").glob("[0-9]*.ipynb"))
QUICK = "14-tensorflow-to-pytorch"


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def lines_of_solutions(notebook: Any) -> set[str]:
    """Lines of prose and of code that stand in solutions and nowhere else in the chapter."""
    inside: set[str] = set()
    outside: set[str] = set()
    solving = False
    for kind, piece in exercises.pieces(notebook):
        text = piece.source if kind == "cell" else piece
        solving = kind == "solution-start" or (solving and kind != "solution-end")
        target = inside if solving or kind == "solution" else outside
        target.update(line.strip() for line in text.splitlines() if len(line.strip()) > 12)
    elsewhere = "\n".join(outside)
    return {line for line in inside if line not in elsewhere}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_exercise_and_no_solution(path: Path) -> None:
    chapter = read(path)
    made = exercises.exercise_version(chapter, path.name, REPOSITORY)
    text = "\n".join(cell.source for cell in made.cells)
    lines = lines_of_solutions(chapter)
    assert len(lines) >= 2
    assert [line for line in lines if line in text and not line.startswith("check(")] == []
    assert "{solution" not in text and "{exercise}" not in text
    asked = [piece.strip() for kind, piece in exercises.pieces(chapter) if kind == "exercise"]
    assert all(question in text for question in asked)
    places = (exercises.YOUR_CODE, exercises.YOUR_WORDS)
    answers = [c for c in made.cells if c.source.startswith(places)]
    checks = re.findall(r'^check\("[\d.]+"', "\n".join(c.source for c in chapter.cells), re.M)
    assert all(f"\n\n# {check}" in "\n".join(c.source for c in answers) for check in checks)
    assert len(answers) == len(asked)
    assert all(not cell.get("outputs") for cell in answers)
    nbformat.validate(made)


def test_links_lead_out_of_the_notebook() -> None:
    for path in CHAPTERS:
        made = exercises.exercise_version(read(path), path.name, REPOSITORY)
        for cell in made.cells:
            if cell.cell_type == "markdown":
                assert not exercises.LOCAL_LINK.search(cell.source), (path.name, cell.source[:80])
                assert "Open in Colab" not in cell.source


def test_a_solution_with_code_and_one_in_words() -> None:
    cells = [
        nbformat.v4.new_markdown_cell("# 1. One\n\n[two](02-two.ipynb)"),
        nbformat.v4.new_code_cell("install"),
        nbformat.v4.new_markdown_cell(
            "## Exercises\n\n```{exercise}\n:label: a\nWhy?\n```\n\n"
            "```{solution} a\n:class: dropdown\nBecause.\n```\n\n"
            "````{exercise}\n:label: b\nShow\n```py\nx\n```\n````\n\n"
            "````{solution-start} b\n:class: dropdown\n````\n\nSo:"
        ),
        nbformat.v4.new_code_cell("secret()"),
        nbformat.v4.new_markdown_cell("Thus.\n\n````{solution-end}\n````\n\n## Summary"),
    ]
    made = exercises.exercise_version(
        nbformat.v4.new_notebook(cells=cells), "01-one.ipynb", REPOSITORY
    )
    assert [cell.source for cell in made.cells[4:]] == [
        "## Exercises",
        "### Exercise 1.1\n\nWhy?",
        exercises.YOUR_WORDS,
        "### Exercise 1.2\n\nShow\n```py\nx\n```",
        exercises.YOUR_CODE,
        "## Summary",
    ]
    assert made.cells[0].source.endswith(f"[two]({REPOSITORY.page('02-two.ipynb')})")


def test_it_runs_anywhere_with_empty_answers(tmp_path: Path) -> None:
    """In a folder where no file of the book lies."""
    execute.set_environment()
    (chapter,) = [path for path in CHAPTERS if path.stem == QUICK]
    (path,) = exercises.write_all([chapter], tmp_path, REPOSITORY)
    notebook = read(path)
    resources = {"metadata": {"path": str(tmp_path)}}
    done = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources=resources
    ).execute()
    assert all(cell.execution_count for cell in done.cells if cell.cell_type == "code")


def test_work_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / CHAPTERS[0].name).write_text("my work", encoding="utf-8")
    assert exercises.write_all(CHAPTERS[:1], tmp_path, REPOSITORY) == []
    assert (tmp_path / CHAPTERS[0].name).read_text(encoding="utf-8") == "my work"
    intro = ROOT / "book" / "intro.ipynb"  # without exercises
    assert exercises.write_all([intro], tmp_path, REPOSITORY) == []


HTML = ROOT / "_build" / "html"


@pytest.mark.skipif(not HTML.is_dir(), reason="there are no pages: run make html")
def test_pages_offer_the_exercise_version() -> None:
    for path in CHAPTERS:
        page = HTML / "book" / f"{path.stem}.html"
        html = page.read_text(encoding="utf-8")
        found = re.search(r'class="exercise-version">.*?href="([^"]+)" download', html, re.DOTALL)
        assert found, page.name
        assert f"Exercise {int(path.stem[:2])}.1" in html  # counted by chapter, as in the notebook
        offered = (page.parent / found[1]).resolve()
        cells = read(offered).cells
        assert any(cell.source.startswith(exercises.YOUR_CODE) for cell in cells)


def test_pages_are_mended() -> None:
    broken = (
        '<summary aria-label="Toggle hidden content"><p>Show</p></summary>'
        '<summary><span class="toctree-toggle" role="presentation"></span></summary>'
        '<dl>\n<dd><em class="sig-param">a</em>,</dd>\n<dd><em class="sig-param">b</em></dd>\n</dl>'
    )
    assert finish.mend(broken) == (
        "<summary><p>Show</p></summary>"
        '<summary aria-label="Pages below"><span class="toctree-toggle" role="presentation"></span>'
        '</summary><ul class="sig-parameters">\n<li><em class="sig-param">a</em>,</li>\n'
        '<li><em class="sig-param">b</em></li>\n</ul>'
    )
    assert finish.mend(finish.mend(broken)) == finish.mend(broken)
    cells = "<td><p>one<br>two</p></td><td><p>three</p></td>"
    points = '<td><ul class="points"><li>one</li><li>two</li></ul></td><td><p>three</p></td>'
    assert finish.mend(cells) == points
    text = '<p title="5 %">5 % of</p><pre>6 %\n<b>7 %</b></pre> % <code>a[8 %</code>, 9 %'
    mended = '<p title="5 %">5\xa0% of</p><pre>6 %\n<b>7 %</b></pre> % <code>a[8 %</code>, 9\xa0%'
    assert finish.mend(text) == mended
