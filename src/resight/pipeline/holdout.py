"""A holdout judged: what the train side makes of the test side, and a line in the log for each look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from resight.core import Catalogue
from resight.decide import Goal
from resight.errors import InputError
from resight.pages.wording import plural
from resight.pipeline.bundles import model_of
from resight.pipeline.evaluate import Evaluation, summed_up
from resight.pipeline.gallery import labelled_gallery, require_columns
from resight.pipeline.methods import PlainMethod
from resight.pipeline.splits import side_of
from resight.pipeline.trials import Setting, Trial, trial
from resight.pipeline.unseen import unseen_notes, unseen_photos
from resight.store import CatalogueStore, Look, StoredSplit


@dataclass(frozen=True, eq=False)
class HoldoutEvaluation(Evaluation):
    """What was found on a holdout; this look is in the log already.

    Args:
        look: this look, with its number.
    """

    look: Look

    def __str__(self) -> str:
        """How often it was looked at before, what was done, and a line per measure."""
        before = self.look.number - 1
        told = f"looked at {plural(before, 'time')} before" if before else "never looked at before"
        return f"holdout '{self.look.split}', {told}\n{super().__str__()}"

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {**super().to_json(), "n_looks_before": self.look.number - 1, "look": self.look.to_json()}


def judge_holdout(
    folder: str | Path,
    name: str = "holdout",
    *,
    goal: str = "fpir=0.01",
    same: Sequence[str] = (),
    per: str | None = None,
    share_new: float | None = None,
    model: str | Path | None = None,
    seed: int = 0,
    who: str = "unknown",
) -> HoldoutEvaluation:
    """Judge the test side of a kept split by its train side, and log the look.

    The operating point is fitted anew, on the photos of the train side alone; the one that the
    catalogue keeps may have seen the others. Of folds each is judged once by all others. A
    holdout is for the end: whoever looks often chooses by it, and its figures become too good.

    Args:
        folder: the catalogue.
        name: of the split.
        goal: of the operating point.
        same: columns in which a candidate must agree with the query (side, species).
        per: column whose values get a threshold each.
        share_new: share of new individuals that the probabilities assume; None takes that of the queries.
        model: bundle, by name or path; default: the catalogue's own.
        seed: of the intervals.
        who: name written into the log.

    Raises:
        UnknownNameError: when there is no such split or column.
        InputError: when a side has no photo that can be judged.
        StoreError: when there is no catalogue, or the look cannot be logged.
    """
    setting = Setting(Goal.parse(goal), tuple(same), share_new, seed=seed, per=per)
    asked = {"goal": goal, "same": list(same), "per": per, "share_new": share_new, "seed": seed}
    store = CatalogueStore.open(folder)
    split = store.splits.named(name)
    catalogue, embeddings = labelled_gallery(store, model_of(store, model))
    require_columns(catalogue, [*same, *([] if per is None else [per])])
    sides = store.splits.sides(name)
    unseen = unseen_photos(store, catalogue, embeddings.model)
    method = PlainMethod(catalogue, embeddings, unseen)
    trials = list(_trials(method, split, sides, setting))
    is_placed = np.array([image_id in sides for image_id in catalogue.frame["image_id"]], dtype=bool)
    placed = catalogue.select(is_placed)
    found = summed_up(f"{split.kind} holdout", placed, embeddings.model, trials, seed)
    points = [one.point for one in trials if one.point is not None]
    look = store.splits.log_look(
        name,
        who=who,
        model=embeddings.model,
        settings=asked
        | {"thresholds": [one.threshold for one in points], "fitted_on": [one.fitted_on for one in points]},
        figures={measure: estimate.value for measure, estimate in found.measures.items()},
    )
    notes = (*found.notes, *_strayed(catalogue, store.catalogue(), sides, len(placed)))
    notes = (*notes, *unseen_notes(store, unseen[is_placed], embeddings.model))
    parts = {one.name: getattr(found, one.name) for one in fields(found)}
    return HoldoutEvaluation(**{**parts, "notes": notes}, look=look)


def _trials(method: PlainMethod, split: StoredSplit, sides: dict[str, str], setting: Setting) -> Iterator[Trial]:
    n_folds = split.settings.get("n_folds")
    catalogue = method.catalogue
    for fold in [None] if n_folds is None else range(1, n_folds + 1):
        answer, ask = (side_of(catalogue, split, sides, side, fold) for side in ("train", "test"))
        for side, rows in (("train", answer), ("test", ask)):
            if not rows.any():
                raise InputError(
                    f"expected labelled photos with a vector on the {side} side of '{split.name}', found none: "
                    "run  resight index  again, or make a new split"
                )
        yield trial(method, answer, ask, setting, setting.seed)


def _strayed(judged: Catalogue, known: Catalogue, sides: dict[str, str], n_placed: int) -> Iterator[str]:
    """What is not as it was when the split was made."""
    n_later = len(judged) - n_placed
    if n_later:
        yield f"{plural(n_later, 'labelled photo')} of the catalogue took no part: not on a side of this split"
    n_lost = len(sides) - n_placed
    if n_lost:
        n_gone = len(sides.keys() - set(known.frame["image_id"]))
        yield (
            f"{plural(n_lost, 'photo')} of this split took no part: {n_gone} gone from the catalogue, "
            f"{n_lost - n_gone} without a vector or a name by now"
        )
