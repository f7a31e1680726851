"""Which photos of a catalogue a model learned: what they say of it is better than what new photos will say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from resight.bundle_files import keeps_learned, read_learned
from resight.core import Catalogue
from resight.embed import describe, learned_mark
from resight.pages.wording import plural
from resight.pipeline.bundles import kept_bundle
from resight.pipeline.self_search import is_enough
from resight.store import CatalogueStore

__all__ = ["unseen_notes", "unseen_photos"]

Mask = npt.NDArray[np.bool_]


def unseen_photos(store: CatalogueStore, photos: Catalogue, model: str) -> Mask:
    """(N,) whether the model never learned a photo, as far as its bundle says; by the content of the files."""
    place = kept_bundle(store, model)
    learned = None if place is None else read_learned(place)
    if not learned or "content" not in photos.frame.columns:
        return np.ones(len(photos), dtype=bool)
    contents = photos.frame["content"].to_list()
    return np.array([one is None or learned_mark(one) not in learned for one in contents], dtype=bool)


def unseen_notes(store: CatalogueStore, unseen: Mask, model: str) -> tuple[str, ...]:
    """A sentence when a model learned some of the photos that it is judged by, those that are not `unseen`."""
    place = kept_bundle(store, model)
    said = None if place is None else describe(place).learned
    if place is None or said is None:
        return ()
    n_learned = int((~unseen).sum())
    if not n_learned and keeps_learned(place):
        return ()
    if n_learned and is_enough(unseen):
        sentence = (
            f"The model learned {n_learned} of these {len(unseen)} photos. Only the other "
            f"{len(unseen) - n_learned} ask here, as new photos will."
        )
        return (sentence,)
    sentence = (
        f"The model was trained on {plural(said.n_photos, 'photo')} of {plural(said.n_individuals, 'individual')}. "
        "Where these are among the photos it is judged by here, scores are better than those of new photos will be, "
        "and promises too good: keep some photos back from training, or judge it by individuals that it never saw."
    )
    return (sentence,)
