"""What a forged set holds: who is in which part, which photos are forged from which, and who is compared with whom.

Nothing is drawn here but numbers: no photo is opened. Persons of one part never meet those of another, as the heads
of their forgeries do not either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Planned:
    """One photo of the set.

    Args:
        number: of the photo in the set, from 0.
        person: whom it shows or is to show, from 0.
        part: one of `PARTS`.
        source: row of the photo that it is, or is made from.
        kind: of forgery; None for a real photo.
        head: row of the photo whose head it takes; None for a real photo.
    """

    number: int
    person: int
    part: str
    source: int
    kind: str | None = None
    head: int | None = None


@dataclass(frozen=True)
class PlannedPair:
    """Two photos to compare.

    Args:
        part: one of `PARTS`.
        a: number of a photo.
        b: number of the other photo.
        same: whether both are real and show one person.
        kind: "real", or the kind of forgery of one of them.
    """

    part: str
    a: int
    b: int
    same: bool
    kind: str

    @property
    def told(self) -> str:
        """What is compared, in a word: "genuine", "impostor", or the kind of forgery."""
        return self.kind if self.kind != "real" else "genuine" if self.same else "impostor"


def parts_of(n_persons: int, shares: Sequence[float], rng: np.random.Generator) -> list[str]:
    """The part of each person, drawn by shares that add up to 1."""
    ends = np.rint(np.cumsum(shares) * n_persons).astype(int)
    part_of = np.searchsorted(ends, np.arange(n_persons), side="right").clip(max=len(PARTS) - 1)
    return [PARTS[place] for place in part_of[rng.permutation(n_persons)]]


def photos_of_set(
    persons: Codes, parts: Sequence[str], kinds: Sequence[str], fake_share: float, rng: np.random.Generator
) -> list[Planned]:
    """Every real photo, and after those of each person the forged ones.

    Args:
        persons: (N,) person on each photo, from 0.
        parts: of each person.
        kinds: of forgery, in turn.
        fake_share: forged photos for each real one; a person has one at least, unless it is 0.
        rng: draws sources, kinds and heads.
    """
    rows_of = {part: np.flatnonzero([parts[person] == part for person in persons]) for part in PARTS}
    planned: list[Planned] = []
    turn = 0
    for person, part in enumerate(parts):
        own = np.flatnonzero(persons == person)
        others = rows_of[part][persons[rows_of[part]] != person]
        planned += [Planned(len(planned) + at, person, part, int(row)) for at, row in enumerate(own)]
        n_fakes = min(len(own), max(1, round(fake_share * len(own)))) if fake_share and len(others) else 0
        for source in rng.permutation(own)[:n_fakes]:
            head = int(others[rng.integers(len(others))])
            planned.append(Planned(len(planned), person, part, int(source), kinds[turn % len(kinds)], head))
            turn += 1
    return planned


def pairs_of_set(
    photos: Sequence[Planned], parts: Sequence[str], n_each: int, rng: np.random.Generator
) -> list[PlannedPair]:
    """Pairs of the given parts: of one person, of two, and a person beside a forgery of it.

    A person gives at most `n_each` genuine pairs. Each forgery stands in up to two pairs, beside other real photos than
    the one that it was made from. Impostor pairs are drawn, as many as there are genuine ones.

    Args:
        photos: of the set.
        parts: to compare in.
        n_each: genuine pairs of a person at most.
        rng: draws.
    """
    found: list[PlannedPair] = []
    for part in parts:
        real: dict[int, list[Planned]] = {}
        for photo in photos:
            if photo.part == part and photo.kind is None:
                real.setdefault(photo.person, []).append(photo)
        genuine = [pair for own in real.values() for pair in _genuine(own, n_each, rng)]
        found += [PlannedPair(part, a.number, b.number, True, "real") for a, b in genuine]
        for fake in photos:
            if fake.part == part and fake.kind is not None:
                beside = [photo for photo in real[fake.person] if photo.source != fake.source]
                chosen = rng.permutation(len(beside))[:2]
                found += [PlannedPair(part, beside[at].number, fake.number, False, fake.kind) for at in chosen]
        found += [PlannedPair(part, a, b, False, "real") for a, b in _impostors(real, len(genuine), rng)]
    turned = rng.integers(0, 2, len(found))  # so that the place of a photo in its pair says nothing
    return [replace(pair, a=pair.b, b=pair.a) if turn else pair for pair, turn in zip(found, turned, strict=True)]


def _genuine(own: Sequence[Planned], n_each: int, rng: np.random.Generator) -> list[tuple[Planned, Planned]]:
    every = [(a, b) for at, a in enumerate(own) for b in own[at + 1 :]]
    return [every[at] for at in np.sort(rng.permutation(len(every))[:n_each])]


def _impostors(real: dict[int, list[Planned]], n: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Up to `n` pairs of photos of two persons, each once; persons count alike, however many photos they have."""
    persons = sorted(real)
    seen: set[tuple[int, int]] = set()
    for _ in range(4 * n if len(persons) > 1 else 0):
        if len(seen) == n:
            return
        one, other = (real[persons[at]] for at in rng.choice(len(persons), 2, replace=False))
        a, b = (side[rng.integers(len(side))].number for side in (one, other))
        pair = (min(a, b), max(a, b))
        if pair not in seen:
            seen.add(pair)
            yield pair
