"""What a generator is trained for: reconstruction, confidence, ID-MRF, critics. Chapters 6 to 8."""

from __future__ import annotations

from dataclasses import asdict, field
from typing import Annotated, Literal

from pydantic import Field

from labkit.settings.base import Number, Switch, Text, Whole, settings

Weight = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]
Count = Annotated[Whole, Field(ge=1)]

Kernel = Literal["gaussian", "laplacian", "laplacian-radial", "released"]
Border = Literal["reflect", "zeros"]
Form = Literal["release", "paper", "keras", "psnr"]
Normalisation = Literal["imagenet", "mean-only"]
Centre = Literal["pixel", "channel", "none"]
Reduction = Literal["mean", "sum"]
Algorithm = Literal["auto", "dense", "streamed"]
AdversarialKind = Literal["wgan-gp", "hinge"]


@settings
class ConfidenceConfig:
    """How confidence spreads into the hole."""

    kernel: Annotated[Kernel, "--confidence"] = "gaussian"
    """How missing pixels are weighted: gaussian; laplacian, the outer product of two 1-D Laplace
    densities, as the report tried; laplacian-radial; released; or none for all alike."""
    size: Count = 65
    """Taps along each side, in pixels."""
    scale: Positive = 40.0
    """Standard deviation of the Gaussian, or scale b of the Laplace density, in pixels."""
    iterations: Count = 7
    """How many times confidence is blurred inward."""
    padding: Border = "reflect"
    """The border of the image: reflect (PyTorch release) or zeros (TensorFlow, Keras)."""

    @property
    def separable(self) -> bool:
        """True where the 2-D kernel is the outer product of a 1-D one with itself."""
        return self.kernel != "laplacian-radial"


@settings
class ReconstructionConfig:
    """Which reconstruction loss, with which confidence."""

    form: Annotated[Form, "--loss"] = "release"
    """Release, the hole's error and the known pixels', each over its area; paper, weighed by M_w,
    which leaves known pixels free; keras, by 1 − M + M_w; psnr, squared error by picture."""
    hole: Weight = 1.4
    """Weight of the missing pixels in the release's form."""
    known: Annotated[Weight, "--known-weight"] = 1.2
    """Weight of the known pixels in the release's form, beside the hole's 1.4."""
    confidence: ConfidenceConfig | None = field(default_factory=ConfidenceConfig)
    """How weights are made; None weighs every missing pixel 1."""


@settings
class IDMRFConfig:
    """Which features ID-MRF compares, and how."""

    features: Annotated[Text, "--features"] = "vgg19"
    """Network whose features ID-MRF compares: vgg19, vgg16, squeezenet1_1, or random:SEED, which
    needs no download."""
    layers: dict[str, Weight] = field(default_factory=dict)
    """Weight of each layer's loss; empty for the paper's (VGG: relu3_2 with 1, relu4_2 with 2)."""
    weights: Annotated[Text | None, "--features-weights"] = None
    """File of that network's weights; by default torchvision's are downloaded."""
    normalise: Normalisation = "imagenet"
    """How pictures enter the network."""
    bandwidth: Positive = 0.5
    """h; the smaller, the nearer a row of shares comes to one single match."""
    epsilon: Positive = 1e-5
    """Added to the smallest distance."""
    patch: Count = 1
    """Side of the compared patches in feature positions."""
    centre: Centre = "pixel"
    """What is subtracted first: the target's mean over channels at each position (PyTorch release),
    its mean of each channel (TensorFlow release), or nothing."""
    reduction: Reduction = "mean"
    """Over the batch; the PyTorch release sums."""
    exclude_self: Switch = False
    """The nearest other target position sets the scale, as the paper has it; dense only."""
    region: Annotated[Literal["image", "hole"], "--id-mrf-region"] = "image"
    """Positions ID-MRF compares: those of the whole image, or of the hole."""
    algorithm: Algorithm = "auto"
    """Dense, streamed, or auto, which is dense up to 2²² pairs of positions."""


@settings
class AdversarialConfig:
    """Which adversarial loss."""

    kind: Annotated[AdversarialKind, "--adversarial"] = "hinge"
    """Hinge, with critics under spectral normalisation (PyTorch release), or wgan-gp (paper,
    TensorFlow release, Keras ports)."""
    penalty: Weight = 10.0
    """λ_gp, of wgan-gp only."""
    penalty_mask: Literal["mask", "confidence", "none"] = "mask"
    """What the gradient is multiplied by before its length is taken."""

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return asdict(self)

    @property
    def penalised(self) -> bool:
        """True where the critic's loss has a gradient penalty, and needs a t for each sample."""
        return self.kind == "wgan-gp" and self.penalty > 0


@settings
class ObjectiveConfig:
    """Which losses, and how they are weighed: L = L_c + λ_mrf L_mrf + λ_adv L_adv."""

    reconstruction: ReconstructionConfig = field(default_factory=ReconstructionConfig)
    """L_c, which the warm-up stage minimises alone."""
    id_mrf: IDMRFConfig = field(default_factory=IDMRFConfig)
    """L_mrf."""
    id_mrf_weight: Annotated[Weight, "--id-mrf-weight"] = 0.05
    """λ_mrf; 0 leaves ID-MRF out."""
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)
    """L_adv."""
    adversarial_weight: Annotated[Weight, "--adversarial-weight"] = 1e-3
    """λ_adv, on the sum of the global and the local critic's term; 0 leaves the critics out."""


OBJECTIVES: dict[str, ObjectiveConfig] = {
    "paper": ObjectiveConfig(
        reconstruction=ReconstructionConfig(form="paper"),
        adversarial=AdversarialConfig(kind="wgan-gp"),
    ),
    "release": ObjectiveConfig(
        reconstruction=ReconstructionConfig(confidence=ConfidenceConfig(kernel="released")),
        # By the release's own count of layers these are relu3_2 and relu4_2.
        id_mrf=IDMRFConfig(
            layers={"relu3_1": 1.0, "relu4_1": 2.0}, normalise="mean-only", reduction="sum"
        ),
    ),
    "report": ObjectiveConfig(
        reconstruction=ReconstructionConfig(
            form="keras", confidence=ConfidenceConfig(iterations=3, padding="zeros")
        ),
        id_mrf=IDMRFConfig(features="vgg16", centre="none"),
        adversarial=AdversarialConfig(kind="wgan-gp", penalty_mask="none"),
    ),
}
