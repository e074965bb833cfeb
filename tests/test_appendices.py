"""The appendices agree with the book and the package that they describe."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import links
import pages
import pytest

import labkit
from labkit.data.photos import PHOTOS
from labkit.evaluation.pairs import Pairs
from labkit.nn.weights import packaged_names

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
CHAPTERS = range(1, 17)

# Modules that serve one other, and say nothing to who uses the package.
INTERNAL = {
    "labkit.__main__",
    "labkit.book",
    "labkit.book.comb",
    "labkit.book.command",
    "labkit.faces.features",
    "labkit.faces.geometry",
    "labkit.faces.render",
    "labkit.faces.scene",
    "labkit.faces.traits",
    "labkit.machine",
    "labkit.checks",
    "labkit.nn.tensor_files",
    "labkit.files",
    "labkit.pillow",
    "labkit.settings.base",
    "labkit.settings.configure",
    "labkit.training.interrupt",
    "labkit.training.opening",
    "labkit.video",
}


def read(name: str) -> str:
    return (BOOK / name).read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """Cells of every row of every table, heads left out."""
    lines = text.splitlines()
    heads = {k - 1 for k, line in enumerate(lines) if re.fullmatch(r"(\|-+)+\|", line)}
    found = [line for k, line in enumerate(lines) if line.startswith("| ") and k not in heads]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in found]


def formulas(name: str) -> str:
    """Everything a chapter says in prose, without spaces, for a search of TeX."""
    cells = json.loads(read(name))["cells"]
    prose = "\n".join(links.source(cell) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"\s", "", prose)


NOTATION = [row for row in rows(read("notation.md")) if len(row) == 4]


def test_notation_is_read_by_these_tests() -> None:
    assert len(NOTATION) > 50
    assert ["$Y$", "the whole image, the truth"] in [row[:2] for row in NOTATION]


@pytest.mark.parametrize("row", NOTATION, ids=lambda row: row[0])
def test_symbol_stands_in_the_chapter_that_its_row_names(row: list[str]) -> None:
    number, file = re.fullmatch(r"\[?(\d+)(?:\]\((\S+\.ipynb)\))?", row[3]).groups()
    assert int(number) in CHAPTERS
    if file is None:
        return  # a chapter to come: `make links` makes it a link once it is there
    assert file.startswith(f"{int(number):02}-")
    text = formulas(file)
    for symbol in re.findall(r"\$(.+?)\$", row[0]):
        assert re.sub(r"\s", "", symbol) in text, symbol


def test_letters_with_several_meanings_name_chapters_of_the_book() -> None:
    twice = [row for row in rows(read("notation.md")) if len(row) == 2]
    assert len(twice) > 5
    for _, meanings in twice:
        assert {int(number) for number in re.findall(r"\b(\d+)\b", meanings)} <= set(CHAPTERS)


def terms() -> list[tuple[str, str]]:
    """(term, definition) in the order of the page."""
    body = re.search(r"```\{glossary\}\n(.+?)\n```", read("glossary.md"), re.DOTALL)[1]
    entries = (entry.split("\n  ") for entry in body.split("\n\n"))
    return [(term, definition) for term, definition in entries]


def test_glossary_is_sorted_and_explains_each_term_once() -> None:
    names = [term for term, _ in terms()]
    assert 40 <= len(names) <= 80
    assert len(set(names)) == len(names)

    def key(term: str) -> str:
        return re.sub(r"[^a-z0-9 ]", " ", unicodedata.normalize("NFKD", term).lower())

    assert names == sorted(names, key=key)


@pytest.mark.parametrize(("term", "definition"), terms(), ids=lambda text: text[:20])
def test_glossary_entry_ends_with_its_chapter(term: str, definition: str) -> None:
    said, where = re.fullmatch(r"(.+[.]) \((\[?Chapter .+)\)", definition).groups()
    numbers = [int(number) for number in re.findall(r"[Cc]hapter (\d+)", where)]
    assert numbers
    assert set(numbers) <= set(CHAPTERS)
    for number, file in re.findall(r"hapter (\d+)\]\(([^)]+)\)", where):
        assert file.startswith(f"{int(number):02}-")
        assert (BOOK / file).is_file()
    assert 1 <= len(re.findall(r"[.](?: |$)", said)) <= 3


def test_photographs_are_credited_as_the_package_credits_them() -> None:
    listed = {tuple(row) for row in rows(read("data-and-licences.md"))}
    for photograph in PHOTOS:
        assert (photograph.name, photograph.credit, photograph.terms) in listed


def test_terms_of_every_packaged_network_are_given() -> None:
    named = {row[0].strip("`") for row in rows(read("data-and-licences.md"))}
    assert set(packaged_names()) <= named


def test_pairs_can_be_laid_out_as_described(tmp_path: Path) -> None:
    block = re.search(r"```text\n(.+?)\n```", read("data-and-licences.md"), re.DOTALL)[1]
    for side, name in ((0, "beside"), (1, "apart")):
        files = [re.findall(r"pairs/(\S+)", line)[side] for line in block.splitlines()[:2]]
        for file in files:
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        assert len(Pairs(tmp_path / name)) == 1


def test_every_module_is_in_the_reference_or_internal() -> None:
    documented = []
    for path in (BOOK / "api").glob("*.md"):
        text = path.read_text(encoding="utf-8")
        found = re.findall(r"^\.\. automodule:: (\S+)$", text, re.MULTILINE)
        assert found == re.findall(r"^## (\S+)$", text, re.MULTILINE), path.name
        documented += found
    modules = {
        module.name
        for module in pkgutil.walk_packages(labkit.__path__, "labkit.")
        if not module.name.startswith(("labkit.cli.", "labkit.book.checks.chapter_"))
    }
    assert len(set(documented)) == len(documented)
    assert set(documented) | INTERNAL == modules
    assert not set(documented) & INTERNAL
    for name in documented:
        assert importlib.import_module(name).__doc__, name


def test_pages_of_the_reference_are_listed() -> None:
    listed = links.listed_files(ROOT)
    linked = re.findall(r"\]\(([\w/-]+)\.md\)", read("api.md"))
    assert {path.stem for path in (BOOK / "api").glob("*.md")} | {"cli"} == {
        Path(page).name for page in linked
    }
    for page in ["notation", "data-and-licences", "glossary", "run-times", "api", *linked]:
        assert f"book/{page}" in listed


def test_pages_made_from_other_files_are_in_step() -> None:
    assert [path.name for path in pages.out_of_step(ROOT)] == [], "run `make links`"


@pytest.fixture
def other_book(tmp_path: Path) -> Path:
    """A book of one chapter, without the pages that are made."""
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "_toc.yml").write_text("root: book/intro\n", encoding="utf-8")
    (tmp_path / "book").mkdir()
    write_opening(tmp_path, "| Time | 90 minutes to read, 2 minutes to run |")
    return tmp_path


def write_opening(root: Path, time: str) -> None:
    source = f"# Title\n\n{time}\n| Hardware | an abacus |\n"
    notebook = {"cells": [{"cell_type": "markdown", "source": [source]}]}
    (root / "book" / "intro.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


def test_run_times_are_read_off_the_chapters(other_book: Path) -> None:
    text = pages.run_times(other_book).replace(pages.SPACE, " ")
    assert "| [Title](intro.ipynb) | 90 min | 120 s | an abacus |" in text
    assert "| together | 1.5 h | 2.0 min |" in text
    assert re.search(r"^\| torch \| `labkit` \| `>=[\d.]+` \| \d+\.\d+", text, re.MULTILINE)


def test_a_chapter_without_times_is_refused(other_book: Path) -> None:
    write_opening(other_book, "| Time | a while |")
    with pytest.raises(SystemExit, match=r"intro\.ipynb: no 'N minutes to read"):
        pages.run_times(other_book)


def test_chapters_that_are_named_become_links_once_they_are_there(other_book: Path) -> None:
    text = "(Chapter 1), (Chapter 10 and [chapter 2](gone.ipynb))\n| 1 | 10 |\n"
    plain = "(Chapter 1), (Chapter 10 and chapter 2)\n| 1 | 10 |\n"
    assert pages.link_chapters(text, other_book) == plain
    toc = "root: book/intro\nchapters:\n  - file: book/01-one\n  - file: book/10-ten\n"
    (other_book / "_toc.yml").write_text(toc, encoding="utf-8")
    for name in ("01-one", "10-ten"):
        (other_book / "book" / f"{name}.ipynb").touch()
    linked = "([Chapter 1](01-one.ipynb)), ([Chapter 10](10-ten.ipynb) and chapter 2)\n"
    linked += "| 1 | [10](10-ten.ipynb) |\n"
    assert pages.link_chapters(text, other_book) == linked
    assert pages.link_chapters(linked, other_book) == linked


def test_a_page_that_is_missing_or_altered_is_out_of_step(other_book: Path) -> None:
    made = pages.out_of_step(other_book)
    assert sorted(path.name for path in made) == ["cli.md", "run-times.md"]
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    assert pages.out_of_step(other_book) == {}
    page = other_book / "book" / "cli.md"
    page.write_text(page.read_text(encoding="utf-8") + "more", encoding="utf-8")
    assert list(pages.out_of_step(other_book)) == [page]


def test_every_command_is_on_the_page_of_the_command_line() -> None:
    text = read("cli.md")
    done = subprocess.run(
        [sys.executable, "-m", "labkit", "train", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", done.stdout)) - {"--help"}
    section = text.partition("\n## labkit train\n")[2].partition("\n## ")[0]
    assert len(options) > 30
    assert options <= set(re.findall(r"`(--[a-z-]+)`", section))
