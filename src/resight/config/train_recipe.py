"""The recipe of a network: what is trained, on which photos, how they are drawn and changed, and in which stages."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from resight.config.augmentation import AugmentationOptions, Share
from resight.config.loss_options import ArcFaceLoss, LossOptions
from resight.config.options import LearnFrom, Names, Options, named_twice
from resight.config.recipe import Recipe

Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(min_length=1)]


class NetworkOptions(Options):
    """The network: a body that ends in a map of features, and what makes one vector of it.

    Args:
        backbone: "efficientnet-lite0", the body of the bundle that ships; a name that timm knows, "hf-hub:…" among
            them; or one that a plug-in brings.
        weights: "pretrained"; "none" to begin from chance; or a .safetensors file.
        pooling: "gem", generalised mean; "average"; or "cls", the first token of a transformer.
        gem_power: of the generalised mean, where learning begins: 1 is the average, large the maximum.
        neck: "batch-norm" centres and scales each number of a vector; "none" leaves it.
        n_dimensions: of the vectors; default: as many as the body has channels, without a projection.
        dropout: share of the vector's numbers that is left out while learning.
        drop_path: share of the body's blocks that is passed by while learning, where it knows how.
    """

    backbone: Name = "efficientnet-lite0"
    weights: Name = "pretrained"
    pooling: Literal["gem", "average", "cls"] = "gem"
    gem_power: Annotated[float, Field(ge=1)] = 3.0
    neck: Literal["batch-norm", "none"] = "batch-norm"
    n_dimensions: Annotated[int, Field(ge=2)] | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0


class PhotoOptions(Options):
    """Which photos are learned from, and what counts as who.

    Args:
        resize: how a photo is brought to a square: "squash", "crop" or "pad".
        boxes: columns that hold boxes; one of a photo's is drawn for each look, and the first one cuts it out for
            judging. Photos without any are seen whole.
        faces: bundle of faces, by name or path: the face that counts by its rule is turned upright before anything
            else, and the trained bundle does the same; photos without one are left out and listed. Default: photos
            are seen as they are.
        mirror: what a mirrored photo shows: "same", the individual itself; "other", another individual; "other-side",
            the other side of the same one; "no", none is mirrored.
        synthetic: what photos are that the column `is_synthetic` marks: "negatives", of each person someone else;
            or "leave-out".
        synthetic_weight: how much a generated photo counts beside a real one, in losses over individuals: above 1
            refuses forgeries rather than telling people apart, below 1 the other way round.
        cache_mb: of decoded photos that are kept in memory.
    """

    resize: Literal["squash", "crop", "pad"] = "squash"
    boxes: Names[Name] = ("box",)
    faces: Name | None = None
    mirror: Literal["no", "same", "other", "other-side"] = "no"
    synthetic: Literal["negatives", "leave-out"] = "negatives"
    synthetic_weight: Positive = 1.0
    cache_mb: Whole = 2000


class SamplingOptions(Options):
    """In which proportions photos are looked at: what is done about individuals with few photos.

    Args:
        how: "balanced" draws photos by `balance`; "classes" makes batches of P individuals by K photos.
        balance: 0 takes every photo once an epoch, 1 all individuals equally often, 0.5 by the square root.
        n_photos_each: K, with "classes".
        n_photos_per_batch: photos of one step of all processes together, before `n_accumulated`.
        n_accumulated: batches whose slopes are summed to one step.
        at_least: looks at each individual an epoch, at least.
        rare_below: who has fewer photos is rare.
        rare: "keep" them, leave them out with "drop", or take them "together" as one class.
        class_weights: of the losses over classes: "none", "balanced" by 1 / photos, "root" by its square root, or
            "effective" by the number of photos that are not like others (Cui et al., 2019).
    """

    how: Literal["balanced", "classes"] = "balanced"
    balance: Share = 0.0
    n_photos_each: Annotated[int, Field(ge=2)] = 4
    n_photos_per_batch: Annotated[int, Field(ge=2)] = 32
    n_accumulated: Count = 1
    at_least: Whole = 0
    rare_below: Whole = 0
    rare: Literal["keep", "drop", "together"] = "keep"
    class_weights: Literal["none", "balanced", "root", "effective"] = "none"


class StageOptions(Options):
    """A stage: some epochs at one resolution, on some of the individuals, with some of the body learning.

    Between stages the network is kept; heads are kept where their classes are the same.

    Args:
        name: of the stage.
        n_epochs: at most.
        side_px: of the square that the network sees.
        min_photos: only individuals with so many photos take part.
        frozen: share of the body's layers, from the first on, that stays as it is; 1 trains only what stands behind.
        learning_rate: of all behind the body, at its highest.
        backbone_learning_rate: of the body.
        schedule: "cosine" falls to nothing, "constant" stays.
        warm_up: share of the steps over which the rates rise.
        pseudo_labels: let photos without a name take part, as who the network takes them for.
        pseudo_fpir: share of strangers that may be taken for someone by that.
    """

    name: Name
    n_epochs: Count = 10
    side_px: Annotated[int, Field(ge=16)] = 192
    min_photos: Count = 1
    frozen: Share = 0.0
    learning_rate: Positive = 0.001
    backbone_learning_rate: Positive = 0.0003
    schedule: Literal["cosine", "constant"] = "cosine"
    warm_up: Share = 0.1
    pseudo_labels: bool = False
    pseudo_fpir: Annotated[float, Field(gt=0, lt=1)] = 0.01


class LoopOptions(Options):
    """How steps are made.

    Args:
        optimiser: "adamw" or "sgd" with momentum 0.9.
        weight_decay: pulls weights towards nothing; norms and biases are left alone.
        precision: "full", or "bf16" or "fp16" where the machine has it.
        clip: length that the slope of all weights is cut to; 0 does not.
        ema: how much of the running mean of the weights each step keeps; 0 keeps none. The mean is what is judged.
        frozen_norms: keep the means and variances of the body's batch norms.
        patience: epochs without gain on the validation after which a stage ends; 0 never.
        n_workers: processes that read photos beside the training; 0 reads in it.
        n_checkpoints_per_epoch: how often what was learned is kept, so that a run can go on.
    """

    optimiser: Literal["adamw", "sgd"] = "adamw"
    weight_decay: Weight = 0.0005
    precision: Literal["full", "bf16", "fp16"] = "full"
    clip: Weight = 5.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    frozen_norms: bool = False
    patience: Whole = 0
    n_workers: Whole = 0
    n_checkpoints_per_epoch: Count = 1


class HoldOutOptions(Options):
    """Who is kept back to judge by: some individuals as strangers, of some others an encounter.

    Args:
        n_parts: the individuals are dealt into so many; one part are strangers, one is asked about; 0 keeps none back.
        every: epochs between two judgements.
        n_searches: known photos, and as many strangers, that ask at most.
    """

    n_parts: Whole = 5
    every: Count = 1
    n_searches: Annotated[int, Field(ge=10)] = 1000


class ExportOptions(Options):
    """What is written when a network is done.

    Args:
        variants: smaller bundles beside it: "fp16", "int8".
        tolerance: of the open-set classification rate that such a variant may lose on the validation.
    """

    variants: Names[Literal["fp16", "int8"]] = ()
    tolerance: Weight = 0.005


class TrainRecipe(Recipe):
    r"""How a network is trained.

    Args:
        same: columns in which photos must agree to be alike, such as the side.
        learn_from: only these photos are learned from, so that the others can judge: "column=value", such as
            "split=train", or several values with commas between; or "split:name", the train side of a kept split.
            Default: all.
        network: what is trained.
        photos: on which photos.
        sampling: in which proportions.
        augmentation: how photos are changed before they are looked at.
        losses: what is learned; each has a name of its own.
        stages: in which order.
        loop: how steps are made.
        hold_out: who is kept back to judge by.
        export: what is written.

    Raises:
        ConfigError: when a setting is unknown, of another kind or out of range.

    Example:
        >>> recipe = TrainRecipe.parse("[[stages]]\nname = 'all'\nside_px = 128")
        >>> recipe.stages[0].side_px, recipe.losses[0].title
        (128, 'arcface')
        >>> TrainRecipe.parse(recipe.to_toml()) == recipe
        True
    """

    kind: ClassVar[str] = "network"
    shipped: ClassVar[str] = "individuals"

    same: Names[Name] = ()
    learn_from: LearnFrom | None = None
    network: NetworkOptions = NetworkOptions()
    photos: PhotoOptions = PhotoOptions()
    sampling: SamplingOptions = SamplingOptions()
    augmentation: AugmentationOptions = AugmentationOptions()
    losses: Annotated[Names[LossOptions], Field(min_length=1)] = (ArcFaceLoss(),)
    stages: Annotated[Names[StageOptions], Field(min_length=1)] = (StageOptions(name="all"),)
    loop: LoopOptions = LoopOptions()
    hold_out: HoldOutOptions = HoldOutOptions()
    export: ExportOptions = ExportOptions()

    @model_validator(mode="after")
    def _check(self) -> Self:
        twice = named_twice(self.losses)
        if twice is not None:
            raise ValueError(f"expected another name for each loss, found '{twice}' twice: set  name")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError("expected another name for each stage, found one twice")
        if self.hold_out.n_parts == 1:
            raise ValueError("expected n_parts of 0 or at least 2 in [hold_out], found 1")
        if self.stages[0].pseudo_labels:
            raise ValueError("expected a stage before the one with pseudo_labels, found it first")
        return self
