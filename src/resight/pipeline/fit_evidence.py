"""What a gallery's own photos said when a fusion was fitted: the figures of a report rest on it."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from resight.errors import InputError, StoreError
from resight.evaluate import Searches, Stated

__all__ = ["FitEvidence", "arrays_of"]

_SEARCHES = tuple(field.name for field in fields(Searches))
_STATED = ("probabilities", "right", "individuals", "means")


@dataclass(frozen=True, eq=False)
class FitEvidence:
    """What the gallery's own photos said of a fusion that had not seen the individual of each.

    Args:
        searches: what the operating point rests on, on its scale.
        stated: the probabilities of the photos' best pairs.
        model: fingerprint of the scores.
    """

    searches: Searches
    stated: Stated
    model: str

    def write(self, file: BinaryIO) -> None:
        """Write everything as flat arrays of numbers and text; `read` takes them back.

        Raises:
            OSError: when the disk refuses.
        """
        searches: dict[str, Any] = {name: np.asarray(getattr(self.searches, name)) for name in _SEARCHES}
        stated: dict[str, Any] = {f"stated_{name}": np.asarray(getattr(self.stated, name)) for name in _STATED}
        np.savez_compressed(file, **searches, **stated, model=np.asarray(self.model))

    @classmethod
    def read(cls, path: Path) -> FitEvidence:
        """What was kept in a file.

        Raises:
            FileNotFoundError: when there is none.
            StoreError: when it is broken.
        """
        kept = arrays_of(path)
        try:
            searches = Searches(**{name: kept[name] for name in _SEARCHES})
            probabilities, right, individuals, means = (kept[f"stated_{name}"] for name in _STATED)
            return cls(searches, Stated(probabilities, right, individuals, str(means)), str(kept["model"]))
        except (KeyError, TypeError, ValueError, InputError) as error:
            raise StoreError(f"expected the searches of a gallery in {path}, found otherwise ({error})") from error


def arrays_of(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an npz file; nothing in it is run.

    Raises:
        FileNotFoundError: when there is none.
        StoreError: when it is broken.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise StoreError(f"expected arrays in {path}, found otherwise ({error})") from error
