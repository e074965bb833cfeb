#!/usr/bin/env python3
"""Put the rows of a network that was evaluated anew into the book's table of trained rows.

    tools/publish_row.py "gmcnn celeba" results/128 results/256

Each folder is what `labkit evaluate` wrote at one of the table's sizes, on the same pairs. For when
the packaged generator was trained again and the table's own runs are not at hand: its rows are
replaced, and its differences from every method of the evaluation. Differences from the trained rows
need the scores of single pairs, which the table does not keep; they are left out until
`labkit study table` scores all rows again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from publish_run import RESULTS

from labkit.evaluation.statistics import AS_REPORTED
from labkit.files import atomic_write


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", help="the row's name, such as 'gmcnn celeba'")
    parser.add_argument("evaluations", type=Path, nargs="+", help="a folder for each size")
    arguments = parser.parse_args()

    target = RESULTS / "table.json"
    table = json.loads(target.read_text())
    for folder in arguments.evaluations:
        replace(table, arguments.method, json.loads((folder / "summary.json").read_text()))
    text = json.dumps(table, indent=2, ensure_ascii=False) + "\n"
    atomic_write(target, lambda file: file.write(text.encode()))
    print(target)


def replace(table: dict, method: str, summary: dict) -> None:
    """Replace the rows of a method in the table of the summary's size, and its differences.

    Raises:
        SystemExit: the table has no such size or row, or another method of both scores otherwise:
            other pairs, or another protocol.
    """
    size = str(summary["environment"]["size"])
    if size not in table["tables"]:
        raise SystemExit(f"no table at {size} px; it has {', '.join(table['tables'])}")
    part, own = table["tables"][size], {method, method + AS_REPORTED}
    new = {row["method"]: row for row in summary["rows"]}
    old = {row["method"]: row for row in part["rows"]}
    if missing := [name for name in own if name not in new or name not in old]:
        raise SystemExit(f"{min(missing)}: not a row of both, at {size} px")
    for name in new.keys() & old.keys() - own:
        if abs(new[name]["psnr"]["mean"] - old[name]["psnr"]["mean"]) > 0.01:
            raise SystemExit(f"{name}: scored otherwise at {size} px; are these the same pairs?")
    part["rows"] = [new[row["method"]] if row["method"] in own else row for row in part["rows"]]
    part["differences"] = [
        entry for entry in part["differences"] if not {entry["method"], entry["minus"]} & own
    ] + [entry for entry in summary["differences"] if {entry["method"], entry["minus"]} & own]
    environment = {key: summary["environment"][key] for key in ("cpu", "date", "weights")}
    table["environment"].setdefault("evaluated later", {})[f"{method}, {size} px"] = environment


if __name__ == "__main__":
    main()
