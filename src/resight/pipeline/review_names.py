"""Who is on the photos by now: names that change all the time, beside vectors that do not.

A change of names is read from the journal and costs what it changes; no vector is touched for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from resight.store import CatalogueStore, JournalEntry, Label

__all__ = ["Names"]

_SETTLES = ("same", "new")
"""Judgements after which the name of a photo is a person's word."""


@dataclass(frozen=True, eq=False)
class Names:
    """The labels of the photos at one moment of the journal; it is never changed, only followed by another.

    Args:
        number: of the last journal row that is in it.
        labels: of each photo that is there or was, by image id.
        codes: (N,) int64, the individual on each photo of the catalogue, −1 for none.
        names: the individual of each code; names that nobody bears any more stay in it.
        settled: image ids of photos whose name is a person's word.
    """

    number: int
    labels: Mapping[str, Label]
    codes: npt.NDArray[np.int64]
    names: Sequence[str]
    settled: frozenset[str]

    @classmethod
    def read(cls, store: CatalogueStore, image_ids: Sequence[str]) -> Names:
        """The names by now, for the photos of a catalogue in its order.

        Raises:
            StoreError: when the catalogue cannot be read.
        """
        number = store.last_entry()  # before the labels: what comes in between is read again
        labels = store.labels()
        names = sorted({label.identity for label in labels.values() if label.identity is not None})
        code = {name: place for place, name in enumerate(names)}
        found = [labels[image_id].identity for image_id in image_ids]
        codes = np.array([-1 if name is None else code[name] for name in found], np.int64)
        return cls(number, labels, codes, names, _settled(store))

    def followed(self, store: CatalogueStore, row_of: Mapping[str, int]) -> Names:
        """The names after whatever the journal says since; itself when it says nothing.

        Raises:
            StoreError: when the catalogue cannot be read.
        """
        entries = store.log(after=self.number)
        if not entries:
            return self
        after = {image_id: label for entry in entries for image_id, label in entry.after.items()}
        names, codes, code = list(self.names), self.codes.copy(), dict(self.code_of)
        for image_id, label in after.items():
            name, row = label.identity, row_of.get(image_id)
            if name is not None and name not in code:
                code[name] = len(names)
                names.append(name)
            if row is not None:
                codes[row] = -1 if name is None else code[name]
        takes_back = any(entry.undoes is not None for entry in entries)
        settled = _settled(store) if takes_back else self.settled | _of_judgements(entries)
        return replace(
            self,
            number=entries[-1].number,
            labels={**self.labels, **after},
            codes=codes,
            names=names,
            settled=settled,
        )

    @cached_property
    def code_of(self) -> dict[str, int]:
        """The code of each name."""
        return {name: code for code, name in enumerate(self.names)}

    def name(self, row: int) -> str | None:
        """The individual on a photo."""
        code = int(self.codes[row])
        return None if code < 0 else self.names[code]

    def rows_of(self, name: str) -> npt.NDArray[np.int64]:
        """The photos of an individual; none when nobody bears the name."""
        code = self.code_of.get(name)
        return np.zeros(0, np.int64) if code is None else np.flatnonzero(self.codes == code)

    def code_set(self, names: Iterable[str]) -> npt.NDArray[np.int64]:
        """The codes of some names; those that nobody bears have none."""
        return np.array([self.code_of[name] for name in set(names) if name in self.code_of], np.int64)

    def n_photos(self) -> npt.NDArray[np.int64]:
        """Photos of each code."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))


def _settled(store: CatalogueStore) -> frozenset[str]:
    return _of_judgements(store.judgements())


def _of_judgements(entries: Iterable[JournalEntry]) -> frozenset[str]:
    told = [entry.detail for entry in entries if entry.verb == "judge"]
    return frozenset(str(one["image_id"]) for one in told if one["says"] in _SETTLES)
