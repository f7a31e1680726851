"""Reports of what the pipeline did: pictures and figures in one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from resight import __version__
from resight.core import Estimate
from resight.evaluate import Searches, Stated
from resight.evaluate.report import ReportRow, ReportStep, page_order, write_report
from resight.pipeline.ablation import Ablation
from resight.pipeline.evaluate import Evaluation
from resight.pipeline.identify import Identification, Identifier
from resight.pipeline.match_pictures import Viewer
from resight.pipeline.self_search import self_search

_MAX_PICTURES = 30
_MAX_PICTURE_LETTERS = 4_000_000
_LACKING = (
    "The catalogue does not hold the searches that its fusion was judged by, so their scores and errors are not drawn: "
    "run  resight calibrate --rerank  again to see them."
)


def write_identification_report(
    out: str | Path,
    identifier: Identifier,
    found: Identification,
    *,
    truths: Mapping[str, str] | None = None,
    measures: Mapping[str, Estimate] | None = None,
    title: str = "Who is on these photos?",
) -> Path:
    """Write what was said of a set of photos, beside the pictures that it rests on.

    Args:
        out: the HTML file.
        identifier: who said it.
        found: what was said.
        truths: query to the identity that it truly shows, or `Verdict.NEW`; where known.
        measures: figures to show; by default none.
        title: heading of the page.
    """
    rows = [_row(identifier, found, place, (truths or {}).get(one.query)) for place, one in enumerate(found)]
    searches, stated, lacking = _known_of(identifier)
    return write_report(
        Path(out),
        title=title,
        rows=_with_pictures(rows, identifier, found),
        point=identifier.point,
        scores=searches,
        measures=measures or {},
        failures=[(failure.path, failure.reason) for failure in found.failures],
        about={**_about_model(identifier), **_about_run()},
        notes=(*found.notes, *lacking),
        stated=stated,
    )


def write_evaluation_report(out: str | Path, evaluation: Evaluation) -> Path:
    """Write the figures of an evaluation."""
    return _evaluation_page(out, f"Evaluation: {evaluation.protocol}", evaluation, ())


def write_ablation_report(out: str | Path, ablation: Ablation) -> Path:
    """Write an ablation as a table, and the figures of its last step: the whole recipe."""
    shown = ablation.shown
    steps = [
        ReportStep(
            step.name,
            {name: step.evaluation.measures[name] for name in shown if name in step.evaluation.measures},
            step.ms_per_query,
            step.fusion,
        )
        for step in ablation.steps
    ]
    whole = ablation.steps[-1].evaluation
    return _evaluation_page(out, f"Ablation: {whole.protocol}", whole, steps)


def _evaluation_page(out: str | Path, title: str, evaluation: Evaluation, steps: Sequence[ReportStep]) -> Path:
    return write_report(
        Path(out),
        title=title,
        rows=[],
        scores=evaluation.searches,
        measures=evaluation.measures,
        about={
            "photos": f"{evaluation.n_photos}, {evaluation.n_identities} individuals",
            "model": evaluation.model,
            **_about_run(),
        },
        notes=evaluation.notes,
        scale=evaluation.scale,
        stated=evaluation.stated,
        steps=steps,
    )


def _row(identifier: Identifier, found: Identification, place: int, truth: str | None) -> ReportRow:
    """What the page shows of one query."""
    gallery, decision = identifier.gallery, found.decisions[place]
    photos = gallery.rows_of([candidate.image_id for candidate in decision.candidates]).tolist()
    return ReportRow(
        decision,
        found.queries.photo(place),
        tuple(gallery.photo(photo) for photo in photos),
        truth=truth,
        box=_box(found.queries.frame["box"][place]),
        candidate_boxes=tuple(_box(gallery.frame["box"][photo]) for photo in photos),
        said=() if found.compared is None else tuple(found.compared.said(place, photo) for photo in photos),
    )


def _known_of(identifier: Identifier) -> tuple[Searches | None, Stated | None, tuple[str, ...]]:
    """The gallery's own searches on the scale of the operating point, what was stated of them, and what is lacking."""
    if identifier.reranker is None:
        searches = self_search(
            identifier.gallery, identifier.embeddings, same=identifier.point.same, unseen=identifier.unseen
        )
        return searches.summary(), None, ()
    evidence = identifier.reranker.evidence()
    return (None, None, (_LACKING,)) if evidence is None else (evidence.searches, evidence.stated, ())


def _with_pictures(rows: list[ReportRow], identifier: Identifier, found: Identification) -> list[ReportRow]:
    """The rows; the first ones of the page with a picture of where query and first candidate agree."""
    places = [place for place in page_order(rows) if rows[place].decision.candidates][:_MAX_PICTURES]
    if identifier.reranker is None or found.compared is None or not places:
        return rows
    queries = found.queries.select(np.array(places))
    viewer = Viewer.of(identifier.reranker, queries, found.compared.queries.select(np.array(places)))
    if viewer is None:
        return rows
    n_letters, rows = 0, list(rows)
    for number, place in enumerate(places):
        first = rows[place].decision.candidates[0]
        photo = int(identifier.gallery.rows_of([first.image_id])[0])
        names = (rows[place].decision.query, f"{first.identity}: {first.image_id}")
        drawn = viewer.picture(number, photo, id_=f"match-{number + 1}", said=names)
        n_letters += len(drawn)
        if n_letters > _MAX_PICTURE_LETTERS:
            break
        rows[place] = replace(rows[place], closer=drawn)
    return rows


def _about_model(identifier: Identifier) -> dict[str, str]:
    known = {
        "gallery": f"{len(identifier.gallery)} photos, {identifier.gallery.n_identities} individuals",
        "search": identifier.searched_by,
        "model": identifier.embeddings.model,
    }
    if identifier.bundle is None:
        return known | {"source of the model": "vectors that were made elsewhere"}
    info = identifier.bundle.info
    return known | {"licence of the model": info.licence, "source of the model": info.source}


def _about_run() -> dict[str, str]:
    return {"resight": __version__, "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}


def _box(value: object) -> tuple[float, float, float, float] | None:
    if value is None:
        return None
    x, y, width, height = (float(number) for number in np.asarray(value))
    return x, y, width, height
