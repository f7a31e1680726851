"""The losses of a network: over classes with a centre each, or over pairs and triplets of a batch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from resight.config.options import NamedOptions, Options

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Angle = Annotated[float, Field(ge=0, le=1.5)]
Name = Annotated[str, Field(min_length=1)]


class ArcFaceMargin(Options):
    """ArcFace: each photo lies nearer to its class's centre than to any other, by an angle.

    Args:
        margin_rad: that angle.
    """

    margin_rad: Angle = 0.3


class SubCentreMargin(Options):
    """Sub-centre ArcFace with a margin per class: a class has several centres, and the rare have more margin.

    The margin of a class with n photos is `margin_rad + margin_extra_rad * n ** -margin_power`.

    Args:
        n_centres: of each class.
        margin_rad: of a class with very many photos.
        margin_extra_rad: more of it for a class with one photo.
        margin_power: how fast that falls with the number of photos.
    """

    n_centres: Count = 2
    margin_rad: Angle = 0.05
    margin_extra_rad: Angle = 0.5
    margin_power: Positive = 0.25


class CosFaceMargin(Options):
    """CosFace: each photo is more alike to its class's centre than to any other, by a cosine.

    Args:
        margin: that cosine.
    """

    margin: Annotated[float, Field(ge=0, le=1)] = 0.2


class ProxyAnchorPull(Options):
    """Proxy-anchor: each class's centre pulls its photos and pushes the others, the hardest most.

    Args:
        margin: of the cosines, to both sides.
        alpha: how much the hardest count.
    """

    margin: Weight = 0.1
    alpha: Positive = 8.0


class SupConPull(Options):
    """Supervised contrastive: photos of one class are more alike than those of others in the batch.

    Args:
        temperature: the lower, the more the hardest count.
    """

    temperature: Positive = 0.1


class TripletPull(Options):
    """Triplet: a photo is nearer to one of its class than to one of another, by a margin.

    Args:
        margin: of the distance between unit vectors.
        mining: which triplets of a batch count: "all" that break the margin, those that are "hard", or "semihard".
    """

    margin: Positive = 0.2
    mining: Literal["all", "hard", "semihard"] = "all"


class ContrastivePull(Options):
    """Contrastive, of Siamese networks: pairs of one class come near, others stay farther off than a margin.

    Args:
        margin: of the distance between unit vectors.
        mining: which pairs of a batch count: "all" that break the margin, or the "hard" ones.
    """

    margin: Positive = 0.8
    mining: Literal["all", "hard"] = "all"


class _LossBase(NamedOptions):
    """What all losses have in common.

    Args:
        of: "individual", or a column such as "species".
        weight: of this loss among the others.
    """

    of: Name = "individual"
    weight: Positive = 1.0


class SoftmaxLoss(_LossBase):
    """Plain classification: a score for each class, without a margin.

    Args:
        smoothing: share of the truth that is spread over all classes.
    """

    kind: Literal["softmax"] = "softmax"
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


class _MarginLoss(_LossBase):
    """What the losses with a margin have in common.

    Args:
        scale: of the cosines in the softmax.
        n_classes_per_batch: classes that a batch is held against, at most; the others are drawn anew each time.
    """

    scale: Positive = 30.0
    n_classes_per_batch: Annotated[int, Field(ge=2)] = 100_000


class ArcFaceLoss(_MarginLoss, ArcFaceMargin):
    """See `ArcFaceMargin`."""

    kind: Literal["arcface"] = "arcface"


class SubCentreLoss(_MarginLoss, SubCentreMargin):
    """See `SubCentreMargin`."""

    kind: Literal["subcentre-arcface"] = "subcentre-arcface"


class CosFaceLoss(_MarginLoss, CosFaceMargin):
    """See `CosFaceMargin`."""

    kind: Literal["cosface"] = "cosface"


class ProxyAnchorLoss(_LossBase, ProxyAnchorPull):
    """See `ProxyAnchorPull`."""

    kind: Literal["proxy-anchor"] = "proxy-anchor"


class SupConLoss(_LossBase, SupConPull):
    """See `SupConPull`."""

    kind: Literal["supcon"] = "supcon"


class ContrastiveLoss(_LossBase, ContrastivePull):
    """See `ContrastivePull`."""

    kind: Literal["contrastive"] = "contrastive"


class TripletLoss(_LossBase, TripletPull):
    """See `TripletPull`."""

    kind: Literal["triplet"] = "triplet"


Margin = ArcFaceMargin | SubCentreMargin | CosFaceMargin
Pull = ProxyAnchorPull | SupConPull | ContrastivePull | TripletPull
MarginLoss = ArcFaceLoss | SubCentreLoss | CosFaceLoss
ClassLoss = SoftmaxLoss | MarginLoss | ProxyAnchorLoss
BatchLoss = SupConLoss | ContrastiveLoss | TripletLoss
LossOptions = Annotated[ClassLoss | BatchLoss, Field(discriminator="kind")]
