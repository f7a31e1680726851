"""Submissions: what was said of photos or pairs, in the file that the receiving side wants."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resight.core import Answer, Verdict
from resight.datasets.submissions import write_rows
from resight.decide import GalleryGrownWarning, predictions
from resight.errors import InputError
from resight.pipeline.forms import Form
from resight.pipeline.gallery import groups_of
from resight.pipeline.identify import Identification
from resight.pipeline.pairs import PairScores


@dataclass(frozen=True)
class Submitted:
    """A submission that was written.

    Args:
        path: the file.
        format: its name.
        n_rows: rows under the header.
        notes: sentences on rows that say less than others.
    """

    path: Path
    format: str
    n_rows: int
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {"path": str(self.path), "format": self.format, "n_rows": self.n_rows, "notes": list(self.notes)}


def write_submission(found: Identification | PairScores, form: Form, out: str | Path) -> Submitted:
    """Write what was said of photos or pairs as a submission.

    The rows stand in the order of the sample, or without one in that of their ids. A photo that
    could not be read, and one that the sample asks about and that is not there, gets the format's
    word for a new individual (`landmarks`: nothing, `clusters`: a cluster of its own); a pair that
    could not be compared gets the least similarity. The same photos, catalogue and sample always
    give the same bytes.

    Args:
        found: what `Identifier.identify` or `compare_pairs` said.
        form: the format, and the sample.
        out: the file.

    Raises:
        InputError: when the format is about pairs and the answers are not or the other way round, two
            photos have one name, the format cannot say an answer, or the disk refuses.
    """
    if form.of.of_pairs is not isinstance(found, PairScores):
        about = "pairs of photos" if form.of.of_pairs else "single photos"
        raise InputError(f"expected answers about {about} for the format {form.of.name}, found others")
    answers = _of_pairs(found) if isinstance(found, PairScores) else _of_photos(found, form)
    silent = {name for name, answer in answers.items() if math.isnan(answer.score)}
    asked = sorted(answers) if form.asked is None else form.asked
    absent = [name for name in asked if name not in answers]
    answers |= {name: _no_answer(name, form) for name in absent}
    write_rows([(name, form.of.cell(answers[name])) for name in asked], form.of.columns, Path(out))
    unread = [name for name in asked if name in silent]
    return Submitted(Path(out), form.of.name, len(asked), _notes(form, absent, unread))


def _of_photos(found: Identification, form: Form) -> dict[str, Answer]:
    """Name → answer; an unreadable photo has no answer, and no score."""
    names = {image_id: name for name, image_id in form.names(found.queries).items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GalleryGrownWarning)  # the decisions have warned
        ranked = predictions(
            found.matches, found.point, form.of.n_labels, form.of.new_label, groups_of(found.queries, found.point)
        )
    answers = {}
    for decision, labels in zip(found, ranked, strict=True):
        score = decision.candidates[0].probability if decision.candidates else 0.0
        name = names[decision.query]
        answers[name] = Answer(name, tuple(labels), score, decision.verdict)
    for failure in found.failures:
        name = form.of.photo_name(failure.image_id, failure.path)
        answers.setdefault(name, _no_answer(name, form))
    return answers


def _of_pairs(found: PairScores) -> dict[str, Answer]:
    return {name: Answer(name, (), score) for name, score in zip(found.ids, found.scores.tolist(), strict=True)}


def _no_answer(name: str, form: Form) -> Answer:
    labels = (form.of.new_label,) if form.of.new_label else ()
    return Answer(name, labels, math.nan, None if form.of.of_pairs else Verdict.NEW)


def _notes(form: Form, absent: Sequence[str], unread: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each reason to have no answer, with the first row that it left without one."""
    what = "pair" if form.of.of_pairs else "photo"
    said = form.of.cell(_no_answer("<id>", form)) or "nothing"
    return tuple(
        f"{len(names):,} {what}{'s' * (len(names) > 1)} {reason}, such as '{names[0]}': answered with {said}"
        for reason, names in {f"of {form.sample} missing": absent, "unreadable": unread}.items()
        if names
    )
