"""Every number in the prose comes from an executed cell, a result file or a cited source."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from quoted import BOOK, decimals, printed, prose

CHAPTERS = sorted(path.stem[:2] for path in BOOK.glob("[0-9]*.ipynb"))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_prose_quotes_its_sources(chapter: str) -> None:
    tie = importlib.import_module(f"quoted.c{chapter}")
    text = prose(chapter)
    phrases = [phrase.replace("−", "-") for phrase in tie.quotes()]
    missing = [phrase for phrase in phrases if phrase not in text]
    assert not missing, f"chapter {chapter} does not say {missing}"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_number_in_the_prose_is_from_nowhere(chapter: str) -> None:
    tie = importlib.import_module(f"quoted.c{chapter}")
    known = set(decimals(printed(chapter).replace("`", " ")))
    for phrase in tie.quotes():
        known.update(decimals(phrase))
    used = decimals(prose(chapter))
    # A number may be said with fewer digits than a cell prints.
    shorter = {f"{float(n.replace(',', '')):.{d}f}" for n in known for d in (1, 2, 3)}
    loose = [n for n in used if n not in known | shorter and n not in tie.FACTS]
    assert not loose, f"chapter {chapter}: {loose} come from nowhere; print, quote or cite them"
    unused = [n for n in tie.FACTS if n not in used]
    assert not unused, f"chapter {chapter} no longer says {unused}"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_sources_of_facts_are_said(chapter: str) -> None:
    tie = importlib.import_module(f"quoted.c{chapter}")
    keys = set(re.findall(r"@\w+\{([^,]+),", (BOOK / "references.bib").read_text(encoding="utf-8")))
    for number, source in tie.FACTS.items():
        assert source in keys or " " in source, f"{number}: {source!r} is no key and no explanation"


def test_decimals_are_found_where_people_read_them() -> None:
    assert decimals("25.70 dB, −0.08 [0.1, 2.5]; `3.14`; [x](a-1.5.html); 1,024.5 times.") == [
        "25.70", "0.08", "0.1", "2.5", "1,024.5",
    ]  # fmt: skip
    assert decimals("version 2.13.0 of x1.5") == []


def test_every_chapter_has_its_module() -> None:
    modules = {path.stem[1:] for path in Path(__file__).parent.glob("quoted/c*.py")}
    assert modules == set(CHAPTERS)
