"""A model file of the user's own, made a bundle: checked by running it, its licence written down.

Nothing is fetched. The file is copied into a folder of bundles, where `bundle_path` finds it by its name.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from resight.bundle_files import GRAPH, INFO, asks_for_other_files, hash_of
from resight.embed.bundle import UNIT_TOLERANCE, Bundle, BundleInfo
from resight.embed.linear_head import with_unit_length
from resight.embed.places import added_folder, shipped_bundles
from resight.errors import ConfigError, InputError, MismatchError
from resight.faces import FaceAligner

__all__ = ["AddedBundle", "add_bundle"]

N_TRIED = 3
"""Drawn pictures that a model is tried on."""

_MAX_BYTES = 2_000_000_000
_LEAST_APART = 1e-4  # in cosine, between the vectors of pictures that have nothing in common
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_LICENCE = re.compile(r"\(?[A-Za-z0-9][A-Za-z0-9.+:-]*\)?( (AND|OR|WITH) \(?[A-Za-z0-9][A-Za-z0-9.+:-]*\)?)*")
_NOT_TOLD = "not stated"


@dataclass(frozen=True)
class AddedBundle:
    """A model that was added.

    Args:
        bundle: its folder.
        info: what it says.
        notes: sentences for the user.
    """

    bundle: Path
    info: BundleInfo
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        info = self.info.model_dump(mode="json", exclude_none=True)
        return {"bundle": str(self.bundle), "model_id": self.info.model_id, "notes": list(self.notes), **info}


def add_bundle(
    graph: str | Path,
    name: str,
    *,
    licence: str,
    commercial_use: bool,
    side_px: int,
    resize: str = "squash",
    colour: str = "RGB",
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5),
    std: tuple[float, float, float] = (127.5, 127.5, 127.5),
    face: Mapping[str, Any] | None = None,
    face_files: Mapping[str, str | Path] | None = None,
    summary: str = "",
    authors: str = "",
    source: str = "",
    folder: str | Path | None = None,
) -> AddedBundle:
    """Make a bundle of an ONNX file, try it, and put it where its name is found.

    The graph takes (1, 3, S, S) or (B, 3, S, S) float32 and gives (B, D). Vectors that are not of unit length are
    brought to it inside the graph.

    Args:
        graph: the ONNX file, with all weights inside.
        name: of the bundle: small letters, digits, `-`, `_` and `.`.
        licence: of the weights: an SPDX identifier, or `LicenseRef-...` for one that has none.
        commercial_use: whether that licence allows it.
        side_px: side S of the square that the model takes.
        resize: how a photo is brought to it: "squash", "crop" or "pad"; of a model of faces, a photo without a face.
        colour: order of the channels that the model takes, "RGB" or "BGR".
        mean: taken off each channel, in pixel values of 0 to 255 and in the model's order.
        std: each channel is divided by it then.
        face: of a model of faces the keys of `resight.faces.FaceInfo`, without `files`.
        face_files: what finds faces: `detector.onnx`, and `landmarks.onnx` where the finder needs it, each
            with the file on disk.
        summary: what the model is.
        authors: who made the weights.
        source: where the weights come from.
        folder: of bundles; default: `added_folder()`.

    Raises:
        InputError: when the file is no graph, does not run, gives vectors that say nothing, or the name is taken.
        MismatchError: when the graph takes or gives another shape.
        ConfigError: when a setting is wrong.
        UnknownNameError: when no face finder has that name.

    Example:
        >>> add_bundle("w600k_r50.onnx", "arcface-r50", licence="LicenseRef-research", commercial_use=False,
        ...            side_px=112, face={"finder": "yunet"},
        ...            face_files={"detector.onnx": "yunet.onnx"})  # doctest: +SKIP
    """
    home = added_folder() if folder is None else Path(folder)
    _check_words(name, licence, home)
    content = _read(Path(graph))
    files = {key: _read(Path(path)) for key, path in (face_files or {}).items()}
    asked = _asked(
        name=name, summary=summary.strip() or f"the file {Path(graph).name}",
        input_side_px=side_px, resize=resize, colour=colour, mean=mean, std=std, licence=licence,
        commercial_use=commercial_use, authors=authors.strip() or _NOT_TOLD,
        source=source.strip() or f"the file {Path(graph).name}, added by the user",
        face=_face_says(face, files),
    )  # fmt: skip
    if asked.face is not None:
        FaceAligner.start(asked.face, files, Path(graph), asked.resize)
    made, content, notes = _tried(content, asked, Path(graph))
    bundle = _written(home, made, content, files)
    if not commercial_use:
        notes = (*notes, f"the licence {licence} does not allow commercial use")
    return AddedBundle(bundle, made, notes)


def _check_words(name: str, licence: str, home: Path) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"expected a name of small letters, digits, '-', '_' and '.' for the bundle, found '{name}'", key="name"
        )
    if name in shipped_bundles():
        raise InputError(f"expected another name than that of a bundle that ships with resight, found '{name}'")
    if (home / name).exists():
        raise InputError(f"expected a new name, found something in {home / name}: give another name, or remove it")
    if not _LICENCE.fullmatch(licence):
        raise ConfigError(
            "expected the licence as an SPDX identifier, such as MIT, Apache-2.0 or LicenseRef-research-only, found "
            f"'{licence}'",
            key="licence",
        )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"expected an ONNX file of at most {_MAX_BYTES:,} bytes, found a larger one in {path}")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"expected an ONNX file in {path}, found: {error.strerror or error}") from error
    try:
        elsewhere = asks_for_other_files(content)
    except ValueError as error:
        raise InputError(f"expected an ONNX graph in {path}, found {error}") from error
    if elsewhere:
        raise InputError(
            f"expected a graph with all its weights in {path}, found weights in further files: save it as one"
        )
    return content


def _face_says(face: Mapping[str, Any] | None, files: Mapping[str, bytes]) -> dict[str, Any] | None:
    if face is None:
        if files:
            raise ConfigError(f"expected the name of a face finder beside {sorted(files)}, found none", key="face")
        return None
    return {**face, "files": {name: hash_of(content) for name, content in files.items()}}


def _asked(**says: Any) -> BundleInfo:
    """What the bundle will say, before it is known what its vectors are like."""
    try:
        return BundleInfo(format=1, version="1", dimension=1, changes="none", weights="0" * 64, **says)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"expected settings that a bundle can have, found '{key}' = {first['input']!r}: {first['msg']}.", key=key
        ) from error


def _tried(content: bytes, asked: BundleInfo, path: Path) -> tuple[BundleInfo, bytes, tuple[str, ...]]:
    """What the bundle says, its graph, and notes, once the model has shown that it works."""
    vectors = _vectors_of(content, asked, path)
    lengths = np.linalg.norm(vectors, axis=1)
    if not (np.isfinite(vectors).all() and (lengths > 0).all()):
        raise InputError(f"{path}: expected finite vectors that are not zero, found others")
    unit = vectors / lengths[:, None]
    if min(1 - float(unit[0] @ other) for other in unit[1:]) < _LEAST_APART:
        raise InputError(
            f"{path}: expected different vectors of different pictures, found the same: are side, mean and std right?"
        )
    notes: tuple[str, ...] = ()
    changes = asked.changes
    if np.abs(lengths - 1).max() > UNIT_TOLERANCE:
        content = with_unit_length(content, vectors.shape[1])
        changes = "vectors brought to unit length inside the graph"
        notes = (f"its vectors had lengths of {lengths.min():.3g} to {lengths.max():.3g}: {changes}",)
    learned = {"dimension": vectors.shape[1], "changes": changes, "weights": hash_of(content)}
    return BundleInfo(**{**asked.model_dump(), **learned}), content, notes


def _vectors_of(content: bytes, info: BundleInfo, path: Path) -> npt.NDArray[np.float32]:
    """(3, D) of drawn pictures, straight from the graph."""
    session = _session(content, path)
    side = info.input_side_px
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = list(inputs[0].shape) if len(inputs) == 1 else []
    agrees = [not isinstance(a, int) or a == b for a, b in zip(shape[1:], (3, side, side), strict=False)]
    if len(shape) != 4 or not all(agrees) or len(outputs) != 1:
        raise MismatchError(
            f"{path}: expected a graph with one input (B, 3, {side}, {side}) and one output (B, D), found inputs "
            f"{[one.shape for one in inputs]} and outputs {[one.shape for one in outputs]}"
        )
    pictures = [_drawn(side, seed) for seed in range(N_TRIED)]
    try:
        found = [np.asarray(session.run(None, {inputs[0].name: info.normalised(one[None])})[0]) for one in pictures]
    except Exception as error:
        raise InputError(f"{path}: this graph does not run ({str(error).splitlines()[0]})") from error
    if any(one.ndim != 2 or len(one) != 1 for one in found):
        raise MismatchError(f"{path}: expected vectors (1, D) of one picture, found the shape {found[0].shape}")
    return np.concatenate(found).astype(np.float32)


def _drawn(side: int, seed: int) -> npt.NDArray[np.uint8]:
    """Large patches of drawn colours, (side, side, 3): fine noise looks the same to a model each time."""
    patches = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    at = np.arange(side) * 5 // side
    return patches[at][:, at]


def _session(content: bytes, path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(f"{path}: onnxruntime cannot run this graph ({str(error).splitlines()[0]})") from error


def _written(home: Path, info: BundleInfo, graph: bytes, files: Mapping[str, bytes]) -> Path:
    """The bundle in its folder, loaded once before it gets its name."""
    place = home / info.name
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=".draft-", ignore_cleanup_errors=True) as folder:
            draft = Path(folder, info.name)
            draft.mkdir()
            for name, content in {GRAPH: graph, INFO: info.to_text().encode(), **files}.items():
                (draft / name).write_bytes(content)
            Bundle.load(draft, threads=1)
            draft.rename(place)
    except OSError as error:
        raise InputError(f"expected to write the bundle to {place}, found: {error.strerror or error}") from error
    return place
