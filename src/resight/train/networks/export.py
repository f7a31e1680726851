"""A network made a bundle: its graph, what `model.json` says, and the proof that both give the same vectors.

This module is imported inside functions only, since it imports torch.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError

from resight.core import Catalogue
from resight.embed import Bundle, BundleInfo, Learned, describe, hash_of
from resight.errors import ConfigError, InputError
from resight.images import ResizeMode
from resight.train.bundles import agreement, write_files, write_finders
from resight.train.libraries import require

__all__ = ["BundleFacts", "Exported", "write_bundle"]

_SMALLEST_LENGTH = 1e-12
_OPSET = 18
_LEGACY_OPSET = 17
_N_EXAMPLES = 2  # an example of one photo would fix the size of a batch
Three = tuple[float, float, float]


@dataclass(frozen=True)
class BundleFacts:
    """What a bundle says of itself beyond its graph.

    Args:
        name: small letters, digits, `-`, `_` and `.`.
        summary: what the model is, in a sentence.
        side: of the square that the network takes, in pixels.
        resize: how a photo is brought to it.
        mean: taken off each channel, RGB, in pixel values of 0 to 255.
        std: each channel is divided by it then.
        licence: of the weights, as an SPDX identifier, or "unknown".
        commercial_use: whether it allows that.
        authors: who made the weights.
        source: where the weights come from.
        changes: what was done to them.
        learned: from what, how, and how good it is.
        faces: bundle of faces, by name or path, that turns them upright for this one.
    """

    name: str
    summary: str
    side: int
    resize: ResizeMode
    mean: Three
    std: Three
    licence: str
    commercial_use: bool
    authors: str
    source: str
    changes: str
    learned: Learned | None = None
    faces: str | None = None


@dataclass(frozen=True)
class Exported:
    """A bundle that was written.

    Args:
        bundle: its folder.
        info: what it says.
        n_bytes: of its graph.
        n_checked: photos on which it was held against the network; 0 when none could be read.
        least_cosine: between the vectors of the two.
        largest_difference: between two numbers of them.
        notes: sentences for the user.
    """

    bundle: Path
    info: BundleInfo
    n_bytes: int
    n_checked: int
    least_cosine: float
    largest_difference: float
    notes: tuple[str, ...] = ()


def write_bundle(network: torch.nn.Module, facts: BundleFacts, photos: Catalogue, draft: Path) -> Exported:
    """A network as a bundle in a folder that is there; the network itself is left as it is.

    Args:
        network: (B, 3, S, S) float32 normalised pixels → (B, D), of any length; run without dropout and the like.
        facts: what the bundle says of itself.
        photos: on some of these the bundle is held against the network.
        draft: takes `model.onnx` and `model.json`.

    Raises:
        ConfigError: when the name is no name of a bundle.
        InputError: when the network cannot be written as a graph, or the disk refuses.
        MismatchError: when bundle and network do not give the same vectors.
        MissingExtraError: when onnx or onnxscript is absent.
    """
    unit = _UnitLength(copy.deepcopy(network).cpu().float()).eval().requires_grad_(False)
    graph, n_dimensions, notes = onnx_graph(unit, facts.side)
    info = _info(facts, graph, n_dimensions)
    write_files(draft, graph, info)
    write_finders(draft, facts.faces)
    agreed = agreement(Bundle.load(draft), _vectors_of(unit, info), "the network", photos)
    unseen = () if agreed.n_photos else ("no photo could be read: the bundle was checked on drawn pixels",)
    return Exported(draft, info, len(graph), *agreed, notes=(*notes, *unseen))


class _UnitLength(torch.nn.Module):
    """A network whose vectors are brought to unit length; zeros stay zeros."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) → (B, D)."""
        vectors = self.network(pixels)
        return vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp_min(_SMALLEST_LENGTH)


def onnx_graph(unit: torch.nn.Module, side_px: int) -> tuple[bytes, int, tuple[str, ...]]:
    """A module in eval mode as the bytes of a graph, the length of its vectors, and notes for the user.

    torch's exporter is asked first. What it cannot do is tried with the one before it, which records one run.

    Raises:
        InputError: when neither can.
        MissingExtraError: when onnx or onnxscript is absent.
    """
    require("a bundle of a network", "onnx", "onnxscript")
    import onnx

    example = torch.zeros(_N_EXAMPLES, 3, side_px, side_px)
    n_dimensions = _dimension(unit, example)
    notes: tuple[str, ...] = ()
    try:
        model = _exported(unit, example)
    except Exception as error:  # noqa: BLE001  exporters raise what they like, and there is a second one
        model = _recorded(unit, example, error)
        notes = (f"torch's exporter cannot do this network ({_first_line(error)}): the one before it was used",)
    _strip(model)
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        raise InputError(f"expected a valid graph of the network, found: {_first_line(error)}") from error
    return model.SerializeToString(deterministic=True), n_dimensions, notes


def _dimension(unit: torch.nn.Module, example: torch.Tensor) -> int:
    try:
        with torch.no_grad():
            shape = tuple(unit(example).shape)
    except Exception as error:
        raise InputError(
            f"expected a network that takes {tuple(example.shape)} float32, found: {_first_line(error)}"
        ) from error
    if len(shape) != 2 or shape[0] != len(example):
        raise InputError(f"expected a network that gives (B, D), found the shape {shape} for {len(example)} photos")
    return int(shape[1])


def _exported(unit: torch.nn.Module, example: torch.Tensor) -> Any:
    with _quiet():
        program = torch.onnx.export(
            unit,
            (example,),
            dynamo=True,
            external_data=False,
            opset_version=_OPSET,
            input_names=["pixels"],
            output_names=["embedding"],
            dynamic_shapes=({0: torch.export.Dim("B")},),
            verbose=False,
        )
    return program.model_proto


def _recorded(unit: torch.nn.Module, example: torch.Tensor, before: Exception) -> Any:
    import onnx

    data = io.BytesIO()
    names = {"input_names": ["pixels"], "output_names": ["embedding"]}
    axes = {"pixels": {0: "B"}, "embedding": {0: "B"}}
    try:
        with _quiet():
            torch.onnx.export(
                unit, (example,), data, dynamo=False, opset_version=_LEGACY_OPSET, dynamic_axes=axes, **names
            )
    except Exception as error:
        raise InputError(
            "expected a network that torch can write as an ONNX graph, found one that it cannot: "
            f"{_first_line(before)}; take another backbone"
        ) from error
    return onnx.load_from_string(data.getvalue())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No chatter of the exporters: what they say is of their own inside, and the result is checked."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


def _strip(model: Any) -> None:
    """Take out what an exporter notes for debugging: names of files on this machine among it."""
    model.doc_string = ""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    model.graph.doc_string = ""
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
    for tensor in model.graph.initializer:
        tensor.doc_string = ""
        del tensor.metadata_props[:]


def _info(facts: BundleFacts, graph: bytes, n_dimensions: int) -> BundleInfo:
    stated = {name: value for name, value in vars(facts).items() if name not in ("side", "faces")}
    try:
        return BundleInfo(
            format=1,
            version="1",
            dimension=n_dimensions,
            input_side_px=facts.side,
            colour="RGB",
            weights=hash_of(graph),
            face=None if facts.faces is None else describe(facts.faces).face,
            **stated,
        )
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"expected a fitting '{key}' for the bundle, found: {first['msg']}", key=key) from error


def _vectors_of(unit: torch.nn.Module, info: BundleInfo) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    """What torch gives for pixels as the bundle takes them."""

    def vectors(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            return np.asarray(unit(torch.from_numpy(info.normalised(pixels))).numpy(), np.float32)

    return vectors


def _first_line(error: BaseException) -> str:
    """The cause of an exporter's error in one line: it is the innermost one that says what is wrong."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
