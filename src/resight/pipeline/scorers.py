"""The scorers that a recipe names, built on what both sides hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from resight.config import (
    AgreementOptions,
    CohortScorerOptions,
    CosineOptions,
    DateOptions,
    HashOptions,
    LocalOptions,
    NaiveBayesOptions,
    RerankRecipe,
    SegmentationOptions,
    SuperglueOptions,
)
from resight.core import Catalogue, Eligibility, Embeddings
from resight.embed import Bundle
from resight.errors import InputError, UnknownNameError
from resight.pipeline.sides import Side, extractor_of
from resight.protocols import Scorer
from resight.rerank.cohort import Cohort, CohortScorer
from resight.rerank.local_scorer import LocalScorer
from resight.rerank.naive_bayes import Framing, NaiveBayesScorer
from resight.rerank.scorers import AgreementScorer, CosineScorer, DateScorer, HashScorer

__all__ = ["Built", "NamedScorer", "build_scorers", "drawn_background"]

_NEVER_BACKGROUND = ("image_id", "content", "encounter", "identity")


@dataclass(frozen=True, eq=False)
class NamedScorer:
    """A scorer, and what is to be known of it.

    Args:
        title: the column that it fills.
        scorer: built on both sides.
        model: fingerprint of what it rests on.
        n_best: pairs per query that it may see; None for all.
    """

    title: str
    scorer: Scorer
    model: str
    n_best: int | None = None


@dataclass(frozen=True, eq=False)
class Built:
    """What scorers are built on.

    Args:
        queries: who asks.
        gallery: who answers; the same object where a gallery asks itself.
        background: photos of whomever that "naive-bayes" compares with.
        cohort: vectors of photos of nobody in the gallery, when there are any.
    """

    queries: Side
    gallery: Side
    background: Side
    cohort: Embeddings | None = None


def build_scorers(recipe: RerankRecipe, built: Built) -> tuple[NamedScorer, ...]:
    """The scorers of a recipe, in its order.

    Raises:
        UnknownNameError: when a column or bundle is not there.
        InputError: when a scorer lacks what it needs, such as the photos of a cohort.
        MismatchError: when the sides do not belong together.
    """
    found: dict[str, NamedScorer] = {}
    for options in sorted(recipe.scorers, key=lambda one: isinstance(one, CohortScorerOptions)):
        if isinstance(options, CohortScorerOptions):
            one = _cohort(options, recipe, built, found[options.of])
        else:
            one = _MAKERS[type(options)](options, built)
        found[options.title] = NamedScorer(options.title, one.scorer, one.model, getattr(options, "n_best", None))
    return tuple(found[options.title] for options in recipe.scorers)


def drawn_background(gallery: Catalogue, n_photos: int, seed: int = 0) -> np.ndarray:
    """(B,) rows of photos of as many individuals as there are, one each before any has two."""
    order = np.random.default_rng(seed).permutation(len(gallery))
    names = gallery.frame["identity"].fill_null("").to_numpy().astype(np.str_)[order]
    turn = pl.DataFrame({"name": names}).select(pl.int_range(pl.len()).over("name")).to_series().to_numpy()
    return np.sort(order[np.argsort(turn, kind="stable")[:n_photos]])


def _cosine(options: CosineOptions, built: Built) -> NamedScorer:
    if options.bundle is None:
        queries, gallery = built.queries.embeddings, built.gallery.embeddings
    else:
        bundle = Bundle.load(Path(options.bundle) if Path(options.bundle).exists() else options.bundle)
        queries, gallery = built.queries.vectors(bundle), built.gallery.vectors(bundle)
    return NamedScorer(options.title, CosineScorer(queries, gallery, options.title), gallery.model)


def _naive_bayes(options: NaiveBayesOptions, built: Built) -> NamedScorer:
    extractor = extractor_of(options)
    background = built.background
    scorer = NaiveBayesScorer(
        built.queries.local(extractor),
        built.gallery.local(extractor),
        background.local(extractor),
        rule=_rule(built.queries.catalogue, background.catalogue),
        framing=Framing(options.place, options.size, options.angle_rad) if options.framed_alike else None,
        n_ahead=options.n_ahead,
        name=options.title,
    )
    return NamedScorer(options.title, scorer, extractor.model_id)


def _local(options: LocalOptions, built: Built) -> NamedScorer:
    extractor = extractor_of(options)
    matcher: Any = None
    if options.matcher is not None:
        from resight.rerank.learned import LearnedMatcher

        matcher = LearnedMatcher(options.matcher)
    scorer = LocalScorer(
        built.queries.local(extractor),
        built.gallery.local(extractor),
        model=options.geometry,
        ratio=None if options.ratio == 1 else options.ratio,
        mutual=options.mutual,
        tolerance_px=options.tolerance_px,
        matcher=matcher,
        name=options.title,
    )
    return NamedScorer(options.title, scorer, extractor.model_id)


def _superglue(options: SuperglueOptions, built: Built) -> NamedScorer:
    from resight.rerank.superglue import Superglue
    from resight.rerank.superglue_scorer import SuperglueScorer

    matcher = Superglue(
        accept_licence=options.accept_licence,
        model=options.model,
        max_side_px=options.max_side_px,
        min_confidence=options.min_confidence,
    )
    scorer = SuperglueScorer(
        built.queries.catalogue,
        built.gallery.catalogue,
        matcher,
        model=options.geometry,
        tolerance_px=options.tolerance_px,
        name=options.title,
    )
    return NamedScorer(options.title, scorer, matcher.model_id)


def _segmentation(options: SegmentationOptions, built: Built) -> NamedScorer:
    from resight.rerank.segmentation import SegmentationScorer, segmenter_of

    if options.model is None:
        raise InputError(
            f"expected a  model  for the scorer '{options.title}', found none: name a bundle of kind 'segmentation', "
            "or a network of the hub of transformers whose licence suits you"
        )
    segmenter = segmenter_of(options.model)
    scorer = SegmentationScorer(built.queries.catalogue, segmenter, options.classes, options.title)
    return NamedScorer(options.title, scorer, f"{segmenter.model_id} of {','.join(options.classes)}")


def _hash(options: HashOptions, built: Built) -> NamedScorer:
    scorer = HashScorer(built.queries.hashes(), built.gallery.hashes()[:, 0], options.title)
    return NamedScorer(options.title, scorer, "phash")


def _agreement(options: AgreementOptions, built: Built) -> NamedScorer:
    _require(built.gallery.catalogue, options.columns)
    queries, gallery = (_joined(side.catalogue, options.columns) for side in (built.queries, built.gallery))
    both = pl.concat([queries, gallery]).rank("dense").cast(pl.Int64).fill_null(-1).to_numpy()
    scorer = AgreementScorer(both[: len(queries)], both[len(queries) :], options.title)
    return NamedScorer(options.title, scorer, ",".join(options.columns))


def _date(options: DateOptions, built: Built) -> NamedScorer:
    _require(built.gallery.catalogue, [options.column])
    queries, gallery = (_days(side.catalogue, options.column) for side in (built.queries, built.gallery))
    return NamedScorer(options.title, DateScorer(queries, gallery, options.title), options.column)


def _cohort(options: CohortScorerOptions, recipe: RerankRecipe, built: Built, of: NamedScorer) -> NamedScorer:
    if built.cohort is None:
        raise InputError(
            f"expected photos of nobody in the catalogue for the scorer '{options.title}', found none: name their "
            "folder as  distractors  in [cohort], or with --distractors"
        )
    if not isinstance(of.scorer, CosineScorer) or of.model != built.cohort.model:
        raise InputError(
            f"expected the scorer '{options.title}' to be of a cosine of the catalogue's own model, "
            f"found '{options.of}'"
        )
    cohort = Cohort(built.cohort)
    scorer = CohortScorer(
        of.scorer,
        cohort.offsets(built.queries.embeddings, n_top=recipe.cohort.n_top_query),
        cohort.offsets(built.gallery.embeddings, n_top=recipe.cohort.n_top_photo),
        query_weight=options.query_weight,
        photo_weight=options.photo_weight,
        by_spread=options.by_spread,
    )
    return NamedScorer(options.title, scorer, cohort.model)


_MAKERS: dict[type, Callable[[Any, Built], NamedScorer]] = {
    CosineOptions: _cosine,
    NaiveBayesOptions: _naive_bayes,
    LocalOptions: _local,
    SuperglueOptions: _superglue,
    SegmentationOptions: _segmentation,
    HashOptions: _hash,
    AgreementOptions: _agreement,
    DateOptions: _date,
}


def _rule(queries: Catalogue, background: Catalogue) -> Eligibility:
    """A photo of the query's own individual, where that is known, is no background."""
    both = set(queries.frame.columns) & set(background.frame.columns)
    return Eligibility.of(queries, background, differ=[name for name in _NEVER_BACKGROUND if name in both])


def _require(gallery: Catalogue, columns: Sequence[str]) -> None:
    """Refuse a column that the gallery lacks; of new photos it may be unknown."""
    for name in columns:
        if name not in gallery.frame.columns:
            raise UnknownNameError("column", name, gallery.frame.columns)


def _texts(catalogue: Catalogue, columns: Sequence[str]) -> pl.DataFrame:
    """Some columns as text, null throughout where the catalogue has none of that name."""
    lacking = [pl.lit(None, pl.String).alias(name) for name in columns if name not in catalogue.frame.columns]
    return catalogue.frame.with_columns(lacking).select(pl.col(name).cast(pl.String) for name in columns)


def _joined(catalogue: Catalogue, columns: Sequence[str]) -> pl.Series:
    """(N,) the values of some columns as one text; null where one of them is unknown."""
    joined = pl.concat_str(columns, separator="\0").alias("joined")
    return _texts(catalogue, columns).select(joined).to_series()


def _days(catalogue: Catalogue, column: str) -> np.ndarray:
    """(N,) dates, NaT where unknown."""
    days = _texts(catalogue, [column]).to_series().str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    return days.to_numpy().astype("datetime64[D]")
