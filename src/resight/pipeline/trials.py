"""Protocols of evaluation: who asks, who answers, and what is true.

Each gives trials: searches of which the truth is known, and, where a line between known and new
was drawn, the operating point that was fitted without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core import Catalogue, Embeddings, Matches, OperatingPoint
from resight.decide import Goal
from resight.errors import InputError, NotFittedError, UnknownNameError
from resight.evaluate import Searches, Stated
from resight.pipeline.calibrate import fit
from resight.pipeline.gallery import groups_of
from resight.pipeline.methods import Method, unseen_of
from resight.pipeline.self_search import SelfSearch, asking_rows, has_mate, is_enough, who_may_answer


@dataclass(frozen=True)
class Setting:
    """What a protocol may be told.

    Args:
        goal: for the operating points.
        same: columns in which a candidate must agree with the query.
        share_new: share of new individuals that the probabilities assume; None takes that of the queries, which
            the protocol draws.
        column: of the catalogue that splits it ("split" protocol).
        gallery: value of that column for the photos that answer.
        queries: value of that column for the photos that ask.
        share_strangers: share of the individuals that are left out of the gallery ("open-set").
        n_repeats: how many such splits.
        seed: of every draw.
        per: column whose values get a threshold each.
    """

    goal: Goal
    same: tuple[str, ...] = ()
    share_new: float | None = None
    column: str = "split"
    gallery: str = "train"
    queries: str = "test"
    share_strangers: float = 0.5
    n_repeats: int = 10
    seed: int = 0
    per: str | None = None


@dataclass(frozen=True, eq=False)
class Trial:
    """Searches of which the truth is known.

    Args:
        searches: their summary.
        matches: the searches themselves, when an operating point judges them.
        truth: (Q,) text, the individual on each query of `matches`.
        mated: (Q,) whether the gallery could answer with it.
        point: fitted without these queries.
        groups: (Q,) text, the group of each query, when the point draws a line for each.
        notes: sentences for the user.
        stated: what was stated of pairs of the gallery, where no operating point judges its queries.
    """

    searches: Searches
    matches: Matches | None = None
    truth: npt.NDArray[np.str_] | None = None
    mated: npt.NDArray[np.bool_] | None = None
    point: OperatingPoint | None = None
    notes: tuple[str, ...] = ()
    groups: npt.NDArray[np.str_] | None = None
    stated: Stated | None = None


def other_encounters(method: Method, setting: Setting) -> Iterator[Trial]:
    """Every photo asks the whole gallery: without its encounter, and without its individual."""
    prepared = method.prepare(np.arange(len(method.catalogue)), setting.same, setting.seed)
    yield Trial(prepared.self_search().summary(), stated=prepared.stated())


def split(method: Method, setting: Setting) -> Iterator[Trial]:
    """The photos of one part ask those of another part, as a column of the catalogue says."""
    catalogue = method.catalogue
    if setting.column not in catalogue.frame.columns:
        raise UnknownNameError("column", setting.column, catalogue.frame.columns)
    values = catalogue.frame[setting.column].cast(pl.String)
    parts = []
    for value in (setting.gallery, setting.queries):
        rows = (values == value).fill_null(False).to_numpy()
        if not rows.any():
            raise UnknownNameError(f"part in column '{setting.column}'", value, values.drop_nulls().unique().to_list())
        parts.append(rows)
    answer, ask = parts
    yield trial(method, answer, ask, setting, setting.seed)


def open_set(method: Method, setting: Setting) -> Iterator[Trial]:
    """Some individuals are strangers, and one encounter of each other one asks; drawn anew each time."""
    for repeat in range(setting.n_repeats):
        gallery, queries = _drawn(method.catalogue, setting, setting.seed + repeat)
        yield trial(method, gallery, queries, setting, setting.seed + repeat)


PROTOCOLS: dict[str, Callable[[Method, Setting], Iterator[Trial]]] = {
    "other-encounters": other_encounters,
    "split": split,
    "open-set": open_set,
}


def _drawn(catalogue: Catalogue, setting: Setting, seed: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which photos answer and which ask."""
    rng = np.random.default_rng(seed)
    names = catalogue.column("identity").astype(np.str_)
    unique = np.unique(names)
    n_strangers = round(setting.share_strangers * len(unique))
    if not 0 < n_strangers < len(unique):
        raise InputError(
            f"expected some individuals to leave out and some to keep, found {n_strangers} of {len(unique)}: "
            "label more individuals or choose another share of strangers"
        )
    strangers = np.isin(names, rng.permutation(unique)[:n_strangers])
    encounter = catalogue.frame.select(pl.coalesce("encounter", "image_id")).to_series().to_numpy().astype(np.str_)
    held_out = np.zeros(len(names), dtype=bool)
    for name in unique:
        own = np.flatnonzero((names == name) & ~strangers)
        meetings = np.unique(encounter[own])
        if len(meetings) > 1:
            held_out[own[encounter[own] == rng.choice(meetings)]] = True
    return ~strangers & ~held_out, strangers | held_out


def trial(
    method: Method, answer: npt.NDArray[np.bool_], ask: npt.NDArray[np.bool_], setting: Setting, seed: int
) -> Trial:
    """Some photos ask others; everything is fitted on those that answer, and on nothing else.

    Args:
        method: how to search among N labelled photos.
        answer: (N,) the photos that answer.
        ask: (N,) the photos that ask.
        setting: how to judge.
        seed: of what is drawn while fitting.

    Raises:
        NotFittedError: when the method has to learn from those that answer, and they are too few.
    """
    rows = np.flatnonzero(ask)
    rows = rows[asking_rows(unseen_of(method, rows), len(rows))]
    gallery, queries = method.catalogue.select(answer), method.catalogue.select(rows)
    vectors = method.embeddings.select(answer)
    names = gallery.column("identity").astype(np.str_)
    truth = queries.column("identity").astype(np.str_)
    rule = who_may_answer(queries, gallery, same=setting.same)
    prepared = method.prepare(np.flatnonzero(answer), setting.same, seed)
    matches = prepared.search(rows, rule)
    mated = has_mate(queries, gallery, rule)
    answerable = mated | ~np.isin(truth, names)  # a named individual that no photo may answer for is neither
    matches, truth, mated = matches.select(answerable), truth[answerable], mated[answerable]
    notes = (*_left_out(int((~answerable).sum())), *_learned(unseen_of(method, np.flatnonzero(answer))))
    point, groups = None, None
    try:
        share_new = _share_new(mated) if setting.share_new is None else setting.share_new
        point = _fitted(prepared.self_search(), gallery, vectors, setting, share_new, seed)
        groups = groups_of(queries.select(matches.query_ids), point)
    except NotFittedError as error:
        notes = (*notes, f"no operating point: {error}")
    return Trial(Searches.of(matches, truth, mated), matches, truth, mated, point, notes, groups)


def _share_new(mated: npt.NDArray[np.bool_]) -> float:
    """The share of strangers among the queries, short of none and of all."""
    return float(((~mated).sum() + 0.5) / (len(mated) + 1))


def _fitted(
    inner: SelfSearch, gallery: Catalogue, vectors: Embeddings, setting: Setting, share_new: float, seed: int
) -> OperatingPoint:
    same, per = setting.same, setting.per
    return fit(inner, gallery, vectors, setting.goal, same=same, per=per, share_new=share_new, seed=seed)


def _learned(unseen: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    """A sentence where a gallery that a model learned has to say what its scores mean."""
    if unseen.all() or is_enough(unseen):
        return ()
    sentence = (
        "The model learned the photos of the gallery, and thresholds and weights rest on these: they promise more than "
        "new photos will keep. Keep some photos of the gallery back from training."
    )
    return (sentence,)


def _left_out(n: int) -> tuple[str, ...]:
    return (f"{n} queries were left out: the gallery names their individual, but no photo may answer",) if n else ()
