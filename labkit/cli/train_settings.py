"""The options of ``labkit train`` as settings of a training configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from labkit.cli.masks import KINDS
from labkit.errors import InputError

if TYPE_CHECKING:
    from labkit.training.config import TrainConfig

# The configuration's own defaults, as help shows them; reading them from `TrainConfig` would import
# torch. A test keeps the two in step. Keys say where an option goes in the configuration.
DEFAULTS: dict[str, Any] = {
    "data.images": "faces",
    "data.masks.kind": "mixed",
    "data.masks.invert": False,
    "data.size": 64,
    "data.augmentation.smallest_crop": 1.0,
    "data.augmentation.largest_crop": 1.0,
    "data.augmentation.flip": True,
    "data.cache": "none",
    "generator.width": 32,
    "generator.padding": "reflect",
    "generator.initialisation": "normal",
    "generator.attention_place": "before-dilated",
    "generator.reduction": 16,
    "generator.upsample": "released",
    "generator.prior": "none",
    "generator.bottleneck": "dilated",
    "objective.reconstruction.form": "release",
    "objective.reconstruction.known": 1.2,
    "objective.reconstruction.confidence.kernel": "gaussian",
    "objective.id_mrf.features": "vgg19",
    "objective.id_mrf.region": "image",
    "objective.id_mrf_weight": 0.05,
    "objective.adversarial.kind": "hinge",
    "objective.adversarial_weight": 1e-3,
    "adversarial.critic_steps": 5,
    "adversarial.fresh_masks": False,
    "steps": 10_000,
    "batch": 16,
    "learning_rate": 1e-4,
    "schedule": "constant",
    "clip_norm": 0.0,
    "ema": 0.0,
    "precision": "32",
    "channels_last": True,
    "compile": False,
    "seed": 0,
    "validate_every": 500,
    "checkpoint_every": 500,
    "log_every": 50,
    "validation_images": 64,
}


PANELS = {
    "data": "Data",
    "generator": "Network",
    "objective": "Losses",
    "adversarial": "Second stage",
}


_SECOND_STAGE = ("adversarial.", "objective.adversarial", "objective.id_mrf")


def option(*names: str, help: str, setting: str) -> Any:
    """An option that is None where it is not given; help shows the configuration's default.

    Args:
        setting: dotted name in the configuration.
    """
    default = DEFAULTS.get(setting)
    shown = ("off", "on")[default] if isinstance(default, bool) else str(default)
    panel = PANELS.get(setting.split(".")[0], "Optimisation")
    return typer.Option(
        *names, help=help, show_default=default is not None and shown, rich_help_panel=panel
    )


def starting_point(preset: str | None, from_weights: str | None) -> TrainConfig:
    """The configuration that the options alter.

    Args:
        preset: a name in `labkit.training.presets.PRESETS`; None for the defaults.
        from_weights: a weights file whose network replaces the configuration's.
    """
    import dataclasses

    from labkit.nn.weights import load_generator
    from labkit.training.config import TrainConfig
    from labkit.training.presets import preset as named

    base = TrainConfig() if preset is None else named(preset)
    if from_weights is None:
        return base
    return dataclasses.replace(
        base, generator=load_generator(from_weights).config, from_weights=from_weights
    )


def configure(
    base: TrainConfig,
    given: dict[str, Any],
    *,
    masks: Sequence[str] | None = None,
    confidence: str | None = None,
    critics: str | None = None,
) -> TrainConfig:
    """`base` with the settings that were given.

    Args:
        given: dotted names in the configuration; None leaves a setting as it is in `base`.
        masks: a kind of mask, or where mask files are; None or nothing leaves them as in `base`.
        confidence: a kernel, or "none".
        critics: a name in `labkit.nn.critics.CRITICS`.

    Raises:
        InputError: a value that the configuration refuses.
    """
    values: dict[str, Any] = base.to_dict()
    given = {name: value for name, value in given.items() if value is not None}
    if masks:
        given |= mask_settings(masks)
    reconstruction = "objective.reconstruction"
    if confidence == "none":
        given[f"{reconstruction}.confidence"] = None
    elif confidence is not None:
        if values["objective"]["reconstruction"]["confidence"] is None:
            given[f"{reconstruction}.confidence"] = {}
        given[f"{reconstruction}.confidence.kernel"] = confidence
    if critics is not None:
        given["adversarial.critics"] = _critics(critics)
    if "objective.id_mrf.features" in given:
        given["objective.id_mrf.layers"] = {}  # those of the features that were left
    for name, value in given.items():
        *parents, last = name.split(".")
        place = values
        for parent in parents:
            place = place[parent]
        place[last] = value
    if values["generator"]["bottleneck"] == "dense":
        values["generator"]["dense_size"] = values["data"]["size"]
    config = type(base).from_dict(values, "the options")
    if not config.has_second_stage:
        _refuse_second_stage(given)
    return config


def _refuse_second_stage(given: dict[str, Any]) -> None:
    """Refuse settings of a stage that does not come."""
    idle = [name for name in given if name.startswith(_SECOND_STAGE)]
    if idle:
        raise InputError(
            f"{', '.join(idle)}: set, but there is no second stage",
            "say with --warm-up after how many steps it begins",
        )


def mask_settings(masks: Sequence[str]) -> dict[str, Any]:
    """Settings of holes: of a kind, or of files.

    Raises:
        InputError: a kind together with anything else.
    """
    named = [name for name in masks if name in KINDS]
    if not named:
        return {"data.masks.kind": "files", "data.masks.path": tuple(masks)}
    if len(masks) > 1:
        raise InputError(f"--masks {named[0]} cannot be combined with other masks", "name one kind")
    return {"data.masks.kind": named[0], "data.masks.path": None}


def _critics(name: str) -> dict[str, object]:
    from labkit.nn.critics import CRITICS

    if name not in CRITICS:
        raise InputError(f"critics {name!r} are unknown", f"one of {', '.join(CRITICS)}")
    return CRITICS[name].to_dict()
