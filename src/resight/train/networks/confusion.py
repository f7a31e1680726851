"""Who was taken for whom: the confusion matrix of a classifier, without its zeros."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resight.errors import InputError
from resight.evaluate.tables import spreadsheet_safe_name

__all__ = ["Confusion", "Mistaken", "Part"]

Counts = npt.NDArray[np.int64]


class Mistaken(NamedTuple):
    """Photos of one class that were taken for another: so many of all that there are of it."""

    true: str
    predicted: str
    n: int
    n_true: int


@dataclass(frozen=True, eq=False)
class Part:
    """Some classes of a confusion matrix.

    Args:
        names: (K,) of the classes.
        counts: (K, K) photos, by true and by predicted class.
        elsewhere: (K,) photos that were taken for a class that is not shown.
    """

    names: tuple[str, ...]
    counts: Counts
    elsewhere: Counts


@dataclass(frozen=True, eq=False)
class Confusion:
    """The pairs of a true and a predicted class that came, and how often.

    Args:
        names: (C,) of the classes, sorted.
        true: (P,) place of each pair's true class; pairs are sorted.
        predicted: (P,) place of its predicted class.
        counts: (P,) photos, at least 1.
        title: what was told apart, such as "individual".

    Example:
        >>> found = Confusion.of(["ann", "ann", "ben"], ["ann", "ben", "ben"])
        >>> found.most_confused(1)
        [Mistaken(true='ann', predicted='ben', n=1, n_true=2)]
        >>> found.recalls.tolist()
        [0.5, 1.0]
    """

    names: tuple[str, ...]
    true: Counts
    predicted: Counts
    counts: Counts
    title: str = "individual"

    @classmethod
    def of(cls, true: Sequence[str], predicted: Sequence[str], title: str = "individual") -> Confusion:
        """From the true and the predicted name of each photo.

        Raises:
            InputError: when these are not equally many.
        """
        if len(true) != len(predicted):
            raise InputError(
                f"expected a predicted name for each true one, found {len(predicted)} for {len(true)} photos"
            )
        names, codes = np.unique(np.array([*true, *predicted], np.str_), return_inverse=True)
        pairs, counts = np.unique(codes.reshape(2, -1), axis=1, return_counts=True)
        return cls(tuple(names.tolist()), pairs[0], pairs[1], counts, title)

    @property
    def n_photos(self) -> int:
        """All photos."""
        return int(self.counts.sum())

    @property
    def n_right(self) -> int:
        """Photos whose predicted class is the true one."""
        return int(self.counts[self.true == self.predicted].sum())

    @cached_property
    def n_true(self) -> Counts:
        """(C,) photos of each class."""
        return self._sums(self.true, self.counts)

    @cached_property
    def recalls(self) -> npt.NDArray[np.float64]:
        """(C,) share of the photos of each class that was predicted right; NaN where a class has none."""
        right = self._sums(self.true, np.where(self.true == self.predicted, self.counts, 0))
        none = np.full(len(self.names), np.nan)
        return np.asarray(np.divide(right, self.n_true, out=none, where=self.n_true > 0))

    def most_confused(self, n: int) -> list[Mistaken]:
        """The pairs of different classes with the most photos; of equals the larger share, then the names decide."""
        return [
            Mistaken(self.names[self.true[pair]], self.names[self.predicted[pair]], int(self.counts[pair]), n_true)
            for pair, n_true in ((pair, int(self.n_true[self.true[pair]])) for pair in self._mistakes()[:n].tolist())
        ]

    def part(self, n: int) -> Part:
        """The matrix of all classes, or of the n that are confused most, those confused side by side."""
        chosen = np.arange(len(self.names)) if len(self.names) <= n else self._confused_classes(n)
        place = np.full(len(self.names), -1)
        place[chosen] = np.arange(len(chosen))
        rows, columns = place[self.true], place[self.predicted]
        counts = np.zeros((len(chosen), len(chosen)), np.int64)
        inside = (rows >= 0) & (columns >= 0)
        counts[rows[inside], columns[inside]] = self.counts[inside]
        elsewhere = np.zeros(len(chosen), np.int64)
        leaving = (rows >= 0) & (columns < 0)
        np.add.at(elsewhere, rows[leaving], self.counts[leaving])
        return Part(tuple(self.names[one] for one in chosen), counts, elsewhere)

    def to_csv(self) -> str:
        """A row for each pair that came: true, predicted, photos; safe to open in a spreadsheet."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow(("true", "predicted", "photos"))
        safe = [spreadsheet_safe_name(name) for name in self.names]
        for true, predicted, n in zip(self.true.tolist(), self.predicted.tolist(), self.counts.tolist(), strict=True):
            writer.writerow((safe[true], safe[predicted], n))
        return text.getvalue()

    def _mistakes(self) -> Counts:
        """The pairs of different classes, the most photos first."""
        wrong = np.flatnonzero(self.true != self.predicted)
        share = self.counts[wrong] / self.n_true[self.true[wrong]]
        return wrong[np.lexsort((wrong, -share, -self.counts[wrong]))]

    def _confused_classes(self, n: int) -> Counts:
        """The n classes of the most confused pairs; where these are fewer, those with the most photos beside them."""
        mistakes = self._mistakes()
        by_pair = np.stack([self.true[mistakes], self.predicted[mistakes]], axis=1).ravel()
        candidates = np.concatenate([by_pair, np.argsort(-self.n_true, kind="stable")])
        firsts = np.sort(np.unique(candidates, return_index=True)[1])[:n]
        return np.asarray(candidates[firsts])

    def _sums(self, of: Counts, counts: Counts) -> Counts:
        sums = np.zeros(len(self.names), np.int64)
        np.add.at(sums, of, counts)
        return sums
