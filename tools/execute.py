#!/usr/bin/env python3
"""Execute chapters and write their outputs back, the same bytes wherever nothing has changed.

    tools/execute.py [CHAPTER ...]

A CHAPTER is a path, or a part of a file name under book/; without one, every chapter runs.
Outputs, execution counts and the state of widgets are kept; times, machine names and the
interpreter's version are not. A cell that fails stops the run, and the file stays as it was.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import random
import re
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
COLOUR = re.compile(r"\x1b\[[\d;]*m")  # of a terminal, in tracebacks
WIDGETS = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def chapters(names: list[str]) -> list[Path]:
    """The notebooks that the names on the command line stand for."""
    every = sorted(BOOK.glob("*.ipynb"))
    if not names:
        return every
    matches = {name: [path for path in every if name in path.stem] for name in names}
    for name in names:
        if Path(name).is_file():
            matches[name] = [Path(name)]
        elif not matches[name]:
            sys.exit(f"no chapter matches {name!r}; there are {', '.join(p.stem for p in every)}")
    return list(dict.fromkeys(path for name in names for path in matches[name]))


def set_environment() -> None:
    """For the kernels: two threads, since sums of floats depend on how many share them; and the
    kernel named python3 is this interpreter's."""
    os.environ["OMP_NUM_THREADS"] = "2"
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"


def execute(path: Path, timeout: int) -> None:
    """Run one notebook in its own folder and write it back with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata = nbformat.from_dict(METADATA)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=True,
        extra_arguments=["--IPKernelApp.log_level=40"],  # without remarks on its transport
    )
    client.execute()
    tidy(notebook)
    nbformat.validate(notebook)
    temporary = path.with_suffix(".ipynb.part")
    nbformat.write(notebook, temporary)
    os.replace(temporary, path)


def tidy(notebook: Any) -> None:
    """Reduce the metadata to what a reader needs, and give cells and widgets lasting names."""
    state = notebook.metadata.get("widgets", {})
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("execution", None)
        cell.id = f"cell-{number:03d}"
        if cell.cell_type == "code":
            cell.outputs = [*map(tidy_output, merged(cell.outputs))]
    if state.get(WIDGETS, {}).get("state"):
        notebook.metadata["widgets"] = state
        rename_widgets(notebook)


def merged(outputs: list[Any]) -> Iterator[Any]:
    """One output for one stream: how the text was cut into messages depends on timing."""
    for _, same in groupby(outputs, lambda output: output.get("name", id(output))):
        first, *more = same
        for output in more:
            first.text += output.text
        yield first


def tidy_output(output: Any) -> Any:
    """Keep of a traceback what lies in the chapter; the rest names local folders. Store a PNG in
    256 colours where that cannot be seen, as RGB without alpha elsewhere."""
    if output.output_type == "error":
        first, *frames, last = output.traceback
        own = ("Cell ", output.ename)  # the chapter's cells, and the line over them
        output.traceback = [first, *(f for f in frames if COLOUR.sub("", f).startswith(own)), last]
    data = output.get("data", {})
    if "image/png" in data:
        png = shrink(base64.b64decode(data["image/png"]))
        data["image/png"] = base64.b64encode(png).decode() + "\n"
    return output


def shrink(png: bytes) -> bytes:
    """The smaller of two encodings, the lossy one only within half a grey level on average."""
    with Image.open(io.BytesIO(png)) as opened:
        image = opened.convert("RGB")
    few = image.quantize(256, dither=Image.Dither.NONE)
    error = np.abs(np.asarray(few.convert("RGB"), np.int16) - np.asarray(image, np.int16)).mean()
    packed = io.BytesIO()
    (few if error <= 0.5 else image).save(packed, "png", optimize=True)
    return packed.getvalue() if packed.tell() < len(png) else png


def rename_widgets(notebook: Any) -> None:
    """Widget models carry random names; number them in the order in which they were made."""
    text = nbformat.writes(notebook)
    models = notebook.metadata["widgets"][WIDGETS]["state"]
    names = random.Random(0)  # 32 hexadecimal digits, as ipywidgets makes them
    for model in models:
        text = text.replace(model, f"{names.getrandbits(128):032x}")
    renamed = nbformat.reads(text, as_version=4)
    notebook.cells, notebook.metadata = renamed.cells, renamed.metadata


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER")
    parser.add_argument("--timeout", type=int, default=600, help="seconds a cell may take")
    arguments = parser.parse_args()
    set_environment()
    for path in chapters(arguments.chapters):
        begun = time.perf_counter()
        print(f"{path.name} ...", end=" ", flush=True)
        try:
            execute(path, arguments.timeout)
        except CellExecutionError as error:
            sys.exit(f"failed; the file is unchanged\n{error}")
        size = path.stat().st_size / 1e6
        print(f"{time.perf_counter() - begun:.0f} s, {size:.2f} MB")


if __name__ == "__main__":
    main()
