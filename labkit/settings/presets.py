"""Whole configurations by name, each setting of which can be overridden.

Sources: the paper (Wang et al. 2018, section 4), the authors' PyTorch release, and the report that
this book follows with its released code.

Known, guessed and unknown:
    * paper. Its own: the objective and the Gaussian. Where it gives no number, the TensorFlow
      release's stand in: first weights, padding, critics, batch, steps, learning rate. Guessed: the
      warm-up, "until it converges", is half of the steps.
    * release. From the PyTorch release's code. Guessed: steps, as it counts epochs, and warm-up.
    * report. From its code: first weights, upsampling, padding, confidence, critics, penalty,
      learning rate, batch, steps. Guessed: λ, which it does not state, are the releases', and 5,000
      of the steps are warm-up. Unknown: which of its weights gave which score. Not rebuilt: its
      columns, which make 12,813,315 parameters; ours, those of the PyTorch release, 12,561,891.
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
        generator=GeneratorConfig(padding="zeros", initialisation="glorot"),
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
        generator=GeneratorConfig(padding="zeros", initialisation="glorot", upsample="nearest"),
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

    >>> preset("report").batch, preset("report").objective.adversarial.kind
    (4, 'wgan-gp')
    """
    check_choice("preset", name, PRESETS)
    return PRESETS[name]
