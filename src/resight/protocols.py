"""The extension contracts, each with one required method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from resight.core import Answer, Catalogue, Eligibility, Embeddings, Faces, Matches, PhotoPairs

__all__ = ["Embedder", "Export", "FaceFinder", "Layout", "PairEvidence", "Scorer", "Searcher", "Submission"]


@runtime_checkable
class Embedder(Protocol):
    """Turns prepared pixels into unit vectors."""

    def embed(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(B, H, W, 3) uint8 RGB at the model's input size → (B, D) float32 of unit length."""
        ...


@runtime_checkable
class Searcher(Protocol):
    """Finds the best candidates of a gallery that it was built on."""

    def search(
        self, queries: Embeddings, k: int, eligibility: Eligibility | None = None, *, distinct: bool = True
    ) -> Matches:
        """The best `k` candidates of each query among the photos that may answer it.

        With `distinct`, K counts identities, each by its best photo; else it counts photos.
        """
        ...


@runtime_checkable
class Scorer(Protocol):
    """Compares pairs of a query and a photo of the gallery, both of which it was given before.

    A scorer also has a `name`, which is that of its column in `Pairs`.
    """

    name: str

    def score(self, queries: npt.NDArray[np.int64], photos: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(P,) scores of the pairs of rows (P,) and (P,); higher is more alike, NaN where nothing can be said."""
        ...


@runtime_checkable
class FaceFinder(Protocol):
    """Finds faces and their points; may be used from several threads at once.

    A finder is made by `kind(*contents, min_score=...)`, with the contents of the files of a bundle that
    its class names in `files`, in that order.
    """

    files: tuple[str, ...]

    def find(self, photo: npt.NDArray[np.uint8]) -> Faces:
        """The faces of a photo, (H, W, 3) uint8 RGB, the surest first."""
        ...


@runtime_checkable
class PairEvidence(Protocol):
    """Says more of pairs of photos than how alike their vectors are: that one is forged, say.

    It may have `require_model(model)`, which refuses vectors that it cannot take before the work, and `notes`,
    sentences for the user after it.
    """

    def columns(self, pairs: PhotoPairs, embeddings: Embeddings) -> Mapping[str, npt.NDArray[np.floating]]:
        """Column to (P,) numbers, higher where more speaks for one individual and no forgery; NaN for nothing to say.

        The vectors are those of the photos that could be embedded, under their image ids in `pairs.photos`. The same
        columns come for whatever pairs, so that what was fitted on some can be applied to others.
        """
        ...


@runtime_checkable
class Layout(Protocol):
    """Reads one family of label layouts.

    A layout also has a `name` and a method `recognises(source)`, which looks at the content and
    says in a few words why the layout fits, or gives None.
    """

    name: str

    def recognises(self, photos: Path, labels: Path | None) -> str | None:
        """Why this layout fits what lies there, or None when it does not."""
        ...

    def read(self, photos: Path, labels: Path | None) -> Catalogue:
        """The catalogue that lies there."""
        ...


@runtime_checkable
class Export(Protocol):
    """Writes a catalogue in the format of another system.

    An export also has a `suffix`: the ending of the file's name, empty when it writes a folder.
    """

    suffix: str

    def write(self, catalogue: Catalogue, out: Path) -> tuple[str, ...]:
        """Write it there, whole or not at all; the sentences say what would not come back, or is lacking."""
        ...


@runtime_checkable
class Submission(Protocol):
    """Says answers in the words of one receiving side.

    A format derives from `resight.datasets.submissions.SubmissionFormat`, which has all the rest.
    """

    def cell(self, answer: Answer) -> str:
        """The text of the cell that says this answer."""
        ...
