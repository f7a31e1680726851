"""Smaller bundles of the same network: weights in 16 bits, or work in 8 bits; kept when they lose little.

With "fp16" weights are stored in 16 bits and computed with in 32: half the file, the same speed on every CPU. With
"int8" layers work in 8 bits, on ranges that photos of the catalogue set. Weights get 7 of them, since
processors without instructions of their own for it would overflow with 8, and a bundle travels.

The layers that make the last vector stay as they are: nothing behind them averages their errors out.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from resight.bundle_files import read_graph
from resight.core import Catalogue
from resight.embed import BundleInfo, describe, hash_of
from resight.errors import InputError, ResightError
from resight.train.bundles import pixels_of, write_files, write_finders
from resight.train.libraries import require

__all__ = ["Variant", "VariantKind", "halved", "in_8_bits", "variants"]

VariantKind = Literal["fp16", "int8"]

N_CALIBRATED = 64
"""Photos that set the ranges of "int8", at most."""

_WORTH_IT = 0.95  # of the bytes of the full graph; what is not smaller is no variant
_LEAST_WEIGHTS = 1024  # of a tensor that is worth storing in another way
_LEAST_FILTER = 32  # weights that are summed up; errors of fewer do not even out
_LARGEST_HALF = float(np.finfo(np.float16).max)
_WEIGHTED = {"Conv", "Gemm", "MatMul"}
_FOLLOWING = {"Clip", "Relu", "Add", "MaxPool"}
_WORDS = {"fp16": "weights stored in 16 bits", "int8": "layers work in 8 bits"}

Graph = Any
"""An ONNX model: onnx is imported where it is used."""


@dataclass(frozen=True)
class Variant:
    """A smaller bundle, or why there is none.

    Args:
        kind: "fp16" or "int8".
        path: its folder; None when it is refused.
        loss: of what it is judged by, against the full bundle; None when there was nothing to judge.
        n_bytes: of its graph; 0 when there is none.
        note: a sentence for the user.
    """

    kind: VariantKind
    path: Path | None
    loss: float | None
    n_bytes: int
    note: str


def variants(
    draft: Path,
    kinds: Sequence[VariantKind],
    photos: Catalogue,
    judge: Callable[[Path], float],
    tolerance: float,
    *,
    beside: Path | None = None,
) -> list[Variant]:
    """The smaller bundles that lose no more than is tolerated, each in a folder of its own: `<name>-<kind>`.

    Args:
        draft: folder or zip of the full bundle.
        kinds: which ones to make.
        photos: set the ranges of "int8"; those that cannot be read are passed over.
        judge: takes the path of a bundle, gives what it is worth, such as its open-set classification rate on
            photos that were kept back.
        tolerance: of that, which may be lost.
        beside: folder to write into; default: that of `draft`.

    Raises:
        InputError: when the disk refuses, or something lies where a variant is to lie.
        MissingExtraError: when onnx is absent.
        ResightError: whatever `judge` raises.
    """
    if not kinds:
        return []
    require("a smaller variant of a bundle", "onnx")
    home = draft.parent if beside is None else beside
    stem = draft.name if draft.is_dir() else draft.stem  # a folder may have a dot in its name, a zip ends in one
    worth = judge(draft)
    return [_made(kind, draft, photos, judge, worth, tolerance, home / f"{stem}-{kind}") for kind in kinds]


def _made(
    kind: VariantKind,
    draft: Path,
    photos: Catalogue,
    judge: Callable[[Path], float],
    worth: float,
    tolerance: float,
    place: Path,
) -> Variant:
    info = describe(draft)
    graph = read_graph(draft, info.weights)
    try:
        small = _loaded_and_changed(kind, graph, info, photos)
    except ResightError as error:
        return Variant(kind, None, None, 0, f"no {kind}: {error}")
    if len(small) > _WORTH_IT * len(graph):
        return Variant(kind, None, None, len(small), f"no {kind}: it would not be smaller ({_sizes(small, graph)})")
    said = info.model_copy(
        update={
            "name": f"{info.name}-{kind}",
            "changes": f"{info.changes}; {_WORDS[kind]}",
            "weights": hash_of(small),
        }
    )
    _write(place, small, said, draft)
    loss = _loss(judge, worth, place)
    if not loss <= tolerance:
        shutil.rmtree(place)
        return Variant(kind, None, loss, len(small), f"no {kind}: it loses {loss:.4f}, more than {tolerance:g}")
    stated = f"{said.changes}; loses {loss:.4f} of {worth:.4f} against {info.model_id}"
    write_files(place, small, said.model_copy(update={"changes": stated}))
    return Variant(kind, place, loss, len(small), f"{kind}: {_sizes(small, graph)}, loses {loss:.4f}")


def _loss(judge: Callable[[Path], float], worth: float, place: Path) -> float:
    """What a variant loses; one that cannot be judged leaves nothing behind."""
    try:
        return worth - judge(place)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _write(place: Path, graph: bytes, info: BundleInfo, draft: Path) -> None:
    try:
        place.mkdir(parents=True)
    except FileExistsError as error:
        raise InputError(
            f"expected a new folder for the bundle, found something in {place}: give another place"
        ) from error
    except OSError as error:
        raise InputError(f"expected to write the bundle into {place}, found: {error.strerror or error}") from error
    write_files(place, graph, info)
    write_finders(place, draft)


def _sizes(small: bytes, graph: bytes) -> str:
    return f"{len(small) / 1e6:.1f} MB instead of {len(graph) / 1e6:.1f} MB"


def _loaded_and_changed(kind: VariantKind, graph: bytes, info: BundleInfo, photos: Catalogue) -> bytes:
    import onnx

    model = onnx.load_from_string(graph)
    if kind == "fp16":
        halved(model)
    else:
        pixels = list(islice(pixels_of(_spread(photos), info), N_CALIBRATED))
        if not pixels:
            raise InputError("expected photos to set the ranges of 8 bits by, found none that can be read")
        model = in_8_bits(model, [info.normalised(one[None]) for one in pixels])
        halved(model)
    return bytes(model.SerializeToString(deterministic=True))


def _spread(photos: Catalogue) -> Catalogue:
    """The photos in an order in which the first few come from everywhere."""
    return photos.select(np.random.default_rng(0).permutation(len(photos)))


def halved(model: Graph) -> None:
    """Store the large weights of a graph in 16 bits, with a change to 32 behind them; done in place.

    A weight that 16 bits cannot hold stays, and so do filters that sum up few numbers.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph, casts = model.graph, []
    used_by = _users(graph)
    for tensor in graph.initializer:
        is_weight = {node.op_type for node in used_by.get(tensor.name, ())} <= {*_WEIGHTED, "Transpose"}
        n_summed = int(np.prod(tensor.dims[1:]))
        if tensor.data_type != TensorProto.FLOAT or not is_weight or np.prod(tensor.dims) < _LEAST_WEIGHTS:
            continue
        values = numpy_helper.to_array(tensor)
        if n_summed < _LEAST_FILTER or not np.abs(values).max() <= _LARGEST_HALF:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}/half"))
        casts.append(helper.make_node("Cast", [f"{name}/half"], [name], name=f"{name}/whole", to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def in_8_bits(model: Graph, photos: Sequence[npt.NDArray[np.float32]]) -> Graph:
    """A graph whose layers work in 8 bits; those that make the last vector are left alone.

    Args:
        model: gives one output.
        photos: (1, 3, S, S) each as the graph takes it; they set the ranges.

    Raises:
        InputError: when the graph has no such layers, or onnxruntime cannot do it.
    """
    with tempfile.TemporaryDirectory(prefix="resight-int8-") as folder:
        try:
            return _quantised(model, photos, Path(folder))
        except ResightError:
            raise
        except Exception as error:  # it raises what it likes
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"expected a graph that onnxruntime can bring to 8 bits, found: {reason}") from error


def _quantised(model: Graph, photos: Sequence[npt.NDArray[np.float32]], folder: Path) -> Graph:
    import onnx
    from onnxruntime import quantization

    ready = _prepared(model, folder / "prepared.onnx")
    chosen = _chosen(ready.graph)
    if not chosen:
        raise InputError("expected layers that can work in 8 bits, found none")
    onnx.save(ready, folder / "ready.onnx")
    quantization.quantize_static(
        str(folder / "ready.onnx"),
        str(folder / "done.onnx"),
        _Reader(ready.graph.input[0].name, photos),
        per_channel=True,
        reduce_range=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        nodes_to_quantize=chosen,
    )
    return onnx.load(folder / "done.onnx")


def _prepared(model: Graph, path: Path) -> Graph:
    """The same graph with norms folded into their layers, constants worked out and shapes stated."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    ready = onnx.shape_inference.infer_shapes(onnx.load(path))
    for number, node in enumerate(ready.graph.node):
        node.name = node.name or f"node_{number}"
    said = ready.metadata_props.add()
    said.key, said.value = "onnx.quant.pre_process", "onnxruntime.quant"  # else it advises to do what was done
    return ready


class _Reader:
    """Hands photos to onnxruntime, one by one."""

    def __init__(self, name: str, photos: Sequence[npt.NDArray[np.float32]]) -> None:
        self._left: Iterator[dict[str, npt.NDArray[np.float32]]] = iter([{name: one} for one in photos])

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        """The next photo, or None."""
        return next(self._left, None)


def _chosen(graph: Graph) -> list[str]:
    """The names of the layers with large weights, but of matrices not those that no other layer follows.

    In networks of convolutions also what cuts and adds their results: so it stays in 8 bits between them. What
    attention adds up has a wide range, and 8 bits are too few.
    """
    large = {one.name for one in graph.initializer if np.prod(one.dims) >= _LEAST_WEIGHTS}
    weighted = [node for node in graph.node if node.op_type in _WEIGHTED and large & {*node.input}]
    feeding = _feeding({name for node in weighted for name in node.input}, graph)
    chosen = {node.name: node for node in weighted if node.op_type == "Conv" or {*node.output} & feeding}
    if any(node.op_type in ("LayerNormalization", "Softmax") for node in graph.node):
        return list(chosen)
    constant = {one.name for one in graph.initializer}
    made = {name for node in chosen.values() for name in node.output}
    for node in graph.node:
        given = {name for name in node.input if name and name not in constant}
        if node.op_type in _FOLLOWING and given <= made:
            chosen[node.name] = node
            made |= {*node.output}
    return list(chosen)


def _feeding(names: set[str], graph: Graph) -> set[str]:
    """The values that some values are made from, themselves among them."""
    found = set(names)
    for node in reversed(graph.node):
        if found & {*node.output}:
            found |= {*node.input}
    return found


def _users(graph: Graph) -> dict[str, list[Any]]:
    used_by: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            used_by.setdefault(name, []).append(node)
    return used_by
