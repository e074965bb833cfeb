"""The command line, a module for each command; ``study`` is the book's.

Nothing here imports torch, scikit-image or OpenCV before a command needs it, so help answers at
once. What a user can get wrong ends in one line on stderr and exit code 2; a defect of the package
in one line and exit code 1; Ctrl-C in exit code 130. A traceback appears with ``--debug`` only.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import entry_points
from typing import Annotated

import typer

from labkit import __version__
from labkit.cli import download, evaluate, export, inpaint, inpaint_video, masks, pairs, train
from labkit.cli.common import Interrupted, interruptible
from labkit.errors import InputError

EXIT_DEFECT, EXIT_INPUT, EXIT_INTERRUPTED = 1, 2, 130

# Typer builds on Click or, in newer versions, on a copy of its own: the class of either's errors.
_UsageProblem = typer.BadParameter.__mro__[2]

app = typer.Typer(
    help="Fill holes in photographs with GMCNN and with classical methods; train and evaluate it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    inpaint.inpaint,
    inpaint_video.inpaint_video,
    pairs.pairs,
    evaluate.evaluate,
    train.train,
    masks.masks,
    download.download,
):
    app.command(_command.__name__.replace("_", "-"))(interruptible(_command))
app.add_typer(export.app, name="export")


def _version(asked: bool) -> None:
    if asked:
        print(f"labkit {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show tracebacks; may stand anywhere. Also LABKIT_DEBUG=1."),
    ] = False,
) -> None:
    """Options of every command; `main` looks after --debug before they are parsed."""


@cache
def program() -> object:
    """The whole command, with what other parts of the package add to it: `study`, the book's."""
    for entry in entry_points(group="labkit.commands"):
        app.command(entry.name)(interruptible(entry.load()))
    return typer.main.get_command(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; None takes them from the shell.

    Returns:
        the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # no command dies of a character it cannot print
            stream.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    arguments, debug = _take_debug(arguments)
    with _warnings_in_one_line():
        try:
            command = program()
            # The arguments travel along as `obj`: an evaluation records the command it was.
            code = command.main(
                arguments or ["--help"], "labkit", standalone_mode=False, obj=arguments
            )
            return code if isinstance(code, int) else 0
        except Interrupted as error:
            return _fail(str(error), EXIT_INTERRUPTED, debug)
        except InputError as error:
            return _fail(f"error: {error}", EXIT_INPUT, debug)
        except Exception as error:
            if isinstance(error, OSError) and error.filename is not None:
                line = f"error: {os.fspath(error.filename)}: {error.strerror}"
                return _fail(line, EXIT_INPUT, debug)
            if isinstance(error, _UsageProblem):
                return _fail(f"error: {_usage(error)}", EXIT_INPUT, debug)
            first = (str(error).splitlines() or [""])[0]
            problem = f"unexpected {type(error).__name__}: {first}".rstrip(": ")
            return _fail(f"error: {problem}; run again with --debug", EXIT_DEFECT, debug)


def _take_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Take --debug out wherever it stands, up to a bare "--"."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != "--debug"]
    asked = len(options) < end or os.environ.get("LABKIT_DEBUG", "0") not in ("", "0")
    return options + arguments[end:], asked


def _usage(error: Exception) -> str:
    """A parsing error in one line, and where help is."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "labkit"
    message = " ".join(error.format_message().split()).rstrip(".")  # type: ignore[attr-defined]
    return f"{message}; see {path} --help"


def _fail(line: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print("labkit: " + " ".join(line.splitlines()), file=sys.stderr)
    return code


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, *_: object, **__: object) -> None:
        print("labkit: warning: " + " ".join(str(message).splitlines()), file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show  # type: ignore[assignment]
        yield
