"""A training configuration from a preset and the settings that a user gives, by dotted name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.errors import InputError, check_choice
from labkit.files import say_which
from labkit.settings.network import CRITICS
from labkit.settings.training import TrainConfig

DRAWN = ("rectangle", "free-form", "irregular", "mixed")  # kinds of mask that need no files
_SECOND_STAGE = ("adversarial.", "objective.adversarial", "objective.id_mrf")
_CONFIDENCE = "objective.reconstruction.confidence"


def configure(base: TrainConfig, given: Mapping[str, Any]) -> TrainConfig:
    """`base` with the settings that were given.

    Args:
        given: dotted name → value, as the command line has them: `data.masks.kind` may be kinds or
            paths of masks, the confidence's kernel "none", the critics a name in `CRITICS`.

    Raises:
        InputError: a value that the configuration refuses.
    """
    values: dict[str, Any] = base.to_dict()
    given = dict(given)
    if masks := given.pop("data.masks.kind", None):
        given |= mask_settings(masks)
    kernel = given.get(f"{_CONFIDENCE}.kernel")
    if kernel == "none":
        del given[f"{_CONFIDENCE}.kernel"]
        given[_CONFIDENCE] = None
    elif kernel and values["objective"]["reconstruction"]["confidence"] is None:
        given = {_CONFIDENCE: {}} | given
    if (critics := given.get("adversarial.critics")) is not None:
        check_choice("critics", critics, CRITICS)
        given["adversarial.critics"] = CRITICS[critics].to_dict()
    if "objective.id_mrf.features" in given:
        given["objective.id_mrf.layers"] = {}  # those of the features that were left
    for name, value in given.items():
        *parents, last = name.split(".")
        place = values
        for parent in parents:
            place = place[parent]
        place[last] = value
    if values["generator"]["bottleneck"] == "dense":
        size = values["data"]["size"]
        values["generator"]["dense_size"] = (size, size)
    config = TrainConfig.from_dict(values, "the options")
    idle = [name for name in given if name.startswith(_SECOND_STAGE)]
    if idle and not config.has_second_stage:
        raise InputError(
            f"{', '.join(idle)}: set, but there is no second stage",
            "say with --warm-up after how many steps it begins",
        )
    return config


def mask_settings(masks: Sequence[str]) -> dict[str, Any]:
    """Settings of holes: of a kind, or of files.

    Raises:
        InputError: a kind together with anything else.
    """
    kinds = [name for name in masks if name in DRAWN]
    if not kinds:
        return {"data.masks.kind": "files", "data.masks.path": tuple(masks)}
    if len(masks) > 1:
        raise InputError(f"--masks {kinds[0]} cannot be combined with other masks", "name one kind")
    say_which(kinds[0], "the kind of drawn masks")
    return {"data.masks.kind": kinds[0], "data.masks.path": None}
