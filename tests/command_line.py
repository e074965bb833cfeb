"""What tests of the command line share: to call it, and to see it refuse."""

from __future__ import annotations

import pytest

from labkit.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, list[str]]:
    """Exit code, stdout, and the lines of stderr."""
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err.splitlines()


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that a command with a wrong input says."""
    code, out, lines = run(capsys, *arguments)
    assert code == 2, lines
    assert out == ""
    assert len(lines) == 1, lines
    assert lines[0].startswith("labkit: error: ")
    return lines[0]
