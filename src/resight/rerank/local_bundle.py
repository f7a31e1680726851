"""Bundles of learned local features: what `model.json` says of them, and how their graph is started.

The graph of kind "local_features" takes `photo` (1, 3, H, W) float32 RGB from 0 to 1, H and W whole
multiples of a unit, `mask` (1, 1, H, W) float32, 0 where no keypoint may lie, and `slots` (M,) float32,
of which only the length counts: so many keypoints are wanted. It gives `points` (M, 2), x and y in px,
`scores` (M,), 0 where there is no keypoint, the best first, and `descriptors` (M, D) of unit length.

The graph of kind "local_matcher" takes `points0` (M, 2), `points1` (N, 2), both from -1 to 1 along the
longer side and 0 in the middle, `codes0` (M, D) and `codes1` (N, D); it gives `there` (M,) int64, the
best of the N for each of the M, and `sure` (M,) from 0 to 1, which is 0 when the choice is not mutual.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resight.bundle_files import GRAPH, INFO, hash_of, read_graph, read_info
from resight.errors import ConfigError, InputError, MismatchError
from resight.images import READING

__all__ = ["LocalBundleInfo", "Started", "describe_local", "start_local"]

Kind = Literal["local_features", "local_matcher"]
Positive = Annotated[int, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]
Run = Callable[[Mapping[str, npt.NDArray[Any]]], list[npt.NDArray[Any]]]

_PORTS: dict[Kind, tuple[list[str], list[str]]] = {
    "local_features": (["photo", "mask", "slots"], ["points", "scores", "descriptors"]),
    "local_matcher": (["points0", "points1", "codes0", "codes1"], ["there", "sure"]),
}
_PREPROCESSING = {"kind", "dimension", "side_unit_px", "features", "weights"}


class LocalBundleInfo(BaseModel):
    """What `model.json` of such a bundle says; an unknown key is an error.

    Args:
        format: of this file.
        kind: whether it finds keypoints or matches them.
        name: short name, small letters, digits, `-`, `_` and `.`.
        version: of the bundle, for people.
        summary: what the model is, in a sentence.
        dimension: length D of a descriptor.
        side_unit_px: sides of the working photo are filled up to a multiple of it.
        features: for a matcher, the name of the bundle whose keypoints it was trained on.
        licence: of the weights, as an SPDX identifier.
        commercial_use: whether that licence allows it.
        authors: who made the weights.
        source: where the weights come from.
        changes: what was done to them.
        weights: `hash_of` the bytes of `model.onnx`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    kind: Kind
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    version: Text
    summary: Text
    dimension: Positive
    side_unit_px: Positive = 1
    features: str | None = None
    licence: Text
    commercial_use: bool
    authors: Text
    source: Text
    changes: Text
    weights: str = Field(pattern=r"^[0-9a-f]{64}$")

    @cached_property
    def model_id(self) -> str:
        """The name and a hash of weights, preprocessing and the way photos are read."""
        said = self.model_dump_json(include=_PREPROCESSING)
        return f"{self.name}@{hash_of(f'{said} reading {READING}'.encode())[:16]}"


@dataclass(frozen=True, eq=False)
class Started:
    """A graph that is ready to run.

    Args:
        info: what the bundle says of itself.
        run: names of inputs to arrays → the outputs; may be called from several threads at once.
        place: where the bundle lies.
    """

    info: LocalBundleInfo
    run: Run
    place: Path


def describe_local(bundle: str | Path) -> LocalBundleInfo:
    """What a bundle of local features says of itself, without starting it.

    Raises:
        InputError: when what lies there is not a bundle.
        ConfigError: when a key of its `model.json` is wrong.
    """
    place = Path(bundle)
    try:
        return LocalBundleInfo.model_validate_json(read_info(place))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(file)"
        raise ConfigError(
            f"{place / INFO}: key '{key}': {first['msg']}.", key=key, known=LocalBundleInfo.model_fields
        ) from error


def start_local(bundle: str | Path, kind: Kind, n_threads: int = 1) -> Started:
    """The model in a folder or zip, ready to run.

    Args:
        bundle: folder or zip.
        kind: what it has to be.
        n_threads: threads that one run takes.

    Raises:
        InputError: when what lies there is not a bundle, or its graph does not run.
        MismatchError: when it is of the other kind, or the graph is not the one it describes.
        ConfigError: when a key or the number of threads is wrong.
    """
    if isinstance(n_threads, bool) or not isinstance(n_threads, int) or n_threads < 1:
        raise ConfigError(f"expected n_threads as a whole number of at least 1, found {n_threads!r}", key="n_threads")
    place = Path(bundle)
    info = describe_local(place)
    if info.kind != kind:
        raise MismatchError(f"{place}: expected a bundle of kind '{kind}', found one of kind '{info.kind}'")
    return Started(info, _session(read_graph(place, info.weights), info, place, n_threads), place)


def _session(graph: bytes, info: LocalBundleInfo, place: Path, n_threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = n_threads, 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(f"{place}: onnxruntime cannot run this {GRAPH} ({str(error).splitlines()[0]})") from error
    found = [port.name for port in session.get_inputs()], [port.name for port in session.get_outputs()]
    if found != _PORTS[info.kind]:
        raise MismatchError(
            f"{place}: expected a {GRAPH} from {_PORTS[info.kind][0]} to {_PORTS[info.kind][1]}, as the kind "
            f"'{info.kind}' has it, found one from {found[0]} to {found[1]}"
        )

    def run(inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        try:
            return [np.asarray(output) for output in session.run(None, dict(inputs))]
        except Exception as error:  # engines raise what they like
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{place}: this {GRAPH} does not run ({reason})") from error

    return run
