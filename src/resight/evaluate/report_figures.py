"""The figures of a report, each with its title and the words below it; those with nothing to draw are left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from resight.core import OperatingPoint
from resight.evaluate import plots
from resight.evaluate.reliability import Stated
from resight.evaluate.searches import Searches

__all__ = ["ReportFigure", "report_figures"]

_MIN_STATED = 20
_READING = "On the dotted line, a stated 70 % is right 70 times out of 100. Bars: 95 % intervals."


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the page.

    Args:
        title: what it answers.
        svg: the drawing.
        caption: how to read it.
    """

    title: str
    svg: str
    caption: str


def report_figures(
    searches: Searches | None,
    point: OperatingPoint | None,
    scale: str,
    told: Stated | None,
    stated: Stated | None,
) -> list[ReportFigure]:
    """The figures that there is something to draw for.

    Args:
        searches: of which the truth is known.
        point: the operating point that ruled.
        scale: what a score means.
        told: probabilities of the first candidates of this page, where the truth is known.
        stated: probabilities that were stated elsewhere, such as of the gallery's own pairs.
    """
    figures: list[ReportFigure] = []
    if searches is not None and len(plots.finite_scores(searches)):
        figures.extend(_of_scores(searches, point, scale))
    if told is not None and len(told) >= _MIN_STATED:
        figures.append(_reliability(told, "Can the probabilities be believed?", "reliability"))
    if stated is not None and len(stated) >= _MIN_STATED:
        figures.append(_reliability(stated, "Do stated probabilities come true?", "stated"))
    return figures


def _of_scores(searches: Searches, point: OperatingPoint | None, scale: str) -> Iterator[ReportFigure]:
    yield ReportFigure(
        "How well scores tell known from new",
        plots.score_histogram(searches, point, scale),
        "Best scores of searches of which the truth is known: mated (the individual was in the gallery) and "
        "non-mated (it was not). The less the two overlap, the fewer errors.",
    )
    marks = " The marks are the operating point with its intervals." if point is not None else ""
    yield ReportFigure(
        "Errors over the threshold",
        plots.error_curve(searches, point, scale),
        "FPIR: share of strangers that are called known. FNIR: share of known individuals that do not get their "
        f"name.{marks} The scale of rates is stretched near zero.",
    )


def _reliability(stated: Stated, title: str, name: str) -> ReportFigure:
    error = stated.calibration_error
    said = (
        f"The expected calibration error is {error:.3f}: on average over ten bins, what was stated lies "
        f"{100 * error:.1f} percentage points from what was seen."
    )
    drawn = plots.reliability_diagram(stated.probabilities, stated.right, name)
    return ReportFigure(title, drawn, " ".join(part for part in (stated.means, _READING, said) if part))
