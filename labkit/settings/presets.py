"""Whole configurations by name, each setting of which can be overridden.

Sources: the paper (Wang et al. 2018, section 4), the authors' PyTorch release, and the report that
this book follows with its released code.

Deviations:
    * The paper does not say how long it warms up; half of the TensorFlow release's 40,000 steps
      stand in for "until it converges". The report does not either; 5,000 of its 7,000 steps do.
"""

from __future__ import annotations

from labkit.errors import check_choice
from labkit.settings.data import DataConfig, MaskConfig
from labkit.settings.network import CRITICS, CriticConfig, GeneratorConfig
from labkit.settings.objective import (
    OBJECTIVES,
    AdversarialConfig,
    IDMRFConfig,
    ObjectiveConfig,
    ReconstructionConfig,
)
from labkit.settings.training import AdversarialStage, TrainConfig

_RECTANGLES = DataConfig(masks=MaskConfig(kind="rectangle", side=128, margin=8), size=256)
_IRREGULAR = DataConfig(masks=MaskConfig(kind="irregular"), size=256)

PRESETS: dict[str, TrainConfig] = {
    "paper": TrainConfig(
        generator=GeneratorConfig(padding="zeros"),
        data=_RECTANGLES,
        objective=OBJECTIVES["paper"],
        adversarial=AdversarialStage(critics=CRITICS["tensorflow"]),
        steps=40_000,
        warm_up=20_000,
        batch=16,
        learning_rate=1e-5,
    ),
    "release": TrainConfig(
        data=_RECTANGLES,
        objective=OBJECTIVES["release"],
        adversarial=AdversarialStage(critics=CRITICS["release"]),
        steps=40_000,
        warm_up=20_000,
        batch=8,
        learning_rate=1e-5,
    ),
    "report": TrainConfig(
        generator=GeneratorConfig(padding="zeros"),
        data=_IRREGULAR,
        objective=OBJECTIVES["report"],
        adversarial=AdversarialStage(critics=CRITICS["keras"]),
        steps=7_000,
        warm_up=5_000,
        batch=4,
        learning_rate=1e-4,
    ),
    # Both stages in a minute or two on a laptop: to see the machinery, not to fill holes.
    "tiny": TrainConfig(
        generator=GeneratorConfig(width=8, initialisation="he"),
        data=DataConfig(masks=MaskConfig(kind="rectangle"), size=64),
        objective=ObjectiveConfig(
            reconstruction=ReconstructionConfig(known=0.5),
            id_mrf=IDMRFConfig(features="random:0", layers={"relu2_2": 1.0}),
            adversarial=AdversarialConfig(kind="hinge"),
        ),
        adversarial=AdversarialStage(critics=CriticConfig(channels=(16, 32, 64))),
        steps=200,
        warm_up=150,
        batch=8,
        learning_rate=3e-4,
        validate_every=50,
        checkpoint_every=50,
        log_every=10,
        validation_images=16,
    ),
}


def preset(name: str) -> TrainConfig:
    """The configuration called `name`.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    check_choice("preset", name, PRESETS)
    return PRESETS[name]
