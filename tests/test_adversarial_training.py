"""The second stage: critics beside the generator, and nothing lost or changed by a stop."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from training_runs import (
    CPU,
    Killed,
    assert_same_weights,
    killed_at,
    start_run,
    wait_for,
)

from labkit.cli.train import starting_point
from labkit.data.batches import BatchesByStep
from labkit.data.device_cache import PictureCache
from labkit.errors import InputError
from labkit.faces import RenderedFaces
from labkit.images import write_image
from labkit.losses.id_mrf import layer_weights
from labkit.losses.objective import Objective
from labkit.nn.generator import GMCNN, GeneratorConfig
from labkit.nn.weights import load_generator, save_generator
from labkit.settings import (
    OBJECTIVES,
    AdversarialConfig,
    AdversarialStage,
    Augmentation,
    CriticConfig,
    DataConfig,
    IDMRFConfig,
    MaskConfig,
    ObjectiveConfig,
    ReconstructionConfig,
    TrainConfig,
)
from labkit.settings.configure import configure
from labkit.settings.presets import PRESETS, preset
from labkit.training.checkpoint import RunFolder, read_metrics
from labkit.training.ema import ExponentialAverage
from labkit.training.opening import initial_generator
from labkit.training.stages import Step, build
from labkit.training.trainer import train

OBJECTIVE = ObjectiveConfig(
    reconstruction=ReconstructionConfig(confidence=None),
    id_mrf=IDMRFConfig(features="random:0", layers={"relu1_1": 1.0}),
)
SMALL = TrainConfig(
    generator=GeneratorConfig(width=2, padding="zeros", initialisation="he"),
    data=DataConfig(images=("faces",), masks=MaskConfig(kind="rectangle"), size=32),
    objective=OBJECTIVE,
    adversarial=AdversarialStage(critics=CriticConfig(channels=(4, 8)), critic_steps=2),
    steps=6,
    warm_up=3,
    batch=2,
    learning_rate=1e-3,
    validate_every=3,
    checkpoint_every=2,
    log_every=1,
    validation_images=2,
)
WGAN = dataclasses.replace(
    SMALL,
    objective=dataclasses.replace(
        OBJECTIVE, adversarial=AdversarialConfig("wgan-gp", penalty_mask="mask")
    ),
    ema=0.9,
)


def records(run: Path) -> list[dict]:
    """What was logged, without how long it took."""
    kept = read_metrics(run / "metrics.jsonl")
    return [{k: v for k, v in record.items() if k != "seconds"} for record in kept]


def test_both_stages_are_run_and_logged(tmp_path) -> None:
    train(SMALL, tmp_path / "run", hardware=CPU, progress=False)
    logged = [r for r in records(tmp_path / "run") if "stage" in r]
    assert [r["stage"] for r in logged] == ["warm-up"] * 3 + ["adversarial"] * 3
    common = {"step", "stage", "learning_rate", "reconstruction"}
    assert set(logged[0]) == common
    assert set(logged[-1]) == common | {
        *("id_mrf", "adversarial_global", "adversarial_local"),
        *("critic_global", "critic_local"),
    }
    train(WGAN, tmp_path / "wgan", hardware=CPU, progress=False)
    assert {"penalty_global", "penalty_local"} <= set(records(tmp_path / "wgan")[-2])


@pytest.mark.parametrize("config", [SMALL, WGAN], ids=["hinge", "wgan-gp, ema"])
@pytest.mark.parametrize("stop_at", [1, 3, 4, 5])
def test_a_run_stopped_in_either_stage_resumes_bit_for_bit(
    tmp_path, monkeypatch, config: TrainConfig, stop_at: int
) -> None:
    train(config, tmp_path / "whole", hardware=CPU, progress=False)
    with killed_at(monkeypatch, stop_at), pytest.raises(Killed):
        train(config, tmp_path / "cut", hardware=CPU, progress=False)
    train(config, tmp_path / "cut", hardware=CPU, resume=True, progress=False)
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")
    assert records(tmp_path / "whole") == records(tmp_path / "cut")
    whole, cut = (RunFolder(tmp_path / name).load_state() for name in ("whole", "cut"))
    for key, value in whole["critics"].items():
        assert torch.equal(value, cut["critics"][key]), key


def test_a_kill_while_a_checkpoint_is_written_resumes_bit_for_bit(tmp_path, monkeypatch) -> None:
    """The process dies inside the write of the second stage's first checkpoint."""
    original = os.replace
    renames = []

    def dying(source, destination) -> None:
        if str(destination).endswith("state.new.pt"):
            renames.append(destination)
            if len(renames) == 2:
                raise Killed
        original(source, destination)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying)
        with pytest.raises(Killed):
            train(SMALL, tmp_path / "cut", hardware=CPU, progress=False)
    assert RunFolder(tmp_path / "cut").load_state()["step"] == 2
    train(SMALL, tmp_path / "cut", hardware=CPU, resume=True, progress=False)
    train(SMALL, tmp_path / "whole", hardware=CPU, progress=False)
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")


def test_sigkill_in_the_second_stage_resumes_and_equals_an_uninterrupted_run(tmp_path) -> None:
    killed = tmp_path / "killed"
    process = start_run(
        killed,
        *("--masks", "rectangle", "--confidence", "none", "--warm-up", "2", "--critic-steps", "1"),
        *("--id-mrf-weight", "0"),
    )
    wait_for(killed / "state.previous.pt", process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    saved = TrainConfig.read(killed / "config.json")
    step = RunFolder(killed).load_state()["step"]
    assert saved.stage_at(step) == "adversarial"
    config = dataclasses.replace(saved, steps=step + 3)
    (killed / "config.json").write_text(config.to_json())
    train(config, killed, hardware=CPU, resume=True, progress=False)
    train(config, tmp_path / "whole", hardware=CPU, progress=False)
    assert_same_weights(killed, tmp_path / "whole")


@pytest.mark.parametrize(
    "objective",
    [("--adversarial", "hinge"), ("--adversarial", "wgan-gp"), ("--preset", "release")],
    ids=lambda options: options[1],
)
def test_two_processes_compute_what_one_computes(tmp_path, objective: tuple[str, str]) -> None:
    """On gloo: global losses and weights of the first five steps, in both stages, to 1e-6.

    In float64. Adam divides a gradient by its own size, so where a float32 gradient is nothing but
    rounding, the order of a sum decides whether the weight goes up or down by the learning rate.
    """
    options = [
        *("--data", "faces", "--size", "32", "--width", "2", "--batch", "4", "--steps", "5"),
        *("--warm-up", "2", *objective, "--critic-steps", "2", "--lr", "1e-4"),
        *("--features", "random:0", "--masks", "free-form", "--validate-every", "0"),
        *("--log-every", "1", "--checkpoint-every", "1", "--device", "cpu", "--workers", "0"),
        *("--precision", "64"),
    ]
    for processes in (1, 2):
        command = [sys.executable, "-m", "labkit", "train", "--out", str(tmp_path / str(processes))]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, *options, "--devices", str(processes)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
    one, two = records(tmp_path / "1"), records(tmp_path / "2")
    assert len(one) == len(two) == 5
    for ours, theirs in zip(one, two, strict=True):
        assert ours.keys() == theirs.keys()
        for name in set(ours) - {"stage"}:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-6, abs=1e-6), name
    ours, theirs = (RunFolder(tmp_path / name).load_state() for name in ("1", "2"))
    for part in ("model", "critics"):
        for key, value in ours[part].items():
            assert (value - theirs[part][key]).abs().max() <= 1e-6, f"{part} {key}"


def test_a_batch_mean_of_channels_is_refused_where_processes_divide_the_batch() -> None:
    config = dataclasses.replace(
        OBJECTIVE, id_mrf=dataclasses.replace(OBJECTIVE.id_mrf, centre="channel")
    )
    with pytest.raises(InputError, match=r"centre 'channel'.* 2 processes.*one device"):
        Objective(config, processes=2)
    assert Objective(config).id_mrf is not None
    assert Objective(config, processes=2, warm_up_only=True).id_mrf is None


def test_the_generator_s_step_leaves_the_critics_alone_and_the_other_way_round() -> None:
    fabric = Fabric(accelerator="cpu")
    networks = build(fabric, SMALL, initial_generator(SMALL))
    step = Step(fabric, SMALL, networks, Objective(SMALL.objective))
    target, mask = torch.rand(2, 3, 32, 32) * 2 - 1, torch.zeros(2, 1, 32, 32)
    mask[:, :, 8:24, 8:24] = 1

    def state(module: torch.nn.Module) -> list[torch.Tensor]:
        return [p.detach().clone() for p in module.parameters()]

    def same(before: list[torch.Tensor], module: torch.nn.Module) -> bool:
        return all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))

    critics, generator = state(networks.critics), state(networks.model)
    terms = step._train_critics(3, networks.model(target, mask).detach(), target, mask)
    assert same(generator, networks.model)
    assert not same(critics, networks.critics)
    assert set(terms) == {"critic_global", "critic_local"}

    critics = state(networks.critics)
    for parameter in networks.critics.parameters():
        parameter.grad = None
    total, _ = step.objective.generator(networks.model(target, mask), target, mask, None)
    step._update_generator(total)
    assert same(critics, networks.critics)
    assert not same(generator, networks.model)
    step(4, target, mask)
    assert all(p.requires_grad for p in networks.critics.parameters())


def test_a_run_that_cannot_begin_leaves_the_folder_free(tmp_path) -> None:
    features = IDMRFConfig("squeezenet1_1", weights=str(tmp_path / "nowhere.pth"))
    config = dataclasses.replace(
        SMALL, objective=dataclasses.replace(OBJECTIVE, id_mrf=features), steps=4
    )
    for _ in range(2):  # the second time it must not say that the folder is in use
        with pytest.raises(InputError, match="nowhere"):
            train(config, tmp_path / "run", hardware=CPU, progress=False)


def test_learning_rates_of_the_stages() -> None:
    config = dataclasses.replace(
        SMALL,
        steps=8,
        warm_up=4,
        schedule="linear",
        learning_rate=1.0,
        adversarial=AdversarialStage(learning_rate=0.1, critic_learning_rate=0.4),
    )
    assert [config.learning_rate_at(step) for step in (0, 2)] == [1.0, 0.5]
    assert [config.learning_rate_at(step) for step in (4, 6)] == pytest.approx([0.1, 0.05])
    assert [config.critic_learning_rate_at(step) for step in (4, 6)] == pytest.approx([0.4, 0.2])
    same = dataclasses.replace(config, adversarial=AdversarialStage(), schedule="constant")
    assert same.critic_learning_rate_at(5) == same.learning_rate_at(5) == 1.0


def test_from_weights_begins_where_the_file_ends(tmp_path) -> None:
    model = GMCNN(SMALL.generator, rng=torch.Generator().manual_seed(5))
    save_generator(model, tmp_path / "warm.safetensors")
    config = dataclasses.replace(
        SMALL, warm_up=0, steps=2, from_weights=str(tmp_path / "warm.safetensors")
    )
    start = initial_generator(config)
    for ours, theirs in zip(start.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    train(config, tmp_path / "run", hardware=CPU, progress=False)
    assert records(tmp_path / "run")[1]["stage"] == "adversarial"
    # A resumed run needs the file no more.
    (tmp_path / "warm.safetensors").unlink()
    train(config, tmp_path / "run", hardware=CPU, resume=True, progress=False)

    save_generator(GMCNN(GeneratorConfig(width=4)), tmp_path / "warm.safetensors")
    with pytest.raises(InputError, match=r"a generator with width 4, .*run's has width 2"):
        initial_generator(config)
    base = starting_point("tiny", str(tmp_path / "warm.safetensors"))
    assert base.generator.width == 4 and base.steps == PRESETS["tiny"].steps


@pytest.mark.parametrize(
    ("value", "says"),
    [(float("nan"), "became nan"), (float("-inf"), "became -inf"), (2e4, "exploded to 20000")],
)
def test_trouble_names_the_term_and_keeps_the_last_checkpoint(
    tmp_path, monkeypatch, value: float, says: str
) -> None:
    original = Step.__call__

    def diverging(self, step, target, mask):
        terms = original(self, step, target, mask)
        return terms | {"critic_local": torch.tensor(value)} if step == 4 else terms

    monkeypatch.setattr(Step, "__call__", diverging)
    with pytest.raises(InputError, match=f"critic local loss {says} at step 5.*kept"):
        train(SMALL, tmp_path / "run", hardware=CPU, progress=False)
    assert RunFolder(tmp_path / "run").load_state()["step"] == 4


def test_weights_that_are_not_finite_are_never_saved(tmp_path, monkeypatch) -> None:
    original = Step.__call__

    def poisoned(self, step, target, mask):
        terms = original(self, step, target, mask)
        if step == 3:
            next(self.networks.critics.parameters()).data.view(-1)[0] = float("nan")
        return terms

    monkeypatch.setattr(Step, "__call__", poisoned)
    with pytest.raises(InputError, match=r"weights of the critics are not finite at step 4"):
        train(SMALL, tmp_path / "run", hardware=CPU, progress=False)
    assert RunFolder(tmp_path / "run").load_state()["step"] == 2


def test_an_altered_checkpoint_is_refused_and_the_one_before_it_used_on_request(tmp_path) -> None:
    train(SMALL, tmp_path / "run", hardware=CPU, progress=False)
    run = RunFolder(tmp_path / "run")
    data = bytearray(run.state.read_bytes())
    data[len(data) // 2] ^= 1
    run.state.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"state\.pt: damaged.*altered.*--previous"):
        train(SMALL, run.path, hardware=CPU, resume=True, progress=False)
    train(SMALL, run.path, hardware=CPU, previous=True, progress=False)
    train(SMALL, tmp_path / "whole", hardware=CPU, progress=False)
    assert_same_weights(run.path, tmp_path / "whole")


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path) -> None:
    other = dataclasses.replace(
        SMALL, adversarial=dataclasses.replace(SMALL.adversarial, critics=CriticConfig((8, 8)))
    )
    train(SMALL, tmp_path / "run", hardware=CPU, progress=False)
    with pytest.raises(InputError, match=r"other settings: adversarial\.critics"):
        train(other, tmp_path / "run", hardware=CPU, resume=True, progress=False)
    train(other, tmp_path / "other", hardware=CPU, progress=False)
    os.replace(tmp_path / "other" / "state.pt", tmp_path / "run" / "state.pt")
    with pytest.raises(InputError, match="does not fit this configuration"):
        train(SMALL, tmp_path / "run", hardware=CPU, resume=True, progress=False)


def test_the_running_average() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average = ExponentialAverage(model, 0.5)
    model.weight.data.fill_(1.0)
    average.update(model, 100)
    average.update(model, 101)
    assert float(average.model.weight) == 0.75  # 1 − 0.5²
    early = ExponentialAverage(model, 0.999)
    model.weight.data.fill_(12.0)
    early.update(model, 1)
    assert float(early.model.weight) == pytest.approx(1 + 11 * (1 - 2 / 11))
    assert not any(p.requires_grad for p in average.model.parameters())


def test_the_average_is_what_the_weights_file_holds(tmp_path) -> None:
    train(WGAN, tmp_path, hardware=CPU, progress=False)
    state, saved = RunFolder(tmp_path).load_state(), load_generator(tmp_path).state_dict()
    assert all(torch.equal(value, saved[key]) for key, value in state["average"].items())
    assert any(not torch.equal(value, saved[key]) for key, value in state["model"].items())


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_survive_json_and_have_both_stages(name: str) -> None:
    config = preset(name)
    assert TrainConfig.from_dict(json.loads(config.to_json())) == config
    assert 0 < config.warm_up_steps < config.steps


def test_presets_by_name_and_the_facts_they_state() -> None:
    with pytest.raises(InputError, match=r"preset 'huge'.*paper, release, report, tiny"):
        preset("huge")
    release, report = OBJECTIVES["release"], preset("report")
    assert (release.id_mrf_weight, release.adversarial_weight) == (0.05, 1e-3)
    assert (release.reconstruction.hole, release.reconstruction.known) == (1.4, 1.2)
    assert layer_weights(release.id_mrf) == {"relu3_1": 1.0, "relu4_1": 2.0}
    assert release.id_mrf.reduction == "sum" and release.adversarial.kind == "hinge"
    assert (report.steps, report.batch, report.learning_rate) == (7000, 4, 1e-4)
    assert report.adversarial.critic_steps == 5 and report.betas == (0.5, 0.9)
    network = report.generator
    assert (network.initialisation, network.upsample) == ("glorot", "nearest")
    assert network.padding == "zeros" and preset("paper").generator.initialisation == "glorot"


def test_options_become_settings_of_the_second_stage() -> None:
    given = {"objective.adversarial.kind": "wgan-gp", "warm_up": 4, "steps": 9}
    config = configure(preset("tiny"), given | {"adversarial.critics": "keras"})
    assert config.adversarial.critics.local == "masked" and config.warm_up_steps == 4
    features = {"objective.id_mrf.features": "random:3"}
    assert configure(preset("tiny"), features).objective.id_mrf.layers == {}
    with pytest.raises(InputError, match="critics 'best'"):
        configure(TrainConfig(), {"adversarial.critics": "best"})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"warm_up": 7}, r"warm-up of 7 steps must lie in \[0, 6\]"),
        ({"ema": 1.0}, "ema 1.0: must be less than 1"),
        ({"explosion": 0.0}, "explosion 0.0"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(wrong: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        dataclasses.replace(SMALL, **wrong)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: AdversarialStage(critic_steps=0), "critic_steps 0"),
        (lambda: AdversarialStage(learning_rate=0.0), "learning_rate 0.0"),
        (lambda: ObjectiveConfig(id_mrf_weight=-1.0), "-1.0"),
        (lambda: DataConfig(cache="disk"), "cache 'disk'"),
        (lambda: DataConfig(cache="device", size=64, source_size=128), "used whole"),
    ],
)
def test_parts_that_make_no_sense_are_refused(make, says: str) -> None:
    with pytest.raises(InputError, match=says):
        make()


def test_terms_of_weight_zero_are_left_out() -> None:
    without = Objective(dataclasses.replace(OBJECTIVE, id_mrf_weight=0.0))
    assert without.id_mrf is None
    target, mask = torch.zeros(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    total, terms = without.generator(target + 0.5, target, mask, None)
    assert set(terms) == {"reconstruction"} and float(total) == pytest.approx(1.4 * 0.5)


def test_pictures_cached_on_the_device_are_the_same_pictures(tmp_path) -> None:
    source, masks = RenderedFaces(32, "val"), MaskConfig(kind="free-form")
    options = {"augmentation": Augmentation(flip=True)}
    plain = BatchesByStep(source, masks, 32, 4, 7, **options)
    deferred = BatchesByStep(source, masks, 32, 4, 7, deferred=True, **options)
    cache = PictureCache(source, torch.device("cpu"))
    for step in (0, 9):
        choice, holes = deferred[step]
        images, mask = plain[step]
        assert torch.equal(cache.take(choice), images)
        assert holes.shape == (4, 1, 32, 32) and torch.equal(holes, mask)
    folder = tmp_path / "pictures"
    for number, face in enumerate(RenderedFaces(32, "train").batch(range(6))):
        write_image(folder / f"{number}.png", face)
    data = dataclasses.replace(SMALL.data, images=(str(folder),), validation=("faces",))
    stored = dataclasses.replace(SMALL, steps=2, warm_up=2, data=data)
    cached = dataclasses.replace(stored, data=dataclasses.replace(data, cache="device"))
    train(stored, tmp_path / "plain", hardware=CPU, progress=False)
    train(cached, tmp_path / "cached", hardware=CPU, progress=False)
    assert_same_weights(tmp_path / "plain", tmp_path / "cached")


def test_a_cache_larger_than_the_device_is_refused(monkeypatch) -> None:
    monkeypatch.setitem(PictureCache.__init__.__globals__, "free_memory", lambda _: 1000)
    with pytest.raises(InputError, match=r"GiB free.*in memory"):
        PictureCache(RenderedFaces(32, "val"), torch.device("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_both_stages_on_cuda_in_bf16(tmp_path) -> None:
    config = dataclasses.replace(WGAN, precision="bf16")
    hardware = dataclasses.replace(CPU, accelerator="cuda")
    train(config, tmp_path, hardware=hardware, progress=False)
    assert RunFolder(tmp_path).load_state()["step"] == config.steps
