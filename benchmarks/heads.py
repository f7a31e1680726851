"""Heads on stored vectors: what they are worth on encounters that they never saw, and how long they take.

    python benchmarks/heads.py                  both parts
    python benchmarks/heads.py --only worth     figures on real photos
    python benchmarks/heads.py --only speed     seconds on drawn vectors
    python benchmarks/heads.py --quick          a tenth of the drawn vectors, and of the real photos the smallest set

Worth: the shipped bundle on NyalaData (same side), LionData and ORL (`RESIGHT_DATA`, by default `../shared/data`
beside the project). Five folds: the individuals of one are strangers to a head, of each of the next one encounter
asks, everything else is learned from and is the gallery. All heads of `recipes/heads.toml` are tried. "choice" is
what choosing is worth: each fold judged by the head that is best for everyone else; its gain over no head is paired.

Speed: closed forms on 50,000 x 512 vectors beside scikit-learn's LDA on the same; and an epoch of ArcFace on 51,033 x
1,280 vectors of 15,587 classes beside pytorch-metric-learning's loss in a plain loop, of which some steps are timed.
Ours holds each batch against 4,096 classes drawn anew, and, on the line "all classes", against all as theirs does.
Other work on the machine slows every side; the load is written beside the result.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytorch_metric_learning
import sklearn
import torch
from pytorch_metric_learning.losses import ArcFaceLoss
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import resight
from resight.config import ArcFaceOptions, HeadRecipe, LdaOptions, WhiteningOptions
from resight.core import Catalogue, Embeddings
from resight.datasets import detect, read_catalogue
from resight.embed import DEFAULT_BUNDLE, Bundle, embed_all
from resight.machine import usable_cores
from resight.train.examples import Examples
from resight.train.heads.trials import heads_of, try_heads
from resight.train.judging import MEASURES, choose_head

DATA = Path(os.environ.get("RESIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
RECIPE = Path(__file__).parent / "recipes" / "heads.toml"
RESULTS = Path(__file__).parent / "results" / "heads.json"
SETS = {"faces_orl": (), "wildlife_lion": (), "wildlife_nyala_dev": ("side",)}
N_CLOSED, D_CLOSED, N_CLASSES_CLOSED = 50_000, 512, 5_000
N_LEARNED, D_LEARNED, N_CLASSES_LEARNED = 51_033, 1_280, 15_587
N_PHOTOS_PER_BATCH, N_STEPS_TIMED = 256, 10
TARGET_RATIO = 2.0
SEED = 0


def real(name: str, same: tuple[str, ...]) -> Examples:
    layout, _ = detect(DATA / name, None)
    photos = read_catalogue(DATA / name, None, layout=layout).labelled()
    found = embed_all(photos, Bundle.load(DEFAULT_BUNDLE)).embeddings
    return Examples(photos.select(found.image_ids), found, same)


def worth(name: str) -> dict[str, Any]:
    examples = real(name, SETS[name])
    start = time.process_time()
    verdicts, tried, faults = try_heads(examples, HeadRecipe.read(RECIPE), SEED)
    chosen = choose_head(verdicts, seed=SEED)
    kinds: dict[str, str] = {"none": "none"}  # of each kind the best setting
    for one, of in tried.items():
        best = kinds.get(of.options.title)
        if best is None or verdicts.mean(one) > verdicts.mean(best):
            kinds[of.options.title] = one
    none = verdicts.pooled("none")
    return {
        "n_photos": len(examples),
        "n_individuals": examples.catalogue.n_identities,
        "cpu_seconds": time.process_time() - start,
        "chosen": chosen.name,
        "heads": {
            setting: {
                "figures": {of: verdicts.pooled(setting).estimate(of).to_json() for of in MEASURES},
                "gains": {of: verdicts.pooled(setting).estimate(of, over=none).to_json() for of in MEASURES},
            }
            for setting in kinds.values()
        },
        "choice": {
            "figures": {of: one.to_json() for of, one in chosen.figures.items()},
            "gains": {of: one.to_json() for of, one in chosen.gains.items()},
        },
        "faults": list(faults),
    }


def drawn(n: int, dimension: int, n_classes: int) -> Examples:
    """Vectors of individuals whose sizes fall as in a contest: many with one photo, few with many."""
    rng = np.random.default_rng(SEED)
    share = 1 / np.arange(1, n_classes + 1) ** 0.6
    who = np.concatenate([np.arange(n_classes), rng.choice(n_classes, n - n_classes, p=share / share.sum())])
    vectors = rng.standard_normal((n_classes, dimension), np.float32)[who]
    vectors += 2 * rng.standard_normal((n, dimension), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.char.add("p", np.arange(n).astype(np.str_))
    frame = pl.DataFrame({"image_id": ids, "path": ids, "identity": np.char.add("i", who.astype(np.str_))})
    return Examples(Catalogue(frame, "."), Embeddings(ids, vectors, "drawn"))


def timed(work: Callable[[], Any]) -> dict[str, float]:
    start, cpu_start = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu_start}


def closed_speed(part: int) -> dict[str, dict[str, float]]:
    examples = drawn(N_CLOSED // part, D_CLOSED, N_CLASSES_CLOSED // part)
    vectors, classes = examples.vectors, examples.classes

    def fresh() -> Examples:
        return Examples(examples.catalogue, examples.embeddings)

    one = LdaOptions(shrinkage=(0.1,), weights=("even",))
    warnings.simplefilter("ignore")  # the other side warns of each individual with one photo
    return {
        "whitening": timed(lambda: list(heads_of(WhiteningOptions(shrinkage=(0.01,)), fresh(), SEED))),
        "lda": timed(lambda: list(heads_of(one, fresh(), SEED))),
        "scikit-learn, eigen": timed(lambda: LinearDiscriminantAnalysis("eigen", shrinkage=0.1).fit(vectors, classes)),
        "scikit-learn, svd": timed(lambda: LinearDiscriminantAnalysis("svd").fit(vectors, classes)),
    }


def plain_loop(examples: Examples, n_steps: int) -> None:
    """What one writes with the library: a linear layer, its loss, Adam, batches as they come."""
    torch.manual_seed(SEED)
    vectors, classes = torch.tensor(examples.vectors), torch.tensor(examples.classes)
    layer = torch.nn.Linear(vectors.shape[1], 512)
    loss = ArcFaceLoss(num_classes=int(classes.max()) + 1, embedding_size=512, margin=17.2, scale=24)
    optimiser = torch.optim.Adam([*layer.parameters(), *loss.parameters()], lr=0.003)
    for rows in torch.randperm(len(classes)).split(N_PHOTOS_PER_BATCH)[:n_steps]:
        optimiser.zero_grad()
        loss(layer(vectors[rows]), classes[rows]).backward()
        optimiser.step()


def learned_speed(part: int) -> dict[str, dict[str, float]]:
    examples = drawn(N_LEARNED // part, D_LEARNED, N_CLASSES_LEARNED // part)
    n_steps = round(len(examples) / N_PHOTOS_PER_BATCH)
    found = {"start": timed(lambda: examples.spread)}
    for name, n_classes in (("arcface", ArcFaceOptions().n_classes_per_batch), ("arcface, all classes", 10**6)):
        options = ArcFaceOptions(n_epochs=(1,), n_photos_per_batch=N_PHOTOS_PER_BATCH, n_classes_per_batch=n_classes)
        found[name] = timed(lambda options=options: list(heads_of(options, examples, SEED)))
    some = timed(lambda: plain_loop(examples, N_STEPS_TIMED))
    found["pytorch-metric-learning"] = {key: took * n_steps / N_STEPS_TIMED for key, took in some.items()}
    return found


def measure(only: str | None, part: int) -> dict[str, Any]:
    result: dict[str, Any] = {"benchmark": "heads", "seed": SEED, "model": DEFAULT_BUNDLE, "part": part}
    if only != "speed":
        result["worth"] = {name: worth(name) for name in (SETS if part == 1 else ["faces_orl"])}
    if only != "worth":
        result["speed"] = {"closed": closed_speed(part), "an epoch": learned_speed(part)}
        epoch = result["speed"]["an epoch"]
        theirs = epoch["pytorch-metric-learning"]["seconds"]
        result["ratios"] = {
            name: theirs / took["seconds"] for name, took in epoch.items() if name.startswith("arcface")
        }
    return {
        **result,
        "load_average": os.getloadavg()[0],
        "n_cores": usable_cores(),
        "machine": platform.machine(),
        "versions": {
            "resight": resight.__version__,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "torch": str(torch.__version__),
            "pytorch-metric-learning": pytorch_metric_learning.__version__,
            "python": platform.python_version(),
        },
    }


def tell(result: dict[str, Any]) -> None:
    for name, found in result.get("worth", {}).items():
        print(f"{name}: {found['n_photos']} photos of {found['n_individuals']} individuals, chosen: {found['chosen']}")
        for setting, one in [*found["heads"].items(), ("choice", found["choice"])]:
            told = (f"{of} {one['figures'][of]['value']:.3f} ({_gain(one['gains'][of])})" for of in MEASURES)
            print(f"  {setting:36}", "  ".join(told))
    for what, sides in result.get("speed", {}).items():
        for name, took in sides.items():
            print(f"{what:10} {name:26} {took['seconds']:8.2f} s {took['cpu_seconds']:8.2f} s of the processors")
    for name, ratio in result.get("ratios", {}).items():
        print(f"{name}: {ratio:.1f} times as fast as the plain loop")


def _gain(one: dict[str, float]) -> str:
    return f"{one['value']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}]"


def main() -> int:
    parser = argparse.ArgumentParser(description="Judge and time heads on stored vectors.")
    parser.add_argument("--only", choices=["worth", "speed"], help="one of the two parts")
    parser.add_argument("--quick", action="store_true", help="a tenth of the drawn vectors, one set of real photos")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the JSON goes")
    arguments = parser.parse_args()
    result = measure(arguments.only, 10 if arguments.quick else 1)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.only and arguments.out.exists() else {}
    arguments.out.write_text(json.dumps(kept | result, indent=2) + "\n", encoding="utf-8")
    tell(result)
    return 0 if result.get("ratios", {}).get("arcface", TARGET_RATIO) >= TARGET_RATIO else 1


if __name__ == "__main__":
    raise SystemExit(main())
