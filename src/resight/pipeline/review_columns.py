"""A column of a catalogue as text: each distinct text once, and a small number per photo.

One long name costs its own length then, and not that of every photo.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["Column"]


@dataclass(frozen=True, eq=False)
class Column:
    """What one column says of each photo.

    Args:
        values: (V,) its distinct texts in their order; the first one is empty, for what says nothing.
        codes: (N,) int32, the place among them of what each photo bears.

    Example:
        >>> places = Column.of(pl.Series(["reef", None, "bay"]))
        >>> places.values, places.codes.tolist(), places.text(2)
        (('', 'bay', 'reef'), [2, 0, 1], 'bay')
    """

    values: Sequence[str]
    codes: npt.NDArray[np.int32]

    @classmethod
    def of(cls, series: pl.Series) -> Column:
        """The texts of a column, of whatever kind its values are; null says nothing."""
        texts = series.cast(pl.String).fill_null("")
        told = texts.filter(texts != "").unique().sort()
        kind = pl.Enum(pl.concat([pl.Series(told.name, [""], pl.String), told]))
        return cls(("", *told.to_list()), texts.cast(kind).to_physical().to_numpy().astype(np.int32))

    @cached_property
    def code_of(self) -> dict[str, int]:
        """The place of each text."""
        return {text: code for code, text in enumerate(self.values)}

    def text(self, row: int) -> str:
        """What a photo bears, empty where nothing is said."""
        return str(self.values[int(self.codes[row])])

    def texts(self, rows: npt.NDArray[np.int64]) -> list[str]:
        """What some photos bear."""
        return [self.values[code] for code in self.codes[rows].tolist()]

    def bears(self, text: str) -> npt.NDArray[np.bool_]:
        """(N,) whether a photo bears a text."""
        return np.asarray(self.codes == self.code_of.get(text, -1))

    def begins(self, text: str) -> npt.NDArray[np.bool_]:
        """(N,) whether what a photo bears begins so."""
        first = bisect_left(self.values, text)
        last = bisect_right(self.values, text, key=lambda value: value[: len(text)])
        return np.asarray((self.codes >= first) & (self.codes < last))

    def beginnings(self, length: int) -> Iterable[str]:
        """The first letters of each text, each once, in their order."""
        return sorted({text[:length] for text in self.values})
