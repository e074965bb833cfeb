#!/usr/bin/env python3
"""Copy the summary of an evaluation into the book's results, without the folders of this machine.

labkit evaluate --pairs table1.tar --weights celeba --method telea --out results/256
tools/publish_summary.py results/256 table1-256
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from labkit.images import atomic_write

RESULTS = Path(__file__).resolve().parent.parent / "book" / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("evaluation", type=Path, help="the folder that `labkit evaluate` wrote")
    parser.add_argument("name", help="book/results/NAME.json")
    arguments = parser.parse_args()

    summary = json.loads((arguments.evaluation / "summary.json").read_text())
    words = summary["environment"]["command"].split()
    summary["environment"]["command"] = " ".join(
        Path(word).name if "/" in word else word for word in words
    )
    target = RESULTS / f"{arguments.name}.json"
    text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    atomic_write(target, lambda file: file.write(text.encode()))
    print(target)


if __name__ == "__main__":
    main()
