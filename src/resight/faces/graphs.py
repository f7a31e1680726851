"""Starting the ONNX graphs of face finders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.errors import InputError

__all__ = ["Run", "start_graph"]

Run = Callable[[npt.NDArray[np.float32]], list[npt.NDArray[Any]]]


def start_graph(graph: bytes, what: str, input_shape: tuple[int, ...]) -> Run:
    """A graph of one input, ready to run; may be called from several threads at once.

    Args:
        graph: the content of an ONNX file.
        what: it is, for messages.
        input_shape: that its input must have.

    Raises:
        InputError: when it does not start, or takes another input.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # photos run side by side, not their parts
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(f"onnxruntime cannot run this {what} ({str(error).splitlines()[0]})") from error
    shapes = [tuple(port.shape) for port in session.get_inputs()]
    fits = len(shapes) == 1 and len(shapes[0]) == len(input_shape)
    if not fits or any(isinstance(a, int) and a != b for a, b in zip(shapes[0], input_shape, strict=True)):
        raise InputError(f"expected a {what} that takes {input_shape}, found one that takes {shapes}")
    name = session.get_inputs()[0].name

    def run(batch: npt.NDArray[np.float32]) -> list[npt.NDArray[Any]]:
        return [np.asarray(output) for output in session.run(None, {name: batch})]

    return run
