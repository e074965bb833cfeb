#!/usr/bin/env python3
"""Copy the summary of an evaluation, or the table of `labkit study table` and its picture, into the
book's results, without the folders of this machine.

labkit evaluate --pairs table1.tar --weights celeba --method telea --out results/256
tools/publish_summary.py results/256 table1-256
labkit study table --pairs table1.tar … --output results/table.json
tools/publish_summary.py results/table.json table
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from labkit.files import atomic_write

RESULTS = Path(__file__).resolve().parent.parent / "book" / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "measured", type=Path, help="the folder that `labkit evaluate` wrote, or the table's file"
    )
    parser.add_argument("name", help="book/results/NAME.json")
    arguments = parser.parse_args()

    measured = arguments.measured
    source = measured / "summary.json" if measured.is_dir() else measured
    summary = json.loads(source.read_text())
    words = summary["environment"]["command"].split()
    summary["environment"]["command"] = " ".join(
        Path(word).name if "/" in word else word for word in words
    )
    target = RESULTS / f"{arguments.name}.json"
    text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    atomic_write(target, lambda file: file.write(text.encode()))
    print(target)
    if (picture := source.with_suffix(".png")).is_file():
        print(shutil.copy(picture, target.with_suffix(".png")))


if __name__ == "__main__":
    main()
