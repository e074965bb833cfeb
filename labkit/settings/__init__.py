"""Every setting of the package, each written once. Torch-free."""

from labkit.settings.data import Augmentation, DataConfig, MaskConfig
from labkit.settings.network import CRITICS, CriticConfig, GeneratorConfig
from labkit.settings.objective import (
    OBJECTIVES,
    AdversarialConfig,
    ConfidenceConfig,
    IDMRFConfig,
    ObjectiveConfig,
    ReconstructionConfig,
)
from labkit.settings.training import AdversarialStage, Hardware, TrainConfig

__all__ = [
    "CRITICS",
    "OBJECTIVES",
    "AdversarialConfig",
    "AdversarialStage",
    "Augmentation",
    "ConfidenceConfig",
    "CriticConfig",
    "DataConfig",
    "GeneratorConfig",
    "Hardware",
    "IDMRFConfig",
    "MaskConfig",
    "ObjectiveConfig",
    "ReconstructionConfig",
    "TrainConfig",
]
