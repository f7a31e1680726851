"""What a photo shows, by semantic segmentation: how much of it is building, mountain, or what else landmarks are.

A network names the class of each pixel; the share of some classes is evidence on the query alone. The network is a
bundle, which needs onnxruntime only, or one of the hub of `transformers`.

The graph of a bundle takes (1, 3, S, S) float32 and gives (1, C, h, w) float32, a score per class and place; of equal
ones the first class counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from resight.bundle_files import GRAPH, INFO, hash_of, read_graph, read_info
from resight.core import Catalogue
from resight.errors import ConfigError, ImageError, InputError, UnknownNameError
from resight.faces.graphs import start_graph
from resight.images import READING, ResizeMode, read_photo, resize
from resight.machine import in_order, usable_cores
from resight.progress import progress
from resight.rerank.by_query import checked_rows

__all__ = ["BundledSegmenter", "SegmentationInfo", "SegmentationScorer", "Segmenter", "segmenter_of"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Three = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
Text = Annotated[str, Field(min_length=1)]
Divisor = Annotated[FiniteFloat, Field(gt=0)]

_READ_PX = 512
"""Shorter side that a photo is decoded with at least; networks of segmentation work at about that size."""


class Segmenter(Protocol):
    """Says what a photo shows; may be asked from several threads at once.

    `classes` are the names of what it knows, `model_id` names weights and settings.
    """

    classes: tuple[str, ...]

    @property
    def model_id(self) -> str:
        """The fingerprint of weights and settings."""

    def shares(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """(C,) the share of (H, W, 3) uint8 RGB that shows each class; they sum to 1."""
        ...


class SegmentationInfo(BaseModel):
    """What `model.json` of a bundle of segmentation says; an unknown key is an error.

    Args:
        format: of this file.
        kind: of the bundle.
        name: short name, small letters, digits, `-`, `_` and `.`.
        version: of the bundle, for people.
        summary: what the model is, in a sentence.
        classes: names of the C classes, in the order of the graph.
        input_side_px: side S of the square that the model takes.
        resize: how a photo is brought to that square.
        mean: taken off each channel, red, green and blue, in pixel values of 0 to 255.
        std: each channel is divided by it then; above 0.
        licence: of the weights, as an SPDX identifier.
        commercial_use: whether that licence allows it.
        authors: who made the weights.
        source: where the weights come from.
        changes: what was done to them.
        weights: `hash_of` the bytes of `model.onnx`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    kind: Literal["segmentation"]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    version: Text
    summary: Text
    classes: Annotated[tuple[Text, ...], Field(min_length=1)]
    input_side_px: Annotated[int, Field(gt=0)]
    resize: ResizeMode = "squash"
    mean: Three
    std: tuple[Divisor, Divisor, Divisor]
    licence: Text
    commercial_use: bool
    authors: Text
    source: Text
    changes: Text
    weights: str = Field(pattern=r"^[0-9a-f]{64}$")

    @cached_property
    def model_id(self) -> str:
        """The name and a hash of weights, preprocessing and the way photos are read."""
        said = self.model_dump_json(include={"classes", "input_side_px", "resize", "mean", "std", "weights"})
        return f"{self.name}@{hash_of(f'{said} reading {READING}'.encode())[:16]}"


class BundledSegmenter:
    """A network of segmentation in a bundle: a folder or zip of `model.onnx` and `model.json`.

    Args:
        bundle: folder or zip.

    Raises:
        InputError: when what lies there is not a bundle, or its graph does not start.
        ConfigError: when a key of its `model.json` is wrong.
        MismatchError: when the graph is not the one that it describes.
    """

    def __init__(self, bundle: str | Path) -> None:
        self._place = Path(bundle)
        try:
            self.info = SegmentationInfo.model_validate_json(read_info(self._place))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "(file)"
            raise ConfigError(
                f"{self._place / INFO}: key '{key}': {first['msg']}.", key=key, known=SegmentationInfo.model_fields
            ) from error
        side = self.info.input_side_px
        self._run = start_graph(read_graph(self._place, self.info.weights), GRAPH, (1, 3, side, side))
        self.classes = self.info.classes

    @property
    def model_id(self) -> str:
        """The name and a hash of weights and preprocessing."""
        return self.info.model_id

    def shares(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """(C,) the share of a photo that shows each class.

        Raises:
            InputError: when the graph gives something else than a score per class and place.
        """
        info = self.info
        square = resize(pixels, info.input_side_px, info.resize)
        values = (square - np.array(info.mean, np.float32)) / np.array(info.std, np.float32)
        found = self._run(np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32))[0]
        n = len(self.classes)
        if found.ndim != 4 or found.shape[:2] != (1, n) or not found.size or not np.isfinite(found).all():
            raise InputError(
                f"{self._place}: expected finite scores of shape (1, {n}, h, w) from {GRAPH}, one for each class that "
                f"{INFO} names, found {found.shape} or numbers that are not finite"
            )
        return shares_of(found[0].argmax(axis=0), n)


class SegmentationScorer:
    """How much of a query's photo shows some classes, the same for every photo that answers.

    A `Scorer`. Each query is looked at once, when it is first asked about; one that cannot be read gets NaN.

    Args:
        queries: the photos that ask.
        segmenter: what looks at them.
        classes: whose pixels count. A name stands for every class that has it among its synonyms.
        name: of the scorer's column.
        n_threads: None means every core that this process may use.

    Raises:
        UnknownNameError: when the segmenter has no such class.
    """

    def __init__(
        self,
        queries: Catalogue,
        segmenter: Segmenter,
        classes: Sequence[str],
        name: str = "segmentation",
        n_threads: int | None = None,
    ) -> None:
        self.name = name
        self._queries, self._segmenter = queries, segmenter
        self._counted = _counted(segmenter.classes, classes)
        self._n_threads = n_threads or usable_cores()
        self._shares = np.full(len(queries), np.nan, np.float32)
        self._seen = np.zeros(len(queries), bool)

    def score(self, queries: Rows, photos: Rows) -> Floats:
        """(P,) shares from 0 to 1 of the queries; NaN where the photo cannot be read.

        Raises:
            InputError: when the lists differ in length, or a query does not exist.
        """
        queries = checked_rows(queries, len(self._queries))
        if len(queries) != len(photos):
            raise InputError(f"expected a photo per query, found {len(queries)} and {len(photos)}")
        asked = np.unique(queries)
        self._look(asked[~self._seen[asked]])
        return self._shares[queries]

    def _look(self, rows: Rows) -> None:
        with progress("looking at what photos show", len(rows)) as done:
            found = in_order(self._share, rows.tolist(), self._n_threads, n_ahead=2 * self._n_threads, name="segments")
            for row, share in zip(rows.tolist(), found, strict=True):
                self._shares[row], self._seen[row] = share, True
                done(1)

    def _share(self, row: int) -> float:
        try:
            pixels = read_photo(self._queries.photo(row), box=self._queries.frame["box"][row], min_side_px=_READ_PX)
        except ImageError:
            return np.nan
        return float(self._segmenter.shares(pixels)[self._counted].sum())


def segmenter_of(model: str | Path) -> Segmenter:
    """What a recipe names: a bundle by path, else a network by its name at the hub or the folder where it was saved.

    Raises:
        InputError: when there is no such bundle or network.
        MissingExtraError: when transformers or torch is not installed, for a network that is no bundle.
    """
    place = Path(model)
    if place.is_file() or (place / INFO).is_file():
        return BundledSegmenter(place)
    from resight.rerank.segmentation_hub import HubSegmenter

    return HubSegmenter(str(model))


def shares_of(classes: npt.NDArray[np.integer], n_classes: int) -> npt.NDArray[np.float64]:
    """(C,) the share of each class among the places of a map.

    Example:
        >>> shares_of(np.array([[0, 2], [2, 2]]), 3).tolist()
        [0.25, 0.0, 0.75]
    """
    return np.bincount(classes.reshape(-1), minlength=n_classes)[:n_classes] / max(classes.size, 1)


def _counted(known: Sequence[str], classes: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(C,) whether a class counts. Names of ADE20K hold synonyms, with commas or semicolons between, and odd blanks."""
    synonyms = [{part.strip().lower() for part in name.replace(";", ",").split(",")} for name in known]
    for name in classes:
        if not any(name.lower() in these for these in synonyms):
            raise UnknownNameError("class of the segmentation", name, sorted(set().union(*synonyms)))
    wanted = {name.lower() for name in classes}
    return np.array([bool(these & wanted) for these in synonyms])
