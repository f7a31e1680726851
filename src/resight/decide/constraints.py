"""What is known of photos before any two are compared: who must be one individual, and who cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.errors import InputError

Codes = npt.NDArray[np.int64]
Told = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Constraints:
    """What is known of N photos before any two are compared.

    Each mapping goes from a word for messages ("encounter") to (N,) values, null (None) where nothing is known.

    Args:
        image_ids: (N,) text, for messages.
        one: photos with equal values show one individual.
        differ: photos with equal values show different individuals (two boxes in one file).
        agree: photos with different values show different individuals, whatever else is said (name, species).
        sides: photos with different values are never matched with each other (left, right); they may
            meet in one individual only through `one`.
        apart: pairs of rows that show different individuals.

    A label that names the individual belongs into `one` and into `agree`.

    Raises:
        InputError: when a length differs, or a row of `apart` does not exist.
    """

    image_ids: Sequence[str]
    one: Told = field(default_factory=dict)
    differ: Told = field(default_factory=dict)
    agree: Told = field(default_factory=dict)
    sides: Told = field(default_factory=dict)
    apart: Sequence[tuple[int, int]] = ()

    def __post_init__(self) -> None:
        """Check the lengths and rows."""
        for name in ("one", "differ", "agree", "sides"):
            told = {word: np.asarray(values, dtype=object) for word, values in getattr(self, name).items()}
            for word, values in told.items():
                if values.shape != (len(self),):
                    raise InputError(f"expected a {word} or null for each of {len(self)} photos, found {values.shape}")
            object.__setattr__(self, name, MappingProxyType(told))
        pairs = tuple((int(a), int(b)) for a, b in self.apart)
        if any(not 0 <= row < len(self) for pair in pairs for row in pair):
            raise InputError(f"expected rows from 0 to below {len(self)} in the pairs told apart, found others")
        object.__setattr__(self, "apart", pairs)

    def __len__(self) -> int:
        """The number of photos."""
        return len(self.image_ids)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Photos that must be one individual, taken as one; and what is known of them.

    Args:
        of_photo: (N,) the block of each photo, from 0, by first photo.
        sizes: (B,) photos of each block.
        agree: per column, (B,) the code that a block has; −1 where unknown.
        sides: per column, for each block how many of its photos have which code, −1 for unknown.
        enemies: block to the blocks that it cannot be one individual with.
    """

    of_photo: Codes
    sizes: Codes
    agree: tuple[Codes, ...]
    sides: tuple[tuple[Mapping[int, int], ...], ...]
    enemies: Mapping[int, frozenset[int]]

    def __len__(self) -> int:
        """The number of blocks B."""
        return len(self.sizes)

    @classmethod
    def of(cls, constraints: Constraints) -> Blocks:
        """The blocks that these constraints make.

        Raises:
            InputError: when two photos must be one individual and cannot be; names them.
        """
        of_photo = _joined(constraints)
        n_blocks = int(of_photo.max(initial=-1)) + 1
        agree = tuple(_one_code(constraints, word, of_photo, n_blocks) for word in constraints.agree)
        agree = tuple(codes for codes in agree if (codes >= 0).any())
        enemies: dict[int, set[int]] = {}
        for first, second, why in _told_apart(constraints):
            one, other = int(of_photo[first]), int(of_photo[second])
            if one == other:
                _refuse(constraints, of_photo, first, second, why)
            enemies.setdefault(one, set()).add(other)
            enemies.setdefault(other, set()).add(one)
        sides = tuple(_tally(codes_of(values), of_photo, n_blocks) for values in constraints.sides.values())
        frozen = {block: frozenset(others) for block, others in enemies.items()}
        return cls(of_photo, np.bincount(of_photo, minlength=n_blocks), agree, sides, frozen)


def codes_of(values: npt.NDArray[Any]) -> Codes:
    """(N,) numbers from 0 in the order of first sight, −1 for null; equal for equal values."""
    number: dict[object, int] = {}
    return np.array([-1 if v is None else number.setdefault(v, len(number)) for v in values], dtype=np.int64)


def _joined(constraints: Constraints) -> Codes:
    """The block of each photo: connected through whatever makes one individual of them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, links = len(constraints), []
    for values in constraints.one.values():
        codes = codes_of(values)
        order = np.argsort(codes, kind="stable")
        chained = (np.diff(codes[order]) == 0) & (codes[order][1:] >= 0)
        links.append(np.stack([order[:-1][chained], order[1:][chained]]))
    first, second = np.concatenate(links, axis=1) if links else np.zeros((2, 0), np.int64)
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1] if n else [], dtype=np.int64)


def _one_code(constraints: Constraints, word: str, of_photo: Codes, n_blocks: int) -> Codes:
    codes = codes_of(constraints.agree[word])
    known = np.flatnonzero(codes >= 0)
    answer, holder = np.full(n_blocks, -1), np.full(n_blocks, -1)
    answer[of_photo[known]], holder[of_photo[known]] = codes[known], known
    wrong = known[answer[of_photo[known]] != codes[known]]
    if len(wrong):
        inside = np.flatnonzero(of_photo == of_photo[wrong[0]])
        row, other = _nearest(constraints, word, inside) or (int(wrong[0]), int(holder[of_photo[wrong[0]]]))
        said = constraints.agree[word]
        _refuse(constraints, of_photo, row, other, f"{word} '{said[row]}' and '{said[other]}'")
    return answer


def _nearest(constraints: Constraints, word: str, inside: Codes) -> tuple[int, int] | None:
    """Two photos that one value joins and another one parts, if there are such; else a chain of photos joins them."""
    said = constraints.agree[word]
    for values in constraints.one.values():
        first: dict[object, int] = {}
        for row in (int(row) for row in inside if values[row] is not None and said[row] is not None):
            other = first.setdefault(values[row], row)
            if said[other] != said[row]:
                return other, row
    return None


def _told_apart(constraints: Constraints) -> Iterator[tuple[int, int, str]]:
    for word, values in constraints.differ.items():
        rows_of: dict[object, list[int]] = {}
        for row, value in enumerate(values):
            if value is not None:
                rows_of.setdefault(value, []).append(row)
        for value, rows in rows_of.items():
            pairs = ((a, b) for place, a in enumerate(rows) for b in rows[place + 1 :])
            yield from ((a, b, f"both in {word} '{value}'") for a, b in pairs)
    yield from ((a, b, "told apart") for a, b in constraints.apart)


def _tally(codes: Codes, of_photo: Codes, n_blocks: int) -> tuple[Mapping[int, int], ...]:
    counts: list[dict[int, int]] = [{} for _ in range(n_blocks)]
    for block, code in zip(of_photo.tolist(), codes.tolist(), strict=True):
        counts[block][code] = counts[block].get(code, 0) + 1
    return tuple(counts)


def _refuse(constraints: Constraints, of_photo: Codes, first: int, second: int, why: str) -> None:
    inside = np.flatnonzero(of_photo == of_photo[first])
    words = [word for word, values in constraints.one.items() if _repeats(values[inside])]
    raise InputError(
        f"expected labels that can all be true, found that the photos '{constraints.image_ids[first]}' and "
        f"'{constraints.image_ids[second]}' show one individual by their {' and '.join(words)}, and two by what else "
        f"is known ({why}): correct one of the two"
    )


def _repeats(values: npt.NDArray[Any]) -> bool:
    known = [value for value in values if value is not None]
    return len(set(known)) < len(known)
