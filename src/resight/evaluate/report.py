"""The report: decisions, pictures, figures and measures in one HTML file that needs nothing else.

The file asks for nothing from outside (a content security policy in its head forbids it), runs no
script, and gives the same bytes for the same input. Verdicts are told apart by word, shape and colour.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resight.core import Decision, Estimate, OperatingPoint, Verdict
from resight.errors import InputError
from resight.evaluate.reliability import Stated
from resight.evaluate.report_figures import report_figures
from resight.evaluate.searches import Searches
from resight.pages.document import render, write_page
from resight.pages.pictures import Picture, data_uris

__all__ = ["ReportRow", "ReportStep", "page_order", "write_report"]

Box = Sequence[float]

# longer sides of query and candidate photos; the small ones keep a page of 200 queries below 15 MB
_LARGE_PX, _SMALL_PX = (400, 220), (256, 144)
_MAX_LARGE_ROWS = 50
_MAX_FAILURES = 500
_TOLD = "How often the first candidate was the individual, over the probability that was stated for it."
# what needs a pair of eyes comes first
_ORDER = (Verdict.UNSURE, Verdict.NEW, Verdict.KNOWN)


@dataclass(frozen=True)
class ReportRow:
    """One query and what is shown beside it.

    Args:
        decision: what is said of the query.
        photo: the query's photo.
        candidate_photos: one photo per candidate of the decision, in the same order.
        truth: the identity that the query truly shows, when the gallery holds that identity;
            `Verdict.NEW` when it shows none of the gallery; None when nobody knows.
        box: part of the query's photo that was looked at: x, y, width, height in pixels of the upright photo.
        candidate_boxes: the same per candidate; empty when whole photos were looked at.
        said: per candidate, what each scorer said of its photo, by name and NaN for nothing; empty when only one spoke.
        closer: a picture of query and first candidate side by side, as trusted markup of a page; empty for none.

    Raises:
        InputError: when the photos, the boxes or what was said are not as many as the candidates.
    """

    decision: Decision
    photo: Path
    candidate_photos: tuple[Path, ...]
    truth: str | None = None
    box: Box | None = None
    candidate_boxes: tuple[Box | None, ...] = ()
    said: tuple[Mapping[str, float], ...] = ()
    closer: str = ""

    def __post_init__(self) -> None:
        """Check that photos, boxes and candidates agree."""
        n = len(self.decision.candidates)
        if len(self.candidate_photos) != n or len(self.candidate_boxes) not in (0, n):
            raise InputError(
                f"expected a photo (and a box or none) for each of the {n} candidates of '{self.decision.query}', "
                f"found {len(self.candidate_photos)} photos and {len(self.candidate_boxes)} boxes"
            )
        if len(self.said) not in (0, n):
            raise InputError(f"expected what was said of each of {n} candidates, found it of {len(self.said)}")

    @property
    def right(self) -> bool | None:
        """Whether the verdict agrees with the truth; None when unsure or when nobody knows."""
        if self.truth is None or self.decision.verdict is Verdict.UNSURE:
            return None
        if self.truth is Verdict.NEW:
            return self.decision.verdict is Verdict.NEW
        return self.decision.identity == self.truth


@dataclass(frozen=True)
class ReportStep:
    """One step of an ablation.

    Args:
        name: what was weighed.
        measures: name to figure, in the order to show them.
        ms_per_query: milliseconds that comparing took per query.
        note: a sentence on how it was fitted; may be empty.
    """

    name: str
    measures: Mapping[str, Estimate]
    ms_per_query: float
    note: str = ""


@dataclass(frozen=True)
class _Card:
    """One query as the template shows it."""

    row: ReportRow
    query: Picture
    candidates: tuple[Picture, ...]


def write_report(
    out: str | Path,
    *,
    title: str,
    rows: Sequence[ReportRow],
    point: OperatingPoint | None = None,
    scores: Searches | None = None,
    measures: Mapping[str, Estimate] | None = None,
    failures: Sequence[tuple[str, str]] = (),
    about: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    scale: str = "",
    stated: Stated | None = None,
    steps: Sequence[ReportStep] = (),
    max_rows: int = 200,
    max_candidates: int = 5,
) -> Path:
    """Write the report and give its path back.

    Unsure queries come first, then new, then known; the least certain first in each. A section that has nothing
    to show is left out. A photo that cannot be read becomes a placeholder.

    Args:
        out: the HTML file; its folder is made when absent, a file that is there is replaced.
        title: heading of the page.
        rows: one per query, in any order; all are counted.
        point: the operating point that ruled the decisions.
        scores: searches of which the truth is known, for the histogram and the curve.
        measures: name to figure with interval, in the order to show them.
        failures: (photo, reason) of the photos that could not be read.
        about: name to text: model, licence, versions, seed, date, command.
        notes: sentences for the reader.
        scale: what a score of `scores` means; the operating point's own by default.
        stated: probabilities that were stated of others than these queries, and whether it was so.
        steps: an ablation, step by step.
        max_rows: queries shown with pictures; the page says how many were left out.
        max_candidates: candidates shown per query.

    Raises:
        InputError: when a limit is below 1 or `out` cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_report(Path(folder) / "report.html", title="Empty", rows=[]).name
        'report.html'
    """
    if max_rows < 1 or max_candidates < 1:
        raise InputError(f"expected limits of at least 1, found {max_rows} rows and {max_candidates} candidates")
    page = render(
        "resight.evaluate",
        "report.html.j2",
        **_queries(rows, max_rows, max_candidates),
        title=title,
        point=point,
        figures=report_figures(scores, point, scale or (point.scale if point else ""), _told(rows), stated),
        measured_only=not rows and not failures and bool(scores or measures or steps),
        notes=notes,
        steps=_table(steps),
        measures=measures or {},
        failures=failures[:_MAX_FAILURES],
        n_failures=len(failures),
        about=about or {},
        shows=_shows,
        Verdict=Verdict,
    )
    return write_page(Path(out), page)


def page_order(rows: Sequence[ReportRow]) -> list[int]:
    """The places of the rows in the order of the page: unsure, new, known, and the least certain first in each."""

    def key(place: int) -> tuple[int, float]:
        decision = rows[place].decision
        return _ORDER.index(decision.verdict), decision.probability

    return sorted(range(len(rows)), key=key)


def _queries(rows: Sequence[ReportRow], max_rows: int, max_candidates: int) -> dict[str, Any]:
    """What the template shows of the queries."""
    ordered = [rows[place] for place in page_order(rows)]
    cards = _cards(ordered[:max_rows], max_candidates)
    return {
        "counts": _count(rows),
        "cards": cards,
        "shown": _count([card.row for card in cards]),
        "left_out": _count(ordered[max_rows:]),
        "photos": data_uris(picture for card in cards for picture in (card.query, *card.candidates)),
        "truths": _truth_table(rows),
    }


def _cards(rows: Sequence[ReportRow], max_candidates: int) -> list[_Card]:
    query_px, candidate_px = _LARGE_PX if len(rows) <= _MAX_LARGE_ROWS else _SMALL_PX
    cards = []
    for row in rows:
        boxes = row.candidate_boxes or (None,) * len(row.candidate_photos)
        pairs = list(zip(row.candidate_photos, boxes, strict=True))[:max_candidates]
        pictures = tuple(Picture.of(path, box, candidate_px) for path, box in pairs)
        cards.append(_Card(row, Picture.of(row.photo, row.box, query_px), pictures))
    return cards


def _count(rows: Iterable[ReportRow]) -> dict[Verdict, int]:
    counts = Counter(row.decision.verdict for row in rows)
    return {verdict: counts[verdict] for verdict in (Verdict.KNOWN, Verdict.NEW, Verdict.UNSURE)}


def _truth_table(rows: Iterable[ReportRow]) -> list[dict[str, Any]]:
    """How the verdicts fell for known individuals and for strangers, where the truth is there."""
    table = []
    for name, stranger in (("Known", False), ("Strangers", True)):
        group = [row for row in rows if row.truth is not None and (row.truth is Verdict.NEW) == stranger]
        if group:
            counts = Counter((row.decision.verdict, row.right) for row in group)
            table.append(
                {
                    "truth": name,
                    "n": len(group),
                    "its right name": None if stranger else counts[Verdict.KNOWN, True],
                    "a wrong name": counts[Verdict.KNOWN, False],
                    "new": counts[Verdict.NEW, stranger],
                    "unsure": counts[Verdict.UNSURE, None],
                }
            )
    return table


def _told(rows: Sequence[ReportRow]) -> Stated:
    """What was stated of the first candidates, where the truth is there."""
    judged = [(row, row.decision.candidates[0]) for row in rows if row.truth is not None and row.decision.candidates]
    stated = np.array([first.probability for _, first in judged])
    right = np.array([_shows(row, first.identity) for row, first in judged], dtype=bool)
    return Stated(stated, right, np.array([first.identity for _, first in judged], dtype=np.str_), _TOLD)


def _table(steps: Sequence[ReportStep]) -> dict[str, Any]:
    """An ablation as the template shows it: its columns, its rows, and where the scale of the drawn column ends."""
    columns = list(dict.fromkeys(name for step in steps for name in step.measures))
    drawn = [step.measures[name] for step in steps for name in columns[:1] if name in step.measures]
    ends = [max(number for number in (one.value, one.high, 0.0) if not math.isnan(number)) for one in drawn]
    return {"columns": columns, "rows": steps, "end": max(0.1, math.ceil(10 * max(ends, default=0.1)) / 10)}


def _shows(row: ReportRow, identity: str) -> bool:
    """Whether the query truly shows that identity; an individual may well be called "new"."""
    return row.truth is not Verdict.NEW and row.truth == identity
