"""Forged photos: what a plain embedder, heads that learned forgeries, and a forgery head beside it make of them.

    python benchmarks/forgeries.py                              the bundle of faces if it is there, else the shipped one
    python benchmarks/forgeries.py --model efficientnet-lite0   another bundle, by name or path
    python benchmarks/forgeries.py --quality 40 60              all photos, real and forged, compressed harder
    python benchmarks/forgeries.py --seed 1                     persons dealt anew, and forged anew
    python benchmarks/forgeries.py --quick                      a fifth of the persons
    python benchmarks/forgeries.py --epochs 10                  a network as well, minutes per epoch; needs onnx2torch

A set is forged from `faces_lfw_dev` (`RESIGHT_DATA`, by default `../shared/data` beside the project), as by `resight
forge`: swaps of the inner face, warps and traces of up-sampling; half of the persons train, a fifth is the validation,
the others are the test. Measured on the pairs of the test, with intervals over persons: the equal error rate of all
pairs, of genuine pairs against two persons (`eer_real`), and against forged photos of the right person (`eer_fake`):

  (a) plain       the cosine of the bundle
  (b) head        the cosine of a head on its vectors (recipe `faces-head`), forgeries of a person as someone else
  (c) fused       (a) and the forgery head, weighed by a stack that is fitted on the pairs of the validation, on which
                  the bound of the head's doubt was chosen as well
  (d) head fused  (b) and the forgery head, likewise
  (e) network     with --epochs: the cosine of the bundle's own network, trained on by the recipe `faces`, forgeries of
                  a person as someone else; its best epoch by persons that it did not learn
  (f) network fused

The forgery head and the heads learn on the persons of the train part alone. `--quality` forges another set, on which
everything is learned anew. These forgeries are simple: the figures say that the method does what it should, not that
it withstands the forgeries of today.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import sklearn

import resight
from resight.config import HeadRecipe, TrainRecipe, overridden
from resight.core import Catalogue, PhotoPairs
from resight.datasets import forge_photos, read_catalogue
from resight.embed import DEFAULT_BUNDLE, bundle_path, describe
from resight.machine import usable_cores
from resight.pipeline import index_photos, verify_pairs
from resight.pipeline.forgery import ForgeryEvidence
from resight.train import train_forgery, train_head, train_network

DATA = Path(os.environ.get("RESIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
FACES = Path(__file__).parents[1] / "build" / "models" / "faceplugin"
RESULTS = Path(__file__).parent / "results"
SEED = 0
LEAST_CUT, MOST_LOST = 0.5, 1.1  # eer_fake at least halved, eer_real worse by a tenth at most


def faces(share: float) -> Catalogue:
    root = DATA / "faces_lfw_dev"
    photos = read_catalogue(root, root / "metadata.csv")
    if share == 1:
        return photos
    names = sorted(photos.frame["identity"].unique().to_list())
    kept = np.random.default_rng(SEED).permutation(names)[: round(share * len(names))].tolist()
    return photos.select(pl.col("identity").is_in(kept))


def pairs_of(forged: Path, part: str) -> PhotoPairs:
    """The pairs of a part, each photo once, though the test holds a copy of it per pair."""
    table = pl.read_csv(forged / f"{part}_pairs.csv", infer_schema=False)
    row_of: dict[str, int] = {}
    paths: list[str] = []

    def row(path: str) -> int:
        content = hashlib.blake2b((forged / path).read_bytes()).hexdigest()
        if content not in row_of:
            row_of[content] = len(paths)
            paths.append(path)
        return row_of[content]

    sides = {
        side: [row(path) for path in table[column]] for side, column in (("first", "path_a"), ("second", "path_b"))
    }
    frame = table.drop("path_a", "path_b").with_columns(
        pl.col("same") == "1", *(pl.Series(*one) for one in sides.items())
    )
    return PhotoPairs(Catalogue(pl.DataFrame({"image_id": paths, "path": paths}), forged), frame)


def trained_on(model: str, catalogue: Path, run: Path, n_epochs: int, seed: int) -> Path:
    """The bundle's network after some epochs of the recipe `faces`, begun from what it is."""
    from resight.train.networks.body import Given, body_of

    info = describe(model)
    given = Given(info.mean, info.std, info.source, info.licence, info.commercial_use, info.authors)
    settings = {
        "photos.faces": None if info.face is None else model,
        "photos.resize": info.resize,
        "network.pooling": "average",  # of one place
        "network.n_dimensions": None,
        "network.neck": "none",  # so that it begins with the vectors that the bundle gives
        "stages.0.side_px": info.input_side_px,
        "stages.0.n_epochs": n_epochs,
        "loop.precision": "full",
    }
    recipe = overridden(TrainRecipe.read("faces"), settings)
    body = body_of(module_of(model), given, side_px=info.input_side_px)
    found = train_network(catalogue, run=run, recipe=recipe, name="network", seed=seed, backbone=body)
    print(found, flush=True)
    return run / "bundle"


def module_of(model: str) -> Any:
    """A bundle's graph, up to what its vectors are before they get unit length, as a torch module."""
    import onnx
    from onnx2torch import convert

    graph = onnx.load(bundle_path(model) / "model.onnx")
    made_by = {output: node for node in graph.graph.node for output in node.output}
    cut = graph.graph.node[-1].input[0]
    while made_by[cut].op_type in ("Reshape", "Flatten"):  # they may hold the size of a batch
        cut = made_by[cut].input[0]
    n_kept = 1 + next(row for row, node in enumerate(graph.graph.node) if cut in node.output)
    del graph.graph.node[n_kept:], graph.graph.output[:]
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(cut))
    return convert(graph)


def measured(
    test: PhotoPairs, validation: PhotoPairs, out: Path, model: Path | str, evidence: tuple[Any, ...] = ()
) -> dict[str, Any]:
    found = verify_pairs(test, model=model, out=out, calibrate_on=validation, evidence=evidence, seed=SEED)
    measures = found.measures
    estimates = {"eer": measures.eer["sklearn"], "eer_real": measures.eer_real, "eer_fake": measures.eer_fake}
    return {
        **{name: one.to_json() for name, one in estimates.items()},
        "kinds": {name: one.to_json() for name, one in measures.kinds.items()},
        "n_not_compared": measures.n_not_compared,
        "stack": found.calibration.to_json() if evidence else None,
    }


def measure(
    model: str, share: float, quality: tuple[int, int], folder: Path, seed: int, n_epochs: int
) -> dict[str, Any]:
    start = time.perf_counter()
    forged = forge_photos(faces(share), folder / "forged", quality=quality, seed=seed)
    took = {"forging": time.perf_counter() - start}
    photos = read_catalogue(forged.out)
    catalogue = folder / "catalogue"
    indexed = index_photos(photos.select(pl.col("split") == "train"), catalogue, model=model)
    start = time.perf_counter()
    base = train_forgery(catalogue, folder / "forgery", seed=seed)
    took["forgery head"] = time.perf_counter() - start
    recipe = HeadRecipe.read("faces-head")
    recipe = recipe.model_copy(update={"validation": recipe.validation.model_copy(update={"only_if_better": False})})
    head = train_head(catalogue, recipe=recipe, out=folder / "head", name="head", seed=seed)
    beside_head = train_forgery(catalogue, folder / "forgery-head", model=folder / "head", seed=seed)
    test, validation = pairs_of(forged.out, "test"), pairs_of(forged.out, "val")
    runs = {
        "plain": (model, ()),
        "head": (folder / "head", ()),
        "fused": (model, (ForgeryEvidence(base.head),)),
        "head fused": (folder / "head", (ForgeryEvidence(beside_head.head),)),
    }
    if n_epochs:
        start = time.perf_counter()
        network = trained_on(model, catalogue, folder / "network", n_epochs, seed)
        took["network"] = time.perf_counter() - start
        beside_network = train_forgery(catalogue, folder / "forgery-network", model=network, seed=seed)
        runs |= {"network": (network, ()), "network fused": (network, (ForgeryEvidence(beside_network.head),))}
    places = {model: "plain", folder / "head": "head"}
    kept = {name: folder / f"verified-{places.get(one, 'network')}" for name, (one, _) in runs.items()}
    figures = {name: measured(test, validation, kept[name], *run) for name, run in runs.items()}
    plain, fused = figures["plain"], figures["fused"]
    return {
        "benchmark": "forgeries",
        "seed": seed,
        "model": indexed.model,
        "quality": quality,
        "set": {key: value for key, value in forged.to_json().items() if key not in ("out", "failures")},
        "n_without_vector": len(indexed.failures),
        "head": head.chosen,
        "forgery head": {name: one.to_json() for name, one in base.figures.items()},
        "figures": figures,
        "ratios": {
            name: {of: one[of]["value"] / plain[of]["value"] for of in ("eer_real", "eer_fake")}
            for name, one in figures.items()
        },
        "reached": fused["eer_fake"]["value"] <= LEAST_CUT * plain["eer_fake"]["value"]
        and fused["eer_real"]["value"] <= MOST_LOST * plain["eer_real"]["value"],
        "seconds": took,
        "load_average": os.getloadavg()[0],
        "n_cores": usable_cores(),
        "versions": {
            "resight": resight.__version__,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "python": platform.python_version(),
        },
    }


def tell(result: dict[str, Any]) -> None:
    print(f"{result['model']}, JPEG quality {result['quality'][0]} to {result['quality'][1]}, head: {result['head']}")
    told = "  ".join(f"{name} {_shown(one)}" for name, one in result["forgery head"].items())
    print(f"forgery head on persons that it never saw: {told}")
    for name, one in result["figures"].items():
        print(f"{name:<11}", "  ".join(f"{of} {_shown(one[of])}" for of in ("eer", "eer_real", "eer_fake")))
        print(" " * 11, "  ".join(f"{kind} {_shown(of)}" for kind, of in one["kinds"].items()))
    print("eer_fake at least halved and eer_real at most a tenth worse:", "yes" if result["reached"] else "no")


def _shown(one: dict[str, float]) -> str:
    return f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what forged photos do to verification.")
    parser.add_argument(
        "--model", default=str(FACES) if FACES.is_dir() else DEFAULT_BUNDLE, help="bundle, by name or path"
    )
    parser.add_argument("--quality", type=int, nargs=2, default=[75, 95], help="range of the JPEGs")
    parser.add_argument("--seed", type=int, default=SEED, help="deals persons and forges anew")
    parser.add_argument("--quick", action="store_true", help="a fifth of the persons")
    parser.add_argument("--epochs", type=int, default=0, help="of a network, by the recipe `faces`")
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        low, high = arguments.quality
        share = 0.2 if arguments.quick else 1
        result = measure(arguments.model, share, (low, high), Path(folder), arguments.seed, arguments.epochs)
    again = "" if arguments.seed == SEED else f"-seed-{arguments.seed}"
    out = arguments.out or RESULTS / f"forgeries-{result['model'].split('@')[0]}{again}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    tell(result)
    return 0 if result["reached"] or arguments.quick else 1


if __name__ == "__main__":
    raise SystemExit(main())
