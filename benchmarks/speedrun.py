"""The best network that an hour of two CPU cores makes: validation PSNR at 128 px.

    python benchmarks/speedrun.py biharmonic --data train-0.tar train-1.tar --validation val.tar \\
        --masks train.tar --record book/results/speedrun.json

START says what the columns see in the hole to begin with: "plain" (grey, as in the paper),
"push-pull" or "biharmonic". The clock runs from the first line of work to the last validation, and
holds everything in between: opening the data, timing some steps, from which follows how many fit
into the time, training them while the learning rate falls to 0, and a dozen validations. Whatever
happens, the training stops at the limit, and what there is then is scored.

--record keeps every run that came to its end in one file, those that were beaten too; "standing"
marks the best of its START. A run that was interrupted leaves no trace there.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from labkit.errors import InputError
from labkit.files import write_text
from labkit.machine import auto_precision, fast_bf16, machine
from labkit.nn.generator import GMCNN
from labkit.nn.weights import load_generator, read_metadata
from labkit.settings import (
    Augmentation,
    DataConfig,
    GeneratorConfig,
    Hardware,
    MaskConfig,
    ObjectiveConfig,
    ReconstructionConfig,
    TrainConfig,
)
from labkit.settings.configure import mask_settings
from labkit.training.checkpoint import RunFolder, read_metrics
from labkit.training.opening import open_data
from labkit.training.trainer import train
from labkit.training.validation import Validation

# What each START changes of `settings`.
STARTS: dict[str, dict[str, object]] = {
    "plain": {"prior": "none"},
    "push-pull": {"prior": "push-pull"},
    "biharmonic": {"prior": "biharmonic"},
}
MOMENTS = 12  # at which a run is validated
TIMED = 60.0  # seconds that go into timing steps; no more than a quarter of the time
SPARE = 0.02  # of the time for training is left, should steps become slower
SOONEST = 0.1  # seconds after which a training is stopped; sooner, nothing listens yet
CPU = torch.device("cpu")
HARDWARE = Hardware(accelerator="cpu")
RENDERED = ("faces", "photos")  # drawn at the size that is asked for, which a larger one delays


def settings(options: argparse.Namespace) -> TrainConfig:
    """What a run of START trains, but for its number of steps."""
    return TrainConfig(
        generator=GeneratorConfig(
            width=options.width, padding="zeros", initialisation="he", **STARTS[options.start]
        ),
        data=DataConfig(
            images=tuple(options.data),
            validation=tuple(options.validation),
            masks=mask_config(options.masks),
            size=options.size,
            source_size=None if options.data[0] in RENDERED else 2 * options.size,
            augmentation=Augmentation(smallest_crop=0.5, largest_crop=1.4),
        ),
        objective=ObjectiveConfig(
            reconstruction=ReconstructionConfig(hole=1.0, known=0.1, confidence=None)
        ),
        batch=8,
        learning_rate=3e-4,
        schedule="linear",
        ema=0.999,
        precision=auto_precision("cpu") if options.precision == "auto" else options.precision,
        seed=options.seed,
        log_every=10,
        validation_images=options.pictures,
    )


def mask_config(named: Iterable[str]) -> MaskConfig:
    """Holes of a kind, or of files."""
    given = mask_settings(tuple(named))
    return MaskConfig(**{name.rpartition(".")[2]: value for name, value in given.items()})


def main() -> None:
    parser = arguments()
    if len(sys.argv) == 1:  # `make bench` calls every script like this, and has no hour for it
        parser.print_help()
        return
    options = parser.parse_args()
    try:
        run(options)
    except InputError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("start", metavar="START", choices=STARTS, help=", ".join(STARTS))
    parser.add_argument(
        "--data", nargs="+", required=True, help="training pictures, as labkit train takes them"
    )
    parser.add_argument(
        "--validation", nargs="+", default=[], help="by default 5 %% held out of --data"
    )
    parser.add_argument("--masks", nargs="+", default=["irregular"], help="a kind, or mask files")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--record", type=Path, help="JSON file that a complete run is added to")
    parser.add_argument("--out", type=Path, help="keep the run, its weights above all, here")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures")
    parser.add_argument("--width", type=int, default=16, help="of the generator")
    parser.add_argument("--pictures", type=int, default=200, help="at most, to validate on")
    parser.add_argument("--precision", default="auto", help="32, bf16 or auto: the fast one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    return parser


@dataclass
class Clock:
    """The time of a run, which its limit is counted in."""

    limit: float
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def left(self) -> float:
        return self.limit - self.seconds


@contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    """Within, a training stops after that time, at the end of a step, with its weights written."""
    late = threading.Event()

    def time_is_up() -> None:
        late.set()
        os.kill(os.getpid(), signal.SIGTERM)  # `train` finishes its step, saves, and stops

    def stop(*_: object) -> None:  # before and after the steps, where `train` does not listen
        raise KeyboardInterrupt

    timer = threading.Timer(max(seconds, SOONEST), time_is_up)
    before = signal.signal(signal.SIGTERM, stop)
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        if not late.is_set():
            raise
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGTERM, before)


def run(options: argparse.Namespace) -> dict[str, object]:
    """Train for the time that was given, score, print and record; returns the record."""
    if not options.minutes > 0:
        raise InputError(f"--minutes {options.minutes} must be above 0")
    clock = Clock(60 * options.minutes)
    torch.set_num_threads(options.threads)
    config = settings(options)
    training, held_out = open_data(config.data)
    masks = names_only(config.to_dict())["data"]["masks"]
    task = {
        "question": "the best validation PSNR within a given time on CPU cores",
        "minutes": options.minutes,
        "threads": options.threads,
        "size": options.size,
        "data": training.describe() | {"size": options.size},
        "validation": held_out.describe(),
        "pictures": min(config.validation_images, len(held_out)),
        "masks": {"kind": masks["kind"], "path": masks["path"]},
    }
    # What cannot be written to is refused before the hour.
    read_records(options.record, task)
    if options.out is not None and RunFolder(options.out).holds_a_run():
        raise InputError(f"{options.out}: already holds a run", "name another folder")
    validation = Validation(held_out, config.data.masks, config.validation_images)
    with tempfile.TemporaryDirectory() as scratch:
        config = fitted(config, validation, clock, Path(scratch))
        folder = RunFolder(options.out or Path(scratch) / "run")
        record = raced(config, validation, clock, folder)
    record = {"start": options.start, "command": command(), **record, "machine": here(options)}
    print(
        f"{options.start}: {record['psnr']:.2f} dB after {record['seconds'] / 60:.1f} minutes and "
        f"{record['pictures']:,} pictures, {record['pictures_per_second']:.1f} a second; Telea "
        f"{record['telea']:.2f}, biharmonic {record['biharmonic']:.2f}"
    )
    add_record(options.record, task, record)
    return record


def fitted(config: TrainConfig, validation: Validation, clock: Clock, scratch: Path) -> TrainConfig:
    """The run with as many steps as the time that is left has room for, as timed by some."""
    began = time.monotonic()
    validation.run(GMCNN(config.generator), CPU)
    validating = time.monotonic() - began
    timed = replace(config, steps=2, validate_every=0, log_every=1)
    train(timed, scratch / "first", hardware=HARDWARE, progress=False)  # libraries are loaded
    timed = replace(timed, steps=10**9, checkpoint_every=10**9)
    folder = RunFolder(scratch / "timed")
    began = time.monotonic()
    with stopped_after(min(TIMED, clock.limit / 4)):
        train(timed, folder.path, hardware=HARDWARE, progress=False)
    took = time.monotonic() - began
    records = read_metrics(folder.metrics) if folder.metrics.exists() else []
    seconds = [float(each["seconds"]) for each in records]
    if len(seconds) < 3:
        raise InputError("the time is too short for a few steps", "give it more --minutes")
    starting = max(0.0, took - sum(seconds))
    room = (1 - SPARE) * clock.left - starting - MOMENTS * validating
    steps = max(1, int(room / statistics.fmean(seconds[1:])))
    every = -(-steps // MOMENTS)
    return replace(config, steps=steps, validate_every=every, checkpoint_every=every)


def raced(
    config: TrainConfig, validation: Validation, clock: Clock, folder: RunFolder
) -> dict[str, object]:
    """Train until the steps are done or the time is up, and score what there is."""
    minutes: dict[int, float] = {}  # by the steps done at a validation

    def observe(step: int, _: GMCNN) -> None:
        minutes[step] = clock.seconds / 60

    with stopped_after(clock.left):
        train(config, folder.path, hardware=HARDWARE, observe=observe)
    seconds = clock.seconds
    if not folder.weights.exists():
        raise InputError("the time was up before the first step", "give it more --minutes")
    steps = int(read_metadata(folder.weights)["steps"])
    scores = {each["step"]: each.get("validation_psnr") for each in read_metrics(folder.metrics)}
    curve = [point(config, step, minutes[step], scores[step]) for step in minutes]
    if steps not in minutes:  # stopped between two validations
        psnr, _ = validation.run(load_generator(folder.weights), CPU)
        curve.append(point(config, steps, seconds / 60, psnr))
    return {
        "psnr": curve[-1]["psnr"],
        "telea": round(validation.classical("telea"), 3),
        "biharmonic": round(validation.classical("biharmonic"), 3),
        "seconds": round(seconds, 1),
        "steps": steps,
        "stopped_early": steps < config.steps,
        "pictures": steps * config.batch,
        "pictures_per_second": round(steps * config.batch / seconds, 2),
        "curve": curve,
        "settings": names_only(config.to_dict()),
    }


def point(config: TrainConfig, step: int, minutes: float, psnr: float) -> dict[str, float]:
    """A moment of the curve."""
    return {
        "minutes": round(minutes, 3),
        "pictures": step * config.batch,
        "psnr": round(psnr, 3),
    }


def names_only(values: dict[str, object]) -> dict[str, object]:
    """A run's settings with the names of files in place of where they lie on this machine."""
    data = dict(values["data"])
    for key in ("images", "validation"):
        data[key] = [Path(name).name for name in data[key]]
    data["masks"] = dict(data["masks"])
    if (path := data["masks"]["path"]) is not None:
        paths = [path] if isinstance(path, str) else path
        data["masks"]["path"] = [Path(name).name for name in paths]
    return json.loads(json.dumps(values | {"data": data}))  # as JSON gives them back: no tuples


def command() -> str:
    """What was typed, likewise, without where the results go."""
    words, given = [], iter(sys.argv[1:])
    for word in given:
        if word in ("--record", "--out"):
            next(given, None)
        else:
            words.append(Path(word).name)
    return shlex.join(["python", "benchmarks/speedrun.py", *words])


def here(options: argparse.Namespace) -> dict[str, object]:
    waiting = os.environ.get("OMP_WAIT_POLICY")
    return machine() | {
        "bf16": fast_bf16("cpu"),
        "threads": options.threads,
        "omp_wait_policy": waiting,
    }


def read_records(path: Path | None, task: dict[str, object]) -> dict[str, object]:
    """What the file holds, to which a record of this task can be added.

    Raises:
        InputError: it is no such file, or its records are of another task.
    """
    if path is None or not path.exists():
        return {"task": task, "records": []}
    try:
        whole = json.loads(path.read_text())
        theirs, _ = whole["task"], whole["records"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a file of records ({error})", "name another") from None
    if differing := [name for name in task if theirs.get(name) != task[name]]:
        raise InputError(
            f"{path}: holds records of another task: {', '.join(differing)} differ",
            "name another file for this one",
        )
    return whole


def add_record(path: Path | None, task: dict[str, object], record: dict[str, object]) -> None:
    """Append a record, and mark the best of each START."""
    if path is None:
        return
    whole = read_records(path, task)
    records = [*whole["records"], record]
    best: dict[str, float] = {}
    for each in records:
        best[each["start"]] = max(each["psnr"], best.get(each["start"], each["psnr"]))
    for each in records:  # of equals, the first stands
        start = each["start"]
        each["standing"] = best.get(start) == each["psnr"]
        if each["standing"]:
            del best[start]
    text = json.dumps(whole | {"records": records}, indent=2) + "\n"
    write_text(path, text)


if __name__ == "__main__":
    main()
