"""How far a catalogue is: who was met when, and how many there may be that nobody met yet."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np

from resight.core import Estimate
from resight.pipeline.review_board import Board
from resight.pipeline.review_names import Names
from resight.pipeline.review_nouns import Dashboard

__all__ = ["dashboard_of", "discovery_curve", "expected_individuals", "new_per_month"]

_Z = 1.959963984540054
_MOST_MONTHS = 600
"""Of a chart: a slip in the year of one date makes none of centuries."""

Sighting = tuple[str, str]
"""An occasion (an encounter, or a day) and the individual that was met on it."""


def new_per_month(met: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Month to individuals that were first met in it, in the order of time; none in the months between.

    Args:
        met: dates (ISO, at least year and month) and individuals.

    Example:
        >>> new_per_month([("2024-03-03", "Ann"), ("2024-01-05", "Ann"), ("2024-03-01", "Bob")])
        {'2024-01': 1, '2024-02': 0, '2024-03': 1}
    """
    first: dict[str, str] = {}
    for date, name in met:
        first[name] = min(date[:7], first.get(name, date[:7]))
    counts = Counter(first.values())
    return {month: counts[month] for month in _with_those_between(sorted(counts))}


def _with_those_between(months: list[str]) -> list[str]:
    """Rising months with those between; as they are where only the year of some is known, or one is a slip."""
    if not months or any(len(month) != len("2024-05") for month in months):
        return months
    first, last = (12 * int(end[:4]) + int(end[5:]) - 1 for end in (months[0], months[-1]))
    if last - first >= _MOST_MONTHS:
        return months
    return [f"{one // 12:04d}-{one % 12 + 1:02d}" for one in range(first, last + 1)]


def discovery_curve(sightings: Iterable[Sighting], order: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Per occasion how many individuals were met up to it.

    Args:
        sightings: who was met when.
        order: the occasions in the order of time.

    Example:
        >>> discovery_curve([("d1", "Ann"), ("d2", "Ann"), ("d2", "Bob")], ["d1", "d2"])
        (('d1', 1), ('d2', 2))
    """
    on: dict[str, set[str]] = {}
    for occasion, name in sightings:
        on.setdefault(occasion, set()).add(name)
    met, curve = set[str](), []
    for occasion in order:
        met |= on.get(occasion, set())
        curve.append((occasion, len(met)))
    return tuple(curve)


def expected_individuals(sightings: Iterable[Sighting]) -> Estimate:
    """How many individuals there are in all, by Chao's estimate from those met once and twice.

    The bias-corrected Chao2 with its log-normal interval (Chao 1987; Colwell et al. 2012): a lower bound where some
    are met more easily than others, and of a population that stays the same.

    Args:
        sightings: who was met on which occasion; NaN comes of fewer than two occasions.

    Example:
        >>> expected_individuals([("1", "A"), ("1", "B"), ("2", "A"), ("2", "C"), ("3", "C")]).value
        3.0
    """
    seen = set(sightings)
    occasions, times = {occasion for occasion, _ in seen}, Counter(name for _, name in seen)
    n, m = len(times), len(occasions)
    if m < 2:
        return Estimate(math.nan, math.nan, math.nan, n=n)
    once, twice = (sum(count == wanted for count in times.values()) for wanted in (1, 2))
    share = (m - 1) / m
    unseen = share * once * (once - 1) / (2 * (twice + 1))
    if not unseen:
        return Estimate(float(n), float(n), float(n), n=n)
    first = share * once * (once - 1) / (2 * (twice + 1))
    second = share**2 * once * (2 * once - 1) ** 2 / (4 * (twice + 1) ** 2)
    third = share**2 * once**2 * twice * (once - 1) ** 2 / (4 * (twice + 1) ** 4)
    spread = math.exp(_Z * math.sqrt(math.log(1 + (first + second + third) / unseen**2)))
    return Estimate(n + unseen, n + unseen / spread, n + unseen * spread, n=n)


def dashboard_of(board: Board, names: Names, n_judgements: int) -> Dashboard:
    """How far a catalogue is; an occasion is an encounter, and a day where none is known."""
    named = np.flatnonzero(names.codes >= 0)
    called = [str(names.name(row)) for row in named.tolist()]
    nothing = [""] * len(named)
    dates = board.column("date").texts(named) if "date" in board.columns else nothing
    met = board.column("encounter").texts(named) if "encounter" in board.columns else nothing
    occasions = [one or date[:10] for one, date in zip(met, dates, strict=True)]
    seen = [(occasion, name) for occasion, name in zip(occasions, called, strict=True) if occasion]
    when: dict[str, str] = {}
    for occasion, date in zip(occasions, dates, strict=True):
        if occasion:
            when[occasion] = min(date or "~", when.get(occasion, "~"))  # an unknown date comes last
    return Dashboard(
        n_photos=len(board.photos),
        n_named=len(named),
        n_individuals=len(set(called)),
        n_poor=sum(names.labels[image_id].poor for image_id in board.row_of),
        n_judgements=n_judgements,
        new_per_month=new_per_month((date, name) for date, name in zip(dates, called, strict=True) if date),
        discovery=discovery_curve(seen, sorted(when, key=lambda one: (when[one], one))),
        n_expected=expected_individuals(seen),
        notes=() if seen else ("No encounter or date is known, so there is no discovery curve.",),
    )
