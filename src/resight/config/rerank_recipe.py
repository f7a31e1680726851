"""The recipe of re-ranking: which pairs are compared, by what, and how that becomes one answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from resight.config.options import NamedOptions, Names, Options, named_twice
from resight.config.recipe import Recipe

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(min_length=1)]


class ShortlistOptions(Options):
    """Which photos of the gallery are compared with a query.

    Args:
        n_photos: of the gallery per query, those whose embeddings are nearest; a gallery that has no
            more is compared whole.
    """

    n_photos: Count = 1000


class CosineOptions(NamedOptions):
    """Compares embeddings by their cosine.

    Args:
        name: of the scorer's column; default: its kind.
        bundle: model by name or path; default: the catalogue's own.
    """

    kind: Literal["cosine"] = "cosine"
    bundle: Name | None = None


class LocalOptions(NamedOptions):
    """Compares keypoints, and whether they agree on one geometry.

    Args:
        name: of the scorer's column; default: its kind.
        features: "rootsift", or a bundle of kind "local_features" by name or path.
        max_side_px: the photo's longer side is brought to this length first.
        n_keypoints: of a photo at most.
        ratio: of the ratio test, above 0 to 1; 1 leaves it out.
        mutual: whether keypoints must be each other's nearest.
        geometry: what the matches must agree on.
        tolerance_px: how far a match may lie off; default: a share of the photo's longer side.
        matcher: bundle of kind "local_matcher", by name or path, in place of ratio and mutual.
        n_best: compare only so many photos per query, the best ones of the scorer before it.
    """

    kind: Literal["local"] = "local"
    features: Name = "rootsift"
    max_side_px: Annotated[int, Field(ge=8)] = 448
    n_keypoints: Count = 800
    ratio: Annotated[float, Field(gt=0, le=1)] = 0.8
    mutual: bool = False
    geometry: Literal["similarity", "affine", "homography", "fundamental"] = "similarity"
    tolerance_px: Annotated[float, Field(gt=0)] | None = None
    matcher: Name | None = None
    n_best: Count | None = None


class NaiveBayesOptions(NamedOptions):
    """Weighs how much nearer keypoints lie to those of a photo than to a background's.

    Args:
        name: of the scorer's column; default: its kind.
        features: "rootsift", or a bundle of kind "local_features" by name or path.
        max_side_px: the photo's longer side is brought to this length first.
        n_keypoints: of a photo at most.
        framed_alike: whether photos show the animal in about the same place, as when they are cut to it.
        place: how far a keypoint may lie off then, as a share of the longer side.
        size: how much larger or smaller it may be, in natural logarithms.
        angle_rad: how far it may be turned.
        n_background: photos of the background, of as many individuals as there are.
        n_ahead: of these, how many are nearer than what counts as nothing special.
        n_best: compare only so many photos per query, the best ones of the scorer before it.
    """

    kind: Literal["naive-bayes"] = "naive-bayes"
    features: Name = "rootsift"
    max_side_px: Annotated[int, Field(ge=8)] = 256
    n_keypoints: Count = 1200
    framed_alike: bool = True
    place: Positive = 0.1
    size: Positive = 0.3
    angle_rad: Positive = 0.3
    n_background: Count = 60
    n_ahead: Count = 2
    n_best: Count | None = None


class SuperglueOptions(NamedOptions):
    """Compares keypoints by SuperPoint and SuperGlue, and whether they agree on one geometry.

    Args:
        name: of the scorer's column; default: its kind.
        accept_licence: say true to accept it: academic or non-profit research only.
        model: name at the hub of `transformers`, or a folder with a saved model.
        max_side_px: the photo's longer side is brought to this length first.
        min_confidence: a match must be surer than this, from 0 to below 1.
        geometry: what the matches must agree on.
        tolerance_px: how far a match may lie off; default: a share of the photo's longer side.
        n_best: compare only so many photos per query, the best ones of the scorer before it.
    """

    kind: Literal["superglue"] = "superglue"
    accept_licence: bool = False
    model: Name = "magic-leap-community/superglue_outdoor"
    max_side_px: Annotated[int, Field(ge=8)] = 640
    min_confidence: Annotated[float, Field(ge=0, lt=1)] = 0.2
    geometry: Literal["similarity", "affine", "homography", "fundamental"] = "similarity"
    tolerance_px: Annotated[float, Field(gt=0)] | None = None
    n_best: Count | None = None


class SegmentationOptions(NamedOptions):
    """Says how much of the query's photo shows what landmarks are made of, whatever photo answers.

    It moves all candidates of a query alike, and so counts for the decision and not for the order. What it is worth is
    learned from photos that show none: set `ask` in `[cohort]`.

    Args:
        name: of the scorer's column; default: its kind.
        model: bundle of kind "segmentation" by path; else a network of semantic segmentation by its name at the hub of
            `transformers`, or the folder where it was saved.
        classes: whose pixels count, by the names that the model gives them; by default buildings and landscape
            of ADE20K.
    """

    kind: Literal["segmentation"] = "segmentation"
    model: Name | None = None
    classes: Annotated[Names[Name], Field(min_length=1)] = (
        "bridge", "building", "column", "fountain", "hill", "house", "lake", "mountain", "rock", "sculpture",
        "skyscraper", "tower", "waterfall",
    )  # fmt: skip


class HashOptions(NamedOptions):
    """Compares perceptual hashes: is it nearly the same photo?

    Args:
        name: of the scorer's column; default: its kind.
    """

    kind: Literal["hash"] = "hash"


class AgreementOptions(NamedOptions):
    """Says whether columns agree, such as species and side.

    Args:
        name: of the scorer's column; default: its kind.
        columns: of the catalogue.
    """

    kind: Literal["agreement"] = "agreement"
    columns: Annotated[Names[Name], Field(min_length=1)] = ("species", "side")


class DateOptions(NamedOptions):
    """Compares the dates of two photos.

    Args:
        name: of the scorer's column; default: its kind.
        column: of the catalogue.
    """

    kind: Literal["date"] = "date"
    column: Name = "date"


class CohortScorerOptions(NamedOptions):
    """Another scorer's scores, freed of what strangers would score.

    Args:
        name: of the scorer's column; default: its kind.
        of: name of the other scorer.
        query_weight: of the query's side, at least 0.
        photo_weight: of the photo's side, at least 0.
        by_spread: divide by the standard deviation.
    """

    kind: Literal["cohort"] = "cohort"
    of: Name = "cosine"
    query_weight: Weight = 0.25
    photo_weight: Weight = 0.25
    by_spread: bool = False


ScorerOptions = Annotated[
    CosineOptions
    | NaiveBayesOptions
    | LocalOptions
    | SuperglueOptions
    | HashOptions
    | AgreementOptions
    | DateOptions
    | CohortScorerOptions
    | SegmentationOptions,
    Field(discriminator="kind"),
]


class FusionOptions(Options):
    """How the scorers become one probability.

    Args:
        how: "stack" or "mean" of all scorers; "choose" picks one of the two and the scorers, by cross-validation
            over individuals.
        n_folds: of that cross-validation.
    """

    how: Literal["choose", "stack", "mean"] = "choose"
    n_folds: Annotated[int, Field(ge=2)] = 5


class IdentityOptions(Options):
    """How the photos of an individual become one score.

    Args:
        how: "best" photo, "mean" of the best `m`, "any" of them: how probable it is that one of them is right, or the
            "sum" of their probabilities.
        m: photos that count, with "mean", "any" and "sum".
    """

    how: Literal["best", "mean", "any", "sum"] = "any"
    m: Count = 3


class CohortOptions(Options):
    """Photos of strangers, of nobody in the gallery.

    Args:
        distractors: folder of them.
        n_top_query: of the best strangers that a query is held against.
        n_top_photo: of those that a photo of the gallery is held against.
        ask: whether they also ask when something is fitted, as photos that show nobody; every scorer and the
            operating point then learn from them.
    """

    distractors: Name | None = None
    n_top_query: Count = 10
    n_top_photo: Count = 5
    ask: bool = False


class FalseLabelOptions(Options):
    """Makes individuals less probable that come first too often for photos that do not show them.

    Args:
        most: that is taken off the log-odds of an individual's pairs; 0 leaves this out.
        shrinkage: so many searches that went as expected are added to those that were counted.
    """

    most: Weight = 0.0
    shrinkage: Positive = 5.0


class RerankRecipe(Recipe):
    r"""What is done to the candidates of a query before it is decided on.

    Args:
        same: columns in which a candidate must agree with its query.
        shortlist: which photos are compared.
        scorers: what compares them; each has a name of its own.
        fusion: how their scores become one.
        identity: how photos become individuals.
        cohort: strangers, for the scorers of kind "cohort", and to ask.
        false_labels: individuals that come first too often.

    Raises:
        ConfigError: when a setting is unknown, of another kind or out of range.

    Example:
        >>> recipe = RerankRecipe.parse("[[scorers]]\nkind = 'local'\nn_keypoints = 400")
        >>> recipe.scorers[0].title, recipe.scorers[0].max_side_px, recipe.shortlist.n_photos
        ('local', 448, 1000)
        >>> RerankRecipe.parse(recipe.to_toml()) == recipe
        True
    """

    kind: ClassVar[str] = "rerank"
    shipped: ClassVar[str] = "rerank"

    same: Names[Name] = ()
    shortlist: ShortlistOptions = ShortlistOptions()
    scorers: Annotated[Names[ScorerOptions], Field(min_length=1)] = (CosineOptions(), NaiveBayesOptions())
    fusion: FusionOptions = FusionOptions()
    identity: IdentityOptions = IdentityOptions()
    cohort: CohortOptions = CohortOptions()
    false_labels: FalseLabelOptions = FalseLabelOptions()

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        twice = named_twice(self.scorers)
        if twice is not None:
            raise ValueError(f"expected another name for each scorer, found '{twice}' twice: set  name")
        plain = [scorer.title for scorer in self.scorers if not isinstance(scorer, CohortScorerOptions)]
        for scorer in self.scorers:
            if isinstance(scorer, CohortScorerOptions) and scorer.of not in plain:
                raise ValueError(
                    f"expected the scorer '{scorer.title}' to be of one among {', '.join(plain) or 'none'}, "
                    f"found '{scorer.of}'"
                )
        return self

    def only(self, names: Iterable[str]) -> Self:
        """The recipe with the scorers of these names, and those that they rest on.

        A scorer of the best n rests on the one before it, a cohort on the one that it is of.

        Example:
            >>> [one.title for one in RerankRecipe().only(["naive-bayes"]).scorers]
            ['naive-bayes']
        """
        wanted, rests_on = set(names), self._rests_on()
        while more := {rests_on[name] for name in wanted & rests_on.keys()} - wanted:
            wanted |= more
        return self.model_copy(update={"scorers": tuple(one for one in self.scorers if one.title in wanted)})

    def _rests_on(self) -> dict[str, str]:
        """By name of a scorer, the one that says what it is asked about."""
        found = {}
        for before, scorer in zip((None, *self.scorers), self.scorers, strict=False):
            if isinstance(scorer, CohortScorerOptions):
                found[scorer.title] = scorer.of
            elif before is not None and getattr(scorer, "n_best", None) is not None:
                found[scorer.title] = before.title
        return found
