"""What the desk hands to whoever shows it: plain values that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from resight.core import Estimate

__all__ = ["Candidates", "Dashboard", "Facts", "Individual", "MatchLines", "Queue", "QueueItem", "ReviewCandidate"]


@dataclass(frozen=True)
class Facts:
    """Who, where and when: what the catalogue says of a photo.

    Args:
        image_id: the photo.
        identity: the individual by now, None where it has no name.
        columns: all else that is known of it (species, side, date, encounter, place ...), column to text.
        version: number of the last journal row of the photo, 0 for none.
        poor: whether it was said to be too poor to tell.
    """

    image_id: str
    identity: str | None
    columns: Mapping[str, str]
    version: int = 0
    poor: bool = False

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class QueueItem:
    """A photo that waits for a decision.

    Args:
        image_id: the photo.
        identity: the name that it bears and that is in doubt; None for a photo without one.
        teaches: what a decision on it teaches, as `resight.pipeline.review_queue` says, at least 0.
        p_wrong: how probable it is that its name (of a photo without: the most probable answer) is wrong, 0 to 1;
            None where nothing says so.
        best: the individual that comes first, None when nobody does.
        skipped: whether the reviewer passed it over.
    """

    image_id: str
    identity: str | None
    teaches: float
    p_wrong: float | None
    best: str | None
    skipped: bool = False


@dataclass(frozen=True)
class Queue:
    """The photos that wait, the most telling first.

    Args:
        items: the first of them.
        n_left: how many wait in all, under the filter.
        expected_wrong: how many photos would bear a wrong name if review stopped now and the rest was answered by
            the most probable choice; NaN where the catalogue is not calibrated. Its `n` is the number of photos
            that it speaks of.
        n_unknown: photos that it does not speak of, since nothing says how probable a wrong name is: the only photo
            of an individual, one without a vector, one that was not looked at.
        as_of: number of the journal row that the order rests on.
        notes: sentences for the reviewer.
    """

    items: tuple[QueueItem, ...]
    n_left: int
    expected_wrong: Estimate
    n_unknown: int
    as_of: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {**asdict(self), "expected_wrong": self.expected_wrong.to_json()}


@dataclass(frozen=True)
class ReviewCandidate:
    """A candidate as a reviewer sees it: an individual, or one photo of it, with what is known of the photo.

    Args:
        identity: the individual.
        image_id: its photo that looks most like the query (or this very photo, by images).
        score: higher is more alike.
        probability: that the query shows this individual, 0 to 1; None where the catalogue is not calibrated.
        rank: place in the list, from 1.
        n_photos: photos of the individual.
        facts: of the photo.
        unsure: whether somebody could not tell the pair before.
    """

    identity: str
    image_id: str
    score: float
    probability: float | None
    rank: int
    n_photos: int
    facts: Facts
    unsure: bool = False


@dataclass(frozen=True)
class Candidates:
    """A query beside those that it may show.

    Args:
        query: what is known of the photo; its `version` is what a judgement hands back as `seen`.
        candidates: best first.
        verdict: known, new or unsure; None where the catalogue is not calibrated.
        probability_new: that it shows nobody with a name; None likewise.
        filter: the candidate filter in force.
        n_searched: photos that might answer under the filter.
        model: fingerprint of what made the scores.
        notes: sentences for the reviewer.
    """

    query: Facts
    candidates: tuple[ReviewCandidate, ...]
    verdict: str | None
    probability_new: float | None
    filter: Mapping[str, str]
    n_searched: int
    model: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class Individual:
    """An individual and its photos.

    Args:
        name: of it.
        n_photos: how many photos it has.
        photos: what is known of them, in the order of the catalogue; of a list only the first one.
        first_date: the earliest date among them, ISO, or None.
        last_date: the latest.
    """

    name: str
    n_photos: int
    photos: tuple[Facts, ...] = ()
    first_date: str | None = None
    last_date: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class MatchLines:
    """Where two photos agree.

    Args:
        lines: x and y on the query, x and y on the candidate, each from 0 to 1 of the photo (of its box).
        n_matches: places that were matched, whether or not they agree on one geometry.
        says: in words.
    """

    lines: tuple[tuple[float, float, float, float], ...]
    n_matches: int
    says: str

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class Dashboard:
    """How far the catalogue is.

    Args:
        n_photos: photos that are there.
        n_named: those with a name.
        n_individuals: individuals with a name.
        n_poor: photos that were said to be too poor to tell.
        n_judgements: judgements that stand.
        new_per_month: month (2024-05) to individuals first met in it, in the order of time.
        discovery: per occasion in the order of time: its name, and how many individuals were met up to it.
        n_expected: individuals that there are in all, seen or not; NaN where nothing says so.
        notes: sentences for the reader.
    """

    n_photos: int
    n_named: int
    n_individuals: int
    n_poor: int
    n_judgements: int
    new_per_month: Mapping[str, int] = field(default_factory=dict)
    discovery: tuple[tuple[str, int], ...] = ()
    n_expected: Estimate = field(default_factory=lambda: Estimate(float("nan"), float("nan"), float("nan"), 0))
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {**asdict(self), "n_expected": self.n_expected.to_json()}
