"""The page of a verification: measures, figures, and the hardest errors as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from resight import __version__
from resight.core import Estimate
from resight.pages.document import render, write_page
from resight.pages.pictures import Picture, data_uris
from resight.pages.wording import plural

if TYPE_CHECKING:
    from resight.evaluate import PairMeasures
    from resight.pipeline.verification import Verification

__all__ = ["write_verification_page"]

_SIDE_PX = 180
_MOST_SHOWN, _MOST_FAILURES = 24, 200
_MIN_STATED = 20


@dataclass(frozen=True)
class _Shown:
    """A pair to look at: its two photos, and what was said of it."""

    pictures: tuple[Picture, Picture]
    names: tuple[str, str]
    pair_id: str
    said: str


@dataclass(frozen=True)
class _Line:
    """A row of the table of measures."""

    name: str
    estimate: Estimate | None
    said: str


@dataclass(frozen=True)
class _Figure:
    title: str
    svg: str
    caption: str


def write_verification_page(found: Verification, out: str | Path) -> Path:
    """Write the page and give its path back; a file that is there is replaced.

    Up to 24 pairs of each kind of error are shown. The file asks for nothing from outside and runs no script.

    Raises:
        InputError: when the file cannot be written.
    """
    parts = _hardest(found)
    measures = found.measures
    lines = [] if measures is None else _lines(measures)
    sections = [("measures", "Measures")] if lines else []
    figures = [] if measures is None else _figures(found, measures)
    sections += [("figures", "Figures")] if figures else []
    sections += [(key, title) for key, title, _, _ in parts]
    sections += [("failures", "Failures")] if found.failures else []
    shown = (picture for part in parts for pair in part[3] for picture in pair.pictures)
    page = render(
        "resight.pipeline",
        "verification.html.j2",
        title="Are they the same?",
        lead=_lead(found),
        notes=found.notes,
        lines=lines,
        groups=() if measures is None else measures.groups,
        figures=figures,
        parts=parts,
        photos=data_uris(shown),
        failures=found.failures[:_MOST_FAILURES],
        n_failures=len(found.failures),
        about=_about(found),
        sections=[*sections, ("about", "About")],
    )
    return write_page(Path(out), page)


def _lead(found: Verification) -> str:
    n_known = int(found.pairs.is_labelled.sum())
    counts = f"{plural(len(found), 'pair')} of {plural(len(found.pairs.photos), 'photo')}"
    told = (
        f"of {n_known:,} it is known whether they show one individual"
        if n_known
        else "of none it is known what is true"
    )
    return f"{counts}; {told}."


def _about(found: Verification) -> dict[str, str]:
    calibration = found.calibration
    fitted = {} if calibration is None else {
        "Probabilities fitted on": calibration.fitted_on,
        "Share of pairs of one individual taken for granted": f"{calibration.share_same:.3f}",
    }  # fmt: skip
    return {"Score": found.scale, "Model": found.model, **fitted, "resight": __version__}


def _lines(measures: PairMeasures) -> list[_Line]:
    lines = [_Line(f"EER, {name}", one, plural(one.n, "person")) for name, one in measures.eer.items()]
    parts = {"EER against real pairs": measures.eer_real, "EER against forged pairs": measures.eer_fake}
    parts |= {f"EER against {kind}": one for kind, one in measures.kinds.items()}
    lines += [_Line(name, one, plural(one.n, "person")) for name, one in parts.items() if one is not None]
    for tar in measures.tar:
        name = f"TAR at FAR {tar.at.target:g}"
        said = tar.at.note or f"achieved FAR {tar.at.achieved:.4g} at {tar.at.threshold:.3f}"
        lines.append(_Line(name, tar.estimate if tar.at.sufficient else None, said))
    if measures.folds is not None:
        folds = measures.folds
        said = f"{len(folds.folds)} folds, standard error {folds.standard_error:.4f}"
        lines.append(_Line("Accuracy by folds", folds.estimate, said))
    return lines


def _figures(found: Verification, measures: PairMeasures) -> list[_Figure]:
    from resight.evaluate.pair_plots import det_curve, pair_histogram, roc_curves
    from resight.evaluate.plots import reliability_diagram

    judged = found.judged
    if not np.isfinite(judged.scores).any():
        return []
    histogram = pair_histogram(judged, found.scale, measures.threshold)
    figures = [
        _Figure("Scores", histogram, "The less the kinds of pairs overlap, the fewer errors."),
        _Figure(
            "ROC", roc_curves(judged), "What share of genuine pairs is accepted at each share of falsely accepted ones."
        ),
        _Figure("DET", det_curve(judged), "Both kinds of error, on axes on which normal scores give straight lines."),
    ]
    stated = None if found.calibration is None else found.calibration.stated
    if stated is not None and len(stated) >= _MIN_STATED:
        drawn = reliability_diagram(stated.probabilities, stated.right)
        said = f"{stated.means} The expected calibration error is {stated.calibration_error:.3f}."
        figures.append(_Figure("Can the probabilities be believed?", drawn, said))
    return figures


def _hardest(found: Verification) -> list[tuple[str, str, str, list[_Shown]]]:
    """Key, title, note and pairs of each kind of error: on the wrong side of the threshold, the worst first."""
    if found.measures is None:
        return []
    line, scores = found.measures.threshold, found.scores
    genuine, known = found.pairs.is_genuine, found.pairs.is_labelled & np.isfinite(scores)
    refused = np.flatnonzero(known & genuine & (scores < line))
    accepted = np.flatnonzero(known & ~genuine & (scores >= line))
    parts = [
        ("refused", "One individual, taken for two", refused[np.argsort(scores[refused], kind="stable")], "lowest"),
        (
            "accepted",
            "Two, or forged, taken for one",
            accepted[np.argsort(-scores[accepted], kind="stable")],
            "highest",
        ),
    ]
    return [(key, title, _note(rows, line, end), _shown(found, rows[:_MOST_SHOWN])) for key, title, rows, end in parts]


def _note(rows: npt.NDArray[np.int64], line: float, end: str) -> str:
    few = f" The {min(len(rows), _MOST_SHOWN)} with the {end} scores are shown." if len(rows) else ""
    return f"{plural(len(rows), 'pair')} on the wrong side of {line:.3f}, where both kinds of error are alike.{few}"


def _shown(found: Verification, rows: npt.NDArray[np.int64]) -> list[_Shown]:
    pairs, photos = found.pairs, found.pairs.photos
    shown = []
    for row in rows.tolist():
        sides = [int(pairs.first[row]), int(pairs.second[row])]
        boxes = [photos.frame["box"][side] for side in sides]
        one, other = (
            Picture.of(photos.photo(side), None if box is None else box.to_list(), _SIDE_PX)
            for side, box in zip(sides, boxes, strict=True)
        )
        names = photos.frame["path"][sides[0]], photos.frame["path"][sides[1]]
        shown.append(_Shown((one, other), names, str(pairs.pair_ids[row]), _said(found, row)))
    return shown


def _said(found: Verification, row: int) -> str:
    probability = found.probabilities[row]
    said = [f"score {found.scores[row]:.3f}"]
    said += [f"probability {probability:.3f}"] if np.isfinite(probability) else []
    said += [found.pairs.kinds[row]] if found.pairs.kinds[row] else []
    return ", ".join(said)
