"""What runs the graph of a bundle: onnxruntime on the processor or on a GPU, or OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt

from resight.bundle_files import GRAPH, INFO
from resight.errors import InputError, MismatchError, MissingExtraError

if TYPE_CHECKING:
    from resight.embed.bundle import BundleInfo

__all__ = ["ENGINES", "Engine", "Session"]

Engine = Literal["onnxruntime", "openvino", "cuda"]

_CUDA = "CUDAExecutionProvider"


class Session(Protocol):
    """A graph that is ready to run."""

    def __call__(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(B, 3, S, S) → (B, D); may be called from several threads at once."""
        ...


def _onnxruntime(
    graph: bytes,
    info: BundleInfo,
    place: Path,
    threads: int,  # noqa: ARG001 - see _openvino
    provider: str = "CPUExecutionProvider",
) -> Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the photos run side by side, not their parts
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=[provider])
    except Exception as error:
        raise InputError(f"{place}: onnxruntime cannot run this {GRAPH} ({str(error).splitlines()[0]})") from error
    if provider not in session.get_providers():  # it would go on by the processor, and only log that
        raise _no_gpu(f"one that does not start it (it runs by {', '.join(session.get_providers())})")
    inputs, outputs = session.get_inputs(), session.get_outputs()
    _check_shapes(info, place, [list(one.shape) for one in inputs], [list(one.shape) for one in outputs])
    name = inputs[0].name

    def run(batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(session.run(None, {name: batch})[0], np.float32)

    return run


def _cuda(graph: bytes, info: BundleInfo, place: Path, threads: int) -> Session:
    import onnxruntime

    if _CUDA not in onnxruntime.get_available_providers():
        raise _no_gpu("one for the processor only")
    return _onnxruntime(graph, info, place, threads, _CUDA)


def _no_gpu(found: str) -> InputError:
    return InputError(
        f"expected an onnxruntime with CUDA for the engine 'cuda', found {found}: put the package onnxruntime-gpu in "
        "place of onnxruntime, on a machine with an NVIDIA GPU and its driver"
    )


def _openvino(graph: bytes, info: BundleInfo, place: Path, threads: int) -> Session:
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("openvino", "openvino", "the engine 'openvino'") from error
    core = openvino.Core()
    # Left alone, OpenVINO computes in bfloat16 on some processors, and vectors would differ between machines.
    pinned = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": threads, "INFERENCE_NUM_THREADS": threads}
    try:
        model = core.compile_model(core.read_model(graph), "CPU", pinned)
    except Exception as error:
        raise InputError(f"{place}: OpenVINO cannot run this {GRAPH} ({str(error).splitlines()[0]})") from error
    _check_shapes(info, place, [_dimensions(one) for one in model.inputs], [_dimensions(one) for one in model.outputs])

    def run(batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.array(model.create_infer_request().infer([batch])[0], np.float32)

    return run


ENGINES: dict[Engine, Callable[..., Session]] = {"onnxruntime": _onnxruntime, "openvino": _openvino, "cuda": _cuda}
"""What starts the graph of a bundle: (graph, info, place, threads) → Session."""


def _dimensions(port: object) -> list[object]:
    return [one.get_length() if one.is_static else "B" for one in port.partial_shape]  # type: ignore[attr-defined]


def _check_shapes(info: BundleInfo, place: Path, inputs: list[list[object]], outputs: list[list[object]]) -> None:
    side = info.input_side_px
    fits = len(inputs) == len(outputs) == 1 and len(inputs[0]) == 4 and len(outputs[0]) == 2
    # A size that the graph leaves open fits; that a picture goes through is tried afterwards.
    stated = (3, side, side), (info.dimension,)
    if not fits or not all(_agree(one[0][1:], wanted) for one, wanted in zip((inputs, outputs), stated, strict=True)):
        raise MismatchError(
            f"{place}: expected a graph from (B, 3, {side}, {side}) to (B, {info.dimension}) as {INFO} states, "
            f"found one from {inputs} to {outputs}"
        )


def _agree(found: list[object], stated: tuple[int, ...]) -> bool:
    return all(not isinstance(a, int) or a == b for a, b in zip(found, stated, strict=True))
