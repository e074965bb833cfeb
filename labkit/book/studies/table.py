"""The book's table: train the rows of `labkit.book.studies.table_rows`, score them on fixed pairs.

Every run has a folder of its own, in which its scores are kept too; runs that are complete are not
run again, and one that was interrupted goes on from its checkpoint. The pairs are looked at once a
run is complete, never before: settings are chosen on the validation pictures.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.book.studies.over_seeds import Rows, differences, mean_of_seeds, psnr_of_seeds
from labkit.book.studies.registry import Scale
from labkit.book.studies.run import cost
from labkit.book.studies.table_rows import ARMS, TITLES, TableRow, row_config, table_runs
from labkit.errors import InputError
from labkit.evaluation.lpips import LPIPS
from labkit.evaluation.methods import Method, open_methods
from labkit.evaluation.pairs import Pairs
from labkit.evaluation.protocol import ProtocolConfig, evaluate
from labkit.evaluation.statistics import AS_REPORTED, Score, summarise
from labkit.files import CONFIG, WEIGHTS, write_text
from labkit.nn.weights import load_generator, read_metadata, weights_hash
from labkit.settings import Hardware, TrainConfig
from labkit.training.checkpoint import read_metrics
from labkit.training.trainer import train

CLASSICAL_ROWS = ("black", "mean", "telea", "ns", "biharmonic")


@dataclass(frozen=True)
class TablePlan:
    """What to train and score, and where.

    Attributes:
        scale: shared by all runs.
        pairs: folder or tar file of the pairs.
        runs: folder for the runs, and for the scores of the classical methods.
        seeds, only: as in `table_runs`.
        sizes: sides in pixels at which everything is scored.
        weights: packaged names or files that have a row each, beside the runs.
        squeezenet: file of its ImageNet weights, for LPIPS and ID-MRF; None downloads them.
        accelerator: as in `Hardware`.
        workers: as in `Hardware`.
    """

    scale: Scale
    pairs: Path
    runs: Path
    seeds: int = 2
    only: tuple[str, ...] = ()
    sizes: tuple[int, ...] = (128, 256)
    weights: tuple[str, ...] = ()
    squeezenet: str | None = None
    accelerator: str = "auto"
    workers: int = 1

    def __post_init__(self) -> None:
        if not self.sizes:
            raise InputError("no size to score at", "the protocol's is 256")

    def config(self, row: TableRow) -> TrainConfig:
        return row_config(row, self.scale, self.squeezenet)

    def folder(self, row: TableRow) -> Path:
        return self.runs / row.folder


def run_table(
    plan: TablePlan,
    say: Callable[[str], None],
    write: Callable[[dict[str, object]], None],
    *,
    training: bool = True,
) -> dict[str, object]:
    """Train what has not been trained, score what has not been scored.

    Args:
        say: told of each run that ends.
        write: given the table, as far as it is known, whenever it has grown.
        training: False trains nothing and makes the table of the runs that are complete.

    Returns:
        the table, see `result`.
    """
    scorer = Scorer(plan)
    wanted = table_runs(plan.seeds, plan.only)
    done = [row for row in wanted if _is_complete(plan, row)]
    say(f"{len(wanted)} runs, {len(done)} of them done before")
    table = result(plan, done, scorer)
    write(table)
    if not training:
        return table
    for row in wanted:
        if row in done:
            continue
        began = time.perf_counter()
        _train(plan, row)
        done.append(row)
        table = result(plan, sorted(done, key=wanted.index), scorer)
        write(table)
        minutes = (time.perf_counter() - began) / 60
        say(f"{row.folder}: {minutes:.0f} min  [{len(done)}/{len(wanted)}]")
    return table


def result(plan: TablePlan, done: Sequence[TableRow], scorer: Scorer) -> dict[str, object]:
    """The table of the runs that are complete.

    Returns:
        what the result file holds. A row with several seeds has the mean of their scores on each
        pair, and the mean PSNR of each under "seeds"; its interval is that of the pairs alone. The
        difference of two rows is taken over the seeds that both have, lest one row be charged for
        the luck of another's seed, and its "seeds" are the differences in PSNR within each.

        ``{"settings", "runs": [{"row", "seed", "minutes", "validation"}], "costs": {row:
        {"parameters", "megaflop"}}, "tables": {size: {"rows", "differences"}}}``
    """
    tables = {}
    for size in plan.sizes:
        fixed = list(scorer.fixed(size))
        rows: Rows = {}
        for row in done:
            rows.setdefault(TITLES[row.name], {})[row.seed] = scorer.run(row, size)
        means = [s for title, runs in rows.items() for s in mean_of_seeds(runs.values(), title)]
        summaries = summarise([*fixed, *means])
        for summary in summaries:
            title = str(summary["method"])
            if runs := rows.get(title.removesuffix(AS_REPORTED)):
                summary["seeds"] = psnr_of_seeds(runs, title)
        tables[str(size)] = {"rows": summaries, "differences": differences(fixed, rows)}
    scale = plan.scale
    return {
        "settings": {
            "size": scale.size,
            "width": scale.width,
            "steps": scale.steps,
            "batch": scale.batch,
            "learning_rate": scale.learning_rate,
            "schedule": scale.schedule,
            "precision": scale.precision,
            "padding": scale.padding,
        },
        "runs": [_record(plan, row) for row in done],
        "costs": {
            TITLES[name]: cost(ARMS.arm(name, scale).generator, scale.size)
            for name in dict.fromkeys(row.name for row in done)
            if name in ARMS.names
        },
        "tables": tables,
    }


class Scorer:
    """Scores of runs and methods on the pairs, kept in files beside them."""

    def __init__(self, plan: TablePlan) -> None:
        self.plan = plan
        self.pairs = Pairs(plan.pairs)
        self.lpips = LPIPS(plan.squeezenet)
        # Scores that were kept hold for these very pairs and this LPIPS alone.
        manifests = [self.pairs.read(index).manifest for index in range(len(self.pairs))]
        measured = hashlib.sha256(json.dumps(manifests).encode())
        for tensor in self.lpips.state_dict().values():
            measured.update(tensor.numpy())
        self.key = measured.hexdigest()[:16]

    def fixed(self, size: int) -> Iterator[Score]:
        """Of the methods that are not trained here."""
        for method in open_methods(CLASSICAL_ROWS, self.plan.weights):
            path = self.plan.runs / f"{method.label}-{size}.json"
            kept = self._kept(path, method.weights_sha256)
            yield from kept or self._score(method, path, size)

    def run(self, row: TableRow, size: int) -> list[Score]:
        """Of a run that is complete; its generator is loaded only where scores are missing."""
        weights = self.plan.folder(row) / WEIGHTS
        digest = weights_hash(str(weights))
        path = self.plan.folder(row) / f"scores-{size}.json"
        if kept := self._kept(path, digest):
            return kept
        method = Method(row.folder, "gmcnn", load_generator(weights), digest)
        return self._score(method, path, size)

    def _kept(self, path: Path, digest: str | None) -> list[Score] | None:
        """The scores in a file; None where there are none of these pairs and weights."""
        try:
            kept = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):  # no file, or one that something else has damaged
            return None
        if kept["key"] != self._key(digest):
            return None
        return [Score(**score) for score in kept["scores"]]

    def _score(self, method: Method, path: Path, size: int) -> list[Score]:
        config = ProtocolConfig(size=size, as_reported=True)
        scores = evaluate(self.pairs, [method], config, lpips=self.lpips).scores
        key = self._key(method.weights_sha256)
        write_text(
            path,
            json.dumps({"key": key, "scores": [dataclasses.asdict(score) for score in scores]}),
        )
        return scores

    def _key(self, digest: str | None) -> str:
        return f"{self.key} {digest}"


def first_weights(plan: TablePlan) -> list[Path]:
    """The generators of the rows that are complete, the first of each, in the table's order."""
    first: dict[str, Path] = {}
    for row in table_runs(plan.seeds, plan.only):
        if _is_complete(plan, row):
            first.setdefault(row.name, plan.folder(row) / WEIGHTS)
    return list(first.values())


def _train(plan: TablePlan, row: TableRow) -> None:
    folder = plan.folder(row)
    hardware = Hardware(accelerator=plan.accelerator, workers=plan.workers)
    train(plan.config(row), folder, hardware=hardware, resume=folder.exists())


def _is_complete(plan: TablePlan, row: TableRow) -> bool:
    # The weights are the last thing that a training writes: its log may be ahead of them.
    weights = plan.folder(row) / WEIGHTS
    if not weights.exists() or int(read_metadata(weights)["steps"]) < plan.scale.steps:
        return False
    config = plan.folder(row) / CONFIG
    if differing := TrainConfig.read(config).differences(plan.config(row)):
        raise InputError(
            f"{config}: is of a run with other settings ({', '.join(differing[:3])})",
            "choose another folder for the runs",
        )
    return True


def _record(plan: TablePlan, row: TableRow) -> dict[str, object]:
    """What is known of a run beside its scores on the pairs."""
    entries = _metrics(plan, row)
    validated = {e["step"]: e["validation_psnr"] for e in entries if "validation_psnr" in e}
    return {
        "row": TITLES[row.name],
        "seed": row.seed,
        "minutes": round(sum(e.get("seconds", 0.0) for e in entries) / 60, 1),
        "validation": {str(step): round(value, 3) for step, value in validated.items()},
    }


def _metrics(plan: TablePlan, row: TableRow) -> list[dict[str, Any]]:
    path = plan.folder(row) / "metrics.jsonl"
    return read_metrics(path) if path.exists() else []
