"""The operating point of a catalogue, from its own photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resight.config import RerankRecipe
from resight.core import Catalogue, Embeddings, OperatingPoint
from resight.decide import Goal, Groups, calibrate
from resight.pipeline.bundles import model_of
from resight.pipeline.gallery import encounter_notes, fingerprint, labelled_gallery, require_columns, values_of
from resight.pipeline.reranking import keep_fusion, reranked_method
from resight.pipeline.self_search import SelfSearch, self_search
from resight.pipeline.unseen import unseen_notes, unseen_photos
from resight.store import CatalogueStore


def calibrate_catalogue(
    folder: str | Path,
    goal: str = "fpir=0.01",
    *,
    same: Sequence[str] = (),
    per: str | None = None,
    share_new: float = 0.5,
    model: str | Path | None = None,
    rerank: RerankRecipe | None = None,
    distractors: str | Path | None = None,
    seed: int = 0,
) -> OperatingPoint:
    """Choose and store the operating point of a catalogue, from its own photos.

    With a recipe, what it weighs is fitted on the catalogue's pairs first and kept beside the operating
    point, for `Identifier.open(…, rerank=True)`. The operating point without one stays as it is.

    Args:
        folder: the catalogue.
        goal: what the threshold must reach: "fpir=0.01", "conformal=0.05", "share-new=0.165", "best=map@5",
            "best=baks-baus".
        same: columns in which a candidate must agree with the query (side, species).
        per: column whose values get a threshold each (side, species), as far as their scores differ.
        share_new: share of new individuals among the photos to come, for the probabilities.
        model: bundle, by name or path; default: the catalogue's own.
        rerank: recipe of what is weighed beside the embedding; None for nothing.
        distractors: folder of photos of nobody in the catalogue, for the recipe.
        seed: of the bootstrap.

    Raises:
        ConfigError: when the goal is unknown or out of range, or cannot be promised to groups.
        NotFittedError: when the catalogue holds too little to fit anything, or to promise the goal.
        UnknownNameError: when there is no such column.
        StoreError: when there is no catalogue.
    """
    wanted = Goal.parse(goal)
    store = CatalogueStore.open(folder)
    gallery, embeddings = labelled_gallery(store, model_of(store, model))
    require_columns(gallery, [*same, *([] if per is None else [per])])
    unseen = unseen_photos(store, gallery, embeddings.model)
    if rerank is None:
        prepared = None
        searches = self_search(gallery, embeddings, same=same, unseen=unseen, seed=seed)
    else:
        method = reranked_method(store, gallery, embeddings, rerank, distractors, unseen)
        same = tuple(dict.fromkeys((*same, *rerank.same)))
        prepared = method.prepare(np.arange(len(gallery)), same, seed)
        searches = prepared.self_search()
    point = fit(searches, gallery, embeddings, wanted, same=same, per=per, share_new=share_new, seed=seed)
    told = () if prepared is None else (prepared.fusion.summary.in_short,)
    notes = (*encounter_notes(gallery), *unseen_notes(store, unseen, embeddings.model), *told)
    point = replace(point, notes=(*point.notes, *notes))
    store.save_operating_point(point)
    if prepared is not None:  # only now: a fusion without its operating point would be of no use
        keep_fusion(store, prepared, searches.summary())
    return point


def fit(
    searches: SelfSearch,
    gallery: Catalogue,
    embeddings: Embeddings,
    goal: Goal,
    *,
    same: Sequence[str] = (),
    per: str | None = None,
    share_new: float = 0.5,
    seed: int = 0,
) -> OperatingPoint:
    """The operating point for a goal, from the searches of a gallery in itself; `per` names the column of groups."""
    return calibrate(
        searches.mated,
        searches.mated_identities,
        searches.non_mated,
        searches.non_mated_identities,
        goal,
        n_photos=len(gallery),
        share_new=share_new,
        same=tuple(same),
        groups=None if per is None else _groups(searches, gallery, per),
        seed=seed,
        fitted_on=fingerprint(gallery, embeddings),
    )


def _groups(searches: SelfSearch, gallery: Catalogue, per: str) -> Groups:
    def values(query_ids: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
        """What the column says of those that asked; nothing is known of strangers."""
        found = dict(zip(gallery.image_ids.tolist(), values_of(gallery, per).tolist(), strict=True))
        return np.array([found.get(image_id, "") for image_id in query_ids.tolist()], np.str_)

    return Groups(per, values(searches.mated.query_ids), values(searches.non_mated.query_ids))
