"""Each check of an exercise calls the right answer right, and gives a hint for each wrong one."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import exercises
import nbformat
import pytest

from labkit.book import check
from labkit.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
CHECKED = sorted(path.stem for path in (ROOT / "tests/checked").glob("c*.py"))
# tests/checked/cNN.py: ANSWERS = {"NN.k": (right answer, [(wrong answer, words of its hint), …])}
ANSWERS: dict[str, tuple[Any, list[tuple[Any, str]]]] = {
    number: cases
    for name in CHECKED
    for number, cases in importlib.import_module(f"checked.{name}").ANSWERS.items()
}


@pytest.mark.parametrize("number", ANSWERS)
def test_right_and_wrong(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    right, wrong = ANSWERS[number]
    check(number, right)
    assert capsys.readouterr().out.startswith(f"{number} is right: ")
    assert wrong
    for answer, hint in wrong:
        check(number, answer)
        said = capsys.readouterr().out
        assert said.startswith(f"{number} is not there yet: ") and hint in said


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("[0-9]*.ipynb")), ids=lambda p: p.stem)
def test_the_page_names_its_checks_by_their_numbers(path: Path) -> None:
    """An exercise with a check says so under its own number, and its solution is found right."""
    number, stated, solved = 0, [], []
    for kind, piece in exercises.pieces(nbformat.read(path, as_version=4)):
        if kind == "exercise":
            number += 1
            for found in re.findall(r'check\("([\d.]+)"', piece):
                assert found == f"{path.name[:2]}.{number}"
                stated.append(found)
        elif kind == "cell" and (found := re.findall(r'^check\("([\d.]+)"', piece.source, re.M)):
            text = "".join(o.get("text", "") for o in piece.outputs)
            assert all(f"{key} is right: " in text for key in found)
            solved += found
    assert stated == solved == sorted(k for k in ANSWERS if k.startswith(path.name[:2]))


def test_an_unknown_exercise() -> None:
    with pytest.raises(InputError, match=r"exercise '99\.1' has no check"):
        check("99.1", None)
