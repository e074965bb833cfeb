"""What a graphics card does in eight minutes: rates, memory, a training, scores, in one JSON file.

    python benchmarks/card.py --prepare train-0.tar train-1.tar --masks train-masks.tar \\
        --validation val.tar --pairs pairs.tar --out card-data.tar
    python benchmarks/card.py card-data.tar --minutes 8 --out card.json

The first line makes the data, anywhere and beforehand (`card_data`). The second runs these parts:
"speed", training steps at growing batches until the memory is full, then compiled; "id_mrf", ID-MRF
against the released computation; "prior", a step with and without the head start (`card_steps`);
"training", which takes what time the others leave; "pairs", the scores of what was trained.

The file is written anew whenever there is something to add. Cut off at any moment, it has what
there is, `"complete": false` and under "running" the part it was at; an error ends its part only.
The weights lie beside it in float16, from the first validation on.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import card_data
import card_steps
import speedrun
import torch
from card_steps import Job, Section, said
from measure import take_turns
from speedrun import stopped_after

from labkit.checks import check_whole
from labkit.errors import InputError
from labkit.evaluation.methods import Method
from labkit.evaluation.pairs import Pairs
from labkit.evaluation.protocol import ProtocolConfig, evaluate
from labkit.evaluation.statistics import summarise
from labkit.files import write_text
from labkit.machine import auto_precision, machine
from labkit.nn.generator import GMCNN
from labkit.nn.weights import load_generator, read_metadata, save_generator
from labkit.settings import Augmentation, TrainConfig
from labkit.training.checkpoint import RunFolder, read_metrics
from labkit.training.opening import open_data
from labkit.training.trainer import train

# The time plan: each part's share of --minutes, in this order. What one leaves, the next ones get.
SHARES = {"speed": 0.22, "id_mrf": 0.08, "prior": 0.05, "training": 0.57, "pairs": 0.08}
LEAST = 0.5  # of its share a part gets, where those before it took longer than planned
TIMED, TIMED_SHARE = 12, 0.25  # steps that are timed beforehand; of a training's time, at most
MOMENTS = 10  # at which it is validated
SPARE = 0.03  # of its time is left, should steps become slower


def main() -> None:
    parser = arguments()
    if len(sys.argv) == 1:  # `make bench` calls every script like this
        parser.print_help()
        return
    options = parser.parse_args()
    if (options.data is None) == (options.prepare is None) or options.out is None:
        parser.error("name --out, and either a run's data or --prepare")
    before = signal.signal(signal.SIGTERM, interrupted)
    try:
        if options.prepare is not None:
            print(card_data.prepare(options))
        elif failed := run(options)["failed"]:
            sys.exit(f"failed: {', '.join(failed)}; see {options.out}")
    except InputError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        signal.signal(signal.SIGTERM, before)


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, help="what --prepare wrote")
    parser.add_argument("--out", type=Path, help="JSON file of a run, or tar file of --prepare")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures")
    parser.add_argument("--pictures", type=int, default=96, help="at most, to validate on")
    made = parser.add_argument_group("to make the data")
    made.add_argument("--prepare", nargs="+", metavar="DATA", help="training pictures")
    made.add_argument("--masks", nargs="+", default=["irregular"], help="a kind, or mask files")
    made.add_argument("--validation", nargs="+", default=[], help="by default 5 %% of DATA")
    made.add_argument("--pairs", type=Path, help="folder or tar file of pairs to score")
    made.add_argument("--limit", type=float, default=55.0, metavar="MB", help="of the tar file")
    given = parser.add_argument_group("for a run")
    given.add_argument("--minutes", type=float, default=8.0)
    given.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    given.add_argument("--width", type=int, default=32, help="of the generator")
    given.add_argument("--batch", type=int, help="by default the largest that fits")
    given.add_argument("--compile", action=argparse.BooleanOptionalAction, help="default: on cuda")
    given.add_argument(
        "--id-mrf", nargs="+", type=int, default=[256, 512, 1024], metavar="PX", help="sizes"
    )
    return parser


class Record:
    """The JSON file of a run."""

    def __init__(self, path: Path, values: Section) -> None:
        self.path = path
        self.values = values | {"complete": False, "running": None, "failed": []}

    def save(self) -> None:
        write_text(self.path, json.dumps(self.values, indent=2) + "\n")

    @contextmanager
    def part(self, name: str) -> Iterator[Section]:
        """Within, a part fills its section. An exception is written there, and ends nothing else;
        whatever else ends the part, the file says that it was running."""
        section, began = {}, time.monotonic()
        self.values |= {"running": name, name: section}
        self.save()
        try:
            yield section
        except Exception as error:
            section["error"] = said(error)
            self.values["failed"].append(name)
        finally:
            section["seconds"] = round(time.monotonic() - began, 1)
            self.save()
        print(f"{name}: {section.get('error', 'done')}, {section['seconds']} s", flush=True)


def run(options: argparse.Namespace) -> Section:
    """All parts, one after the other; returns what the file holds.

    Raises:
        InputError: options or data that cannot be used, before anything is written.
    """
    if not options.minutes > 0:
        raise InputError(f"--minutes {options.minutes} must be above 0")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: there is no card here", "--device cpu runs a miniature")
    for size in options.id_mrf:
        check_whole("--id-mrf", size, 32, 1024)
    clock = speedrun.Clock(60 * options.minutes)
    with tempfile.TemporaryDirectory() as scratch:
        held = card_data.unpack(options.data, Path(scratch))
        config = settings(options, held)
        training, held_out = open_data(config.data)
        if options.batch is not None:
            check_whole("--batch", options.batch, 1, len(training))
        named = (Path(word).name for word in sys.argv[1:])
        about = {
            "benchmark": "a graphics card in a few minutes; sizes in px, memory in MiB",
            "command": shlex.join(["python", "benchmarks/card.py", *named]),
            "machine": machine() | {"cuda": torch.version.cuda},
            "minutes": options.minutes,
            "memory_mib": card_steps.memory(options.device),
            "peak_tflops": card_steps.peak_tflops(options.device),
            "data": {"training": training.describe(), "validation": held_out.describe()},
        }
        record = Record(options.out, about)
        record.save()
        pairs = held.get(card_data.PAIRS)
        job = Job(options, clock, record.save, config, training, held_out, pairs, Path(scratch))
        job.weights.unlink(missing_ok=True)  # of a run before this one
        end = 0.0
        for name, part in PARTS.items():
            end += SHARES[name]
            seconds = max(end * clock.limit - clock.seconds, LEAST * SHARES[name] * clock.limit)
            with record.part(name) as section:
                part(job, section, seconds)
            card_steps.free(options.device)
    record.values |= {"complete": True, "running": None, "seconds": round(clock.seconds, 1)}
    record.save()
    return record.values


def settings(options: argparse.Namespace, held: dict[str, Path]) -> TrainConfig:
    """A speedrun's settings for whole pictures, which the device keeps."""
    words = ["biharmonic", "--data", held[card_data.TRAINING]]
    words += ["--validation", held[card_data.VALIDATION], "--masks", held[card_data.MASKS]]
    words += ["--precision", auto_precision(options.device), "--pictures", options.pictures]
    words += ["--size", options.size, "--width", options.width]
    config = speedrun.settings(speedrun.arguments().parse_args(list(map(str, words))))
    data = replace(config.data, source_size=None, augmentation=Augmentation(), cache="device")
    return replace(config, data=data)


def training(job: Job, section: Section, seconds: float) -> None:
    """Train until the time is up, with a curve; the weights are kept at each point of it."""
    until = time.monotonic() + seconds
    config = fitted(job, seconds)
    section["settings"], section["curve"] = speedrun.names_only(config.to_dict()), []
    folder = RunFolder(job.scratch / "run")

    def keep(step: int, model: GMCNN, psnr: float) -> None:
        point = speedrun.point(config, step, job.clock.seconds / 60, psnr)
        section["curve"].append({"step": step, **point})
        about = {"steps": str(step), "run": json.dumps(section["settings"])}
        save_generator(model, job.weights, about, dtype=torch.float16)
        job.save()

    def observe(step: int, model: GMCNN) -> None:
        keep(step, model, logged(folder, "validation_psnr")[-1])

    if job.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with stopped_after(max(until - time.monotonic(), LEAST * seconds)):
        train(config, folder.path, hardware=job.hardware, observe=observe)
    if not folder.weights.exists():
        raise InputError("the time was up before the first step", "give it more --minutes")
    steps = int(read_metadata(folder.weights)["steps"])
    if not section["curve"] or section["curve"][-1]["step"] < steps:  # between two validations
        model = load_generator(folder.weights, device=job.device)
        keep(steps, model, job.validation.run(model, torch.device(job.device))[0])
    section |= {
        "psnr": section["curve"][-1]["psnr"],
        "telea": round(logged(folder, "validation_psnr_telea")[-1], 3),
        "steps": steps,
        "pictures": steps * config.batch,
        "stopped_early": steps < config.steps,
    }
    if job.device == "cuda":
        section["peak_mib"] = card_steps.peak_so_far()
    if times := logged(folder, "seconds")[1:]:  # the first steps load libraries
        section |= job.rates(config.batch * config.log_every / statistics.median(times))


def fitted(job: Job, seconds: float) -> TrainConfig:
    """The training with as many steps as the time has room for, as timed by some."""
    began = time.monotonic()
    few, model = job.validate_on(4), GMCNN(job.config.generator).to(job.device)
    runs = {
        "telea": lambda: few.classical("telea"),
        "network": lambda: few.run(model, torch.device(job.device)),
    }
    share = len(job.validation.images) / len(few.images)
    validating = {name: share * took for name, (took,) in take_turns(runs, 1, job.device).items()}
    some = {"steps": TIMED, "checkpoint_every": TIMED, "validate_every": 0, "log_every": 1}
    folder, start = RunFolder(job.scratch / "timed"), time.monotonic()
    with stopped_after(TIMED_SHARE * seconds):
        train(replace(job.config, **some), folder.path, hardware=job.hardware, progress=False)
    times = logged(folder, "seconds")[1:]  # the first loads libraries, or compiles
    starting = time.monotonic() - start - sum(times)
    step = statistics.median(times) if len(times) > 1 else job.step_seconds or starting
    card_steps.free(job.device)
    room = (1 - SPARE) * (seconds - (time.monotonic() - began)) - starting
    room -= validating["telea"] + MOMENTS * validating["network"]
    steps = max(1, int(room / step))
    every, log_every = -(-steps // MOMENTS), max(1, min(10, steps // 20))
    return replace(
        job.config,
        steps=steps,
        checkpoint_every=steps,
        validate_every=every,
        log_every=log_every,
    )


def logged(folder: RunFolder, name: str) -> list[float]:
    """What a run has recorded under a name so far."""
    records = read_metrics(folder.metrics) if folder.metrics.exists() else []
    return [each[name] for each in records if name in each]


def pairs(job: Job, section: Section, seconds: float) -> None:
    """Score the weights that were kept on the pairs, at the size they were trained at."""
    if job.pairs is None:
        section["skipped"] = "the data hold no pairs"
        return
    method = Method("gmcnn", "gmcnn", load_generator(job.weights, device=job.device))
    protocol = ProtocolConfig(size=job.config.data.size)
    section |= summarise(evaluate(Pairs(job.pairs), [method], protocol).scores)[0]


PARTS: dict[str, Callable[[Job, Section, float], None]] = {
    "speed": card_steps.speed,
    "id_mrf": card_steps.id_mrf,
    "prior": card_steps.prior,
    "training": training,
    "pairs": pairs,
}


if __name__ == "__main__":
    main()
