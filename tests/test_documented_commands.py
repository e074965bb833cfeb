"""Every command that the book and the README print is parsed, and every training configured."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from labkit.cli import program
from labkit.cli.train import starting_point
from labkit.errors import InputError
from labkit.settings import TrainConfig
from labkit.settings.configure import configure

ROOT = Path(__file__).resolve().parent.parent
COMMAND = re.compile(r"^(?:\S+=\S+ )*(?:torchrun .*?-m )?labkit .*$")


def texts() -> dict[str, str]:
    """Everything a reader can copy a command from."""
    found = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "book").glob("*.md")}
    found["README.md"] = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "book").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        prose = ("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        found[path.name] = "\n".join(prose)
    return found


def commands(text: str) -> list[str]:
    """The lines of its code blocks that run labkit, continuation lines joined, comments off."""
    blocks = re.findall(r"```[^\n]*\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines = [line.partition("  #")[0].strip().removeprefix("$ ") for line in lines]
    return [line for line in lines if COMMAND.match(line) and "…" not in line]


DOCUMENTED = [
    pytest.param(command, id=f"{name}: {command[:60]}")
    for name, text in sorted(texts().items())
    for command in commands(text)
]


def processes(words: list[str]) -> int:
    """How many processes a command starts."""

    def value(name: str) -> int:
        return int(words[words.index(name) + 1]) if name in words else 1

    return value("--nnodes") * value("--nproc-per-node") * value("--devices")


def dry(command: str) -> TrainConfig | None:
    """The command parsed as the shell would hand it over; a training's configuration."""
    words = shlex.split(command)
    arguments = words[words.index("labkit") + 1 :]
    parser = program()
    context = parser.make_context("labkit", list(arguments), resilient_parsing=False)
    name, found, rest = parser.resolve_command(context, context._protected_args + context.args)
    chosen = found.make_context(name, list(rest), parent=context)
    while hasattr(found, "resolve_command"):
        name, found, rest = found.resolve_command(chosen, chosen._protected_args + chosen.args)
        chosen = found.make_context(name, list(rest), parent=chosen)
    if name != "train" or chosen.params["resume"]:
        return None
    given = {k.replace("__", "."): v for k, v in chosen.params.items() if v not in (None, ())}
    for own in ("out", "preset", "resume", "previous", "dry_run"):
        given.pop(own, None)
    for hardware in [key for key in given if key.startswith("hardware.")]:
        given.pop(hardware)
    weights = given.pop("from_weights", None)
    packaged = weights in ("celeba", "faces")
    if given.get("precision") == "auto":
        given["precision"] = "32"
    config = configure(
        starting_point(chosen.params["preset"], weights if packaged else None), given
    )
    several = processes(words)
    if config.batch % several:
        raise InputError(f"batch {config.batch} for {several} processes")
    return config


@pytest.mark.parametrize("command", DOCUMENTED)
def test_a_documented_command_can_start(command: str) -> None:
    dry(command)


def test_there_are_commands_and_a_wrong_one_is_seen() -> None:
    assert len(DOCUMENTED) >= 25
    assert dry("labkit train --preset tiny --out r").steps == 200
    with pytest.raises(InputError, match="batch 8 for 16 processes"):
        dry("torchrun --nnodes 2 --nproc-per-node 8 -m labkit train --preset release --out r")
    with pytest.raises(InputError, match="padding 'mirror'"):
        dry("labkit train --padding mirror --out r")
    with pytest.raises(Exception, match="No such option"):
        dry("labkit train --devices 8 --nodes 2 --out r")
