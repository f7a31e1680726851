"""Verifying pairs of faces: pairs per second beside one pair at a time, and how right the answers are.

    python benchmarks/verification.py                 the shipped bundle
    python benchmarks/verification.py --model NAME    another one beside it; may be repeated

Speed: 3,600 pairs of the 400 photos of ORL.
- one at a time: for each of 60 of these pairs both photos are read, prepared and embedded by the same bundle, as
  scripts that verify one pair do;
- resight: `verify_pairs` on all of them, from the photos to probabilities and measures, without intervals.
The sides take turns in one run, so that a change of the machine's load meets both.

Quality: those pairs of ORL, and the 2,931 pairs of `faces_lfw_dev`, with intervals over persons. The folds of both
have no person in common. Vectors are kept in benchmarks/.bench, so that a second run is quick; the timed ones are not.

The photos are looked for in the folder RESIGHT_DATA (default: shared/data beside the repository).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import onnxruntime
import polars as pl

import resight
from resight import Bundle, Catalogue, PhotoPairs, read_catalogue, verify_pairs
from resight.datasets import read_pairs
from resight.embed import DEFAULT_BUNDLE
from resight.images import read_bytes, read_photo
from resight.machine import usable_cores

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("RESIGHT_DATA", HERE.parents[1] / "shared" / "data"))
KEPT = HERE / ".bench" / "verification"
RESULTS = HERE / "results" / "verification.json"
SEED, TARGET, N_TURNS, N_ALONE, N_FOLDS = 6, 10.0, 3, 60, 10


def orl_pairs(photos: Catalogue) -> PhotoPairs:
    """Of each four persons all 180 genuine pairs, and as many drawn impostor pairs: ten folds, as LFW has them."""
    rng = np.random.default_rng(SEED)
    names = photos.column("identity")
    persons = np.unique(names.astype(str))
    rows = []
    for fold, chosen in enumerate(np.array_split(persons, N_FOLDS)):
        every = [(a, b, names[a] == names[b]) for a, b in combinations(np.flatnonzero(np.isin(names, chosen)), 2)]
        genuine, impostor = ([pair for pair in every if pair[2] is same] for same in (True, False))
        drawn = rng.permutation(len(impostor))[: len(genuine)]
        rows += [(f"{fold}", *pair) for pair in [*genuine, *(impostor[place] for place in drawn)]]
    frame = pl.DataFrame(
        {
            "pair_id": [f"{row}" for row in range(len(rows))],
            "first": [row[1] for row in rows],
            "second": [row[2] for row in rows],
            "same": [row[3] for row in rows],
            "person_a": [names[row[1]] for row in rows],
            "person_b": [names[row[2]] for row in rows],
            "fold": [row[0] for row in rows],
        }
    )
    return PhotoPairs(photos, frame)


def one_at_a_time(pairs: PhotoPairs, rows: np.ndarray, bundle: Bundle) -> np.ndarray:
    scores = []
    for row in rows:
        one, other = (vector_of(pairs.photos.photo(int(side[row])), bundle) for side in (pairs.first, pairs.second))
        scores.append(one @ other)
    return np.array(scores)


def vector_of(path: Path, bundle: Bundle) -> np.ndarray:
    photo = read_photo(read_bytes(path), min_side_px=bundle.info.input_side_px)
    return bundle.embed(bundle.prepare(photo)[None])[0]


def speed(pairs: PhotoPairs, bundle: Bundle) -> dict[str, object]:
    rng = np.random.default_rng(SEED)
    alone = np.array_split(rng.choice(len(pairs), N_ALONE, replace=False), N_TURNS)
    parts = np.array_split(np.arange(len(pairs)), N_TURNS)
    one_at_a_time(pairs, alone[0][:1], bundle)
    seconds, gap = {"one_at_a_time": 0.0, "resight": 0.0}, 0.0
    for some, part in zip(alone, parts, strict=True):
        start = time.perf_counter()
        theirs = one_at_a_time(pairs, some, bundle)
        middle = time.perf_counter()
        verify_pairs(pairs.select(part), model=bundle, n_resamples=0)
        seconds["resight"] += time.perf_counter() - middle
        seconds["one_at_a_time"] += middle - start
        ours = verify_pairs(pairs.select(some[:3]), model=bundle, n_resamples=0).scores
        gap = max(gap, float(np.abs(ours - theirs[:3]).max()))
    rates = {"one_at_a_time": N_ALONE / seconds["one_at_a_time"], "resight": len(pairs) / seconds["resight"]}
    return {
        "n_pairs": len(pairs),
        "n_photos": len(pairs.photos),
        "n_pairs_one_at_a_time": N_ALONE,
        "seconds": seconds,
        "pairs_per_s": rates,
        "times_faster": rates["resight"] / rates["one_at_a_time"],
        "target_times_faster": TARGET,
        "greatest_difference_of_scores": gap,
    }


def quality(sets: dict[str, PhotoPairs], model: str) -> dict[str, object]:
    found = {}
    for name, pairs in sets.items():
        done = verify_pairs(pairs, model=model, out=KEPT / f"{name}-{Path(model).name}")
        measures = done.to_json(with_pairs=False)["measures"]
        found[name] = {
            "n_pairs": len(pairs),
            "n_photos": len(done.pairs.photos),
            "n_failures": len(done.failures),
            **measures,
            "expected_calibration_error": done.calibration.stated.calibration_error,
        }
    return found


def told(name: str, found: dict[str, object]) -> str:
    def said(one: dict[str, float]) -> str:
        return f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"

    accuracy = said(found["folds"]["estimate"])
    return (
        f"{name:18} EER {said(found['eer']['sklearn'])}   accuracy over {len(found['folds']['folds'])} folds {accuracy}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify pairs of faces.")
    parser.add_argument("--model", action="append", help="a further bundle, by name or path")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the JSON goes")
    asked = parser.parse_args()
    if not DATA.is_dir():
        print(f"nothing to measure: no photos in {DATA} (set RESIGHT_DATA)")
        return 0
    sets = {"orl": orl_pairs(read_catalogue(DATA / "faces_orl"))}
    sets["lfw_dev"] = read_pairs(DATA / "faces_lfw_dev" / "pairs.csv")
    models = [DEFAULT_BUNDLE, *(asked.model or [])]
    result = {"benchmark": "verification", "speed": {}, "quality": {}}
    for model in models:
        bundle = Bundle.load(model)
        result["speed"][bundle.model_id] = speed(sets["orl"], bundle)
        result["quality"][bundle.model_id] = quality(sets, model)
    versions = {
        "resight": resight.__version__,
        "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(),
    }
    result |= {"seed": SEED, "n_cores": usable_cores(), "machine": platform.machine(), "versions": versions}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for model, found in result["speed"].items():
        rates = ", ".join(f"{side} {rate:.1f}" for side, rate in found["pairs_per_s"].items())
        print(f"{model}: pairs per second {rates}: {found['times_faster']:.1f} times faster (target {TARGET})")
        for name, one in result["quality"][model].items():
            print(told(name, one))
    return 0 if all(one["times_faster"] >= TARGET for one in result["speed"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
