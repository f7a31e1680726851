"""The recipe of a head: what is learned on stored vectors, what is tried, and how it is chosen."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from resight.config.loss_options import (
    ArcFaceMargin,
    CosFaceMargin,
    ProxyAnchorPull,
    SubCentreMargin,
    SupConPull,
    TripletPull,
)
from resight.config.options import LearnFrom, NamedOptions, Names, Options, named_twice
from resight.config.recipe import Recipe

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Angle = Annotated[float, Field(ge=0, le=1.5)]
Name = Annotated[str, Field(min_length=1)]
Tried = Annotated[Names[Count], Field(min_length=1)]
Dimension = Annotated[int, Field(ge=1, le=1024)]
Dimensions = Annotated[Names[Dimension], Field(min_length=1)]
Shares = Annotated[Names[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]


class ValidationOptions(Options):
    """How heads are judged: by encounters and by individuals that they never saw.

    Args:
        n_folds: parts of the individuals; those of one are strangers to a head, those of the next ask.
        n_repeats: how often the individuals are dealt into such parts.
        n_searches: known photos, and as many strangers, that ask a part at most.
        only_if_better: take a head only when its gain over no head lies above 0 with its whole interval; else
            the best one, better or not.
    """

    n_folds: Annotated[int, Field(ge=2)] = 5
    n_repeats: Count = 3
    n_searches: Annotated[int, Field(ge=10)] = 1000
    only_if_better: bool = True


class WhiteningOptions(NamedOptions):
    """Makes all directions in which photos differ count alike; needs no names.

    Args:
        name: of the head in tables; default: its kind.
        n_dimensions: each is tried: of the new vectors at most.
        shrinkage: each is tried: 1 leaves the directions as they are, near 0 they count all alike.
    """

    kind: Literal["whitening"] = "whitening"
    n_dimensions: Dimensions = (512,)
    shrinkage: Shares = (0.0001, 0.001)


class LdaOptions(NamedOptions):
    """Turns down what differs between photos of one individual, and turns up what differs between individuals.

    Args:
        name: of the head in tables; default: its kind.
        n_dimensions: each is tried: of the new vectors at most.
        shrinkage: each is tried: how far the photos of one individual are taken to differ alike in all directions.
        weights: each is tried: "even" lets directions count alike then, "odds" as far as individuals differ in them.
    """

    kind: Literal["lda"] = "lda"
    n_dimensions: Dimensions = (512,)
    shrinkage: Shares = (0.1, 0.3)
    weights: Annotated[Names[Literal["even", "odds"]], Field(min_length=1)] = ("even",)


class _LearnedBase(NamedOptions):
    """What all heads have in common that are learned step by step, from a whitening or an LDA on.

    Args:
        n_dimensions: of the new vectors at most.
        start: "whitening" or "lda": the head that learning begins with.
        start_shrinkage: of that head.
        n_epochs: each is tried, in one run.
        learning_rate: of the head.
        pull: weight decay towards the start.
        n_photos_per_batch: photos that are looked at together.
    """

    n_dimensions: Dimension = 512
    start: Literal["whitening", "lda"] = "whitening"
    start_shrinkage: Annotated[float, Field(gt=0, le=1)] = 0.01
    n_epochs: Tried = (5, 10, 20)
    learning_rate: Positive = 0.003
    pull: Weight = 0.01
    n_photos_per_batch: Annotated[int, Field(ge=4)] = 256


class _CentresBase(_LearnedBase):
    """What the heads have in common that give each individual a centre.

    Args:
        scale: of the cosines in the softmax.
        balance: 0 draws photos as they come, 1 as if all individuals had as many, 0.5 in between.
        n_classes_per_batch: individuals that a batch is held against, at most; the others are drawn anew each time.
        centre_learning_rate: of the centres.
    """

    scale: Positive = 24.0
    balance: Annotated[float, Field(ge=0, le=1)] = 0.5
    n_classes_per_batch: Annotated[int, Field(ge=2)] = 4096
    centre_learning_rate: Positive = 0.01


class ArcFaceOptions(_CentresBase, ArcFaceMargin):
    """See `ArcFaceMargin`."""

    kind: Literal["arcface"] = "arcface"


class SubCentreOptions(_CentresBase, SubCentreMargin):
    """See `SubCentreMargin`."""

    kind: Literal["subcentre-arcface"] = "subcentre-arcface"


class CosFaceOptions(_CentresBase, CosFaceMargin):
    """See `CosFaceMargin`."""

    kind: Literal["cosface"] = "cosface"


class ProxyAnchorOptions(_LearnedBase, ProxyAnchorPull):
    """See `ProxyAnchorPull`.

    Args:
        n_photos_each: of an individual in a batch.
        centre_learning_rate: of the centres.
    """

    kind: Literal["proxy-anchor"] = "proxy-anchor"
    n_photos_each: Annotated[int, Field(ge=1)] = 4
    centre_learning_rate: Positive = 0.01


class SupConOptions(_LearnedBase, SupConPull):
    """See `SupConPull`.

    Args:
        n_photos_each: of an individual in a batch.
    """

    kind: Literal["supcon"] = "supcon"
    n_photos_each: Annotated[int, Field(ge=2)] = 4


class TripletOptions(_LearnedBase, TripletPull):
    """See `TripletPull`.

    Args:
        n_photos_each: of an individual in a batch.
    """

    kind: Literal["triplet"] = "triplet"
    n_photos_each: Annotated[int, Field(ge=2)] = 4


HeadOptions = Annotated[
    WhiteningOptions
    | LdaOptions
    | ArcFaceOptions
    | SubCentreOptions
    | CosFaceOptions
    | ProxyAnchorOptions
    | SupConOptions
    | TripletOptions,
    Field(discriminator="kind"),
]
CentreOptions = ArcFaceOptions | SubCentreOptions | CosFaceOptions
PairOptions = ProxyAnchorOptions | SupConOptions | TripletOptions
LearnedOptions = CentreOptions | PairOptions


class HeadRecipe(Recipe):
    r"""Which heads are tried on stored vectors, and how one of them is chosen.

    Args:
        same: columns in which photos must agree to be alike, such as the side: of an individual, photos
            that differ there are learned as two.
        synthetic: of the photos that the column `is_synthetic` marks: "negatives" learns those of a person as someone
            else, "leave-out" leaves them out.
        learn_from: only these photos are learned from, so that the others can judge: "column=value", such as
            "split=train", or several values with commas between; or "split:name", the train side of a kept split.
            Default: all.
        validation: how the heads are judged.
        heads: what is tried; each has a name of its own.

    Raises:
        ConfigError: when a setting is unknown, of another kind or out of range.

    Example:
        >>> recipe = HeadRecipe.parse("[[heads]]\nkind = 'lda'\nshrinkage = [0.5]")
        >>> recipe.heads[0].title, recipe.heads[0].n_dimensions
        ('lda', (512,))
        >>> HeadRecipe.parse(recipe.to_toml()) == recipe
        True
    """

    kind: ClassVar[str] = "head"
    shipped: ClassVar[str] = "quick-head"

    same: Names[Name] = ()
    synthetic: Literal["negatives", "leave-out"] = "negatives"
    learn_from: LearnFrom | None = None
    validation: ValidationOptions = ValidationOptions()
    heads: Annotated[Names[HeadOptions], Field(min_length=1)] = (WhiteningOptions(), LdaOptions())

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        twice = named_twice(self.heads)
        if twice is not None:
            raise ValueError(f"expected another name for each head, found '{twice}' twice: set  name")
        if any(head.title == "none" for head in self.heads):
            raise ValueError("expected another name than 'none', which stands for no head at all")
        return self
