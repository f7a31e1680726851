"""Local matching: resight beside the loop over pairs that one would write with OpenCV.

    python benchmarks/local_matching.py            400 keypoints at 256 px, and 800 at 448 px
    python benchmarks/local_matching.py --quick    a fifth of the pairs

- opencv: for each pair `BFMatcher.knnMatch(k=2)`, the ratio test in Python, and
  `findHomography(RANSAC)` when four matches or more are left;
- resight: `LocalScorer.score` of the same pairs on the same features, in 8 bits, with the similarity of
  most matches, both as it scores pairs for the first time and with the gallery's descriptors at hand.

The photos are those of nyala_dev (`RESIGHT_DATA`, by default `../shared/data` beside the project): queries
against photos of other encounters, and the score of either side is put to the same question: how often
is a photo of the same individual the best one of those compared? The sides take turns in one run, and the
least time of each counts. Other work on the machine slows both; the load is written beside the result.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import polars as pl

import resight
from resight.images import read_photo
from resight.machine import usable_cores
from resight.rerank.features import LocalFeatures
from resight.rerank.local_scorer import LocalScorer
from resight.rerank.rootsift import Rootsift

DATA = Path(os.environ.get("RESIGHT_DATA", Path(__file__).parents[2] / "shared" / "data")) / "wildlife_nyala_dev"
RESULTS = Path(__file__).parent / "results" / "local_matching.json"
SIZES = ((256, 400), (448, 800))
N_QUERIES, N_PHOTOS = 40, 50
N_TURNS = 3
RATIO, TOLERANCE = 0.8, 0.03
SEED = 4
TARGET_RATIO = 5.0


def drawn_pairs(labels: pl.DataFrame, n_queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Queries, and photos of other encounters and the same side, one of the same individual among them."""
    rng = np.random.default_rng(SEED)
    identity, encounter, side = (labels[name].to_numpy() for name in ("identity", "encounter", "side"))
    queries, photos = [], []
    for query in rng.permutation(len(labels)):
        may = (encounter != encounter[query]) & (side == side[query])
        own, others = (np.flatnonzero(may & (same == (identity == identity[query]))) for same in (True, False))
        if len(own) and len(queries) < n_queries * N_PHOTOS:
            chosen = [rng.choice(own), *rng.choice(others, N_PHOTOS - 1, replace=False)]
            queries += [query] * N_PHOTOS
            photos += sorted(chosen)
    return np.array(queries), np.array(photos)


def features(labels: pl.DataFrame, rows: np.ndarray, max_side_px: int, n_keypoints: int) -> LocalFeatures:
    """RootSIFT of the photos that are needed."""
    extractor = Rootsift(max_side_px=max_side_px, n_keypoints=n_keypoints)
    paths = labels["path"].to_list()
    found = [extractor.extract(read_photo(DATA / paths[row], min_side_px=max_side_px)) for row in rows]
    return LocalFeatures.of([paths[row] for row in rows], found, extractor.model_id)


def opencv_loop(local: LocalFeatures, queries: np.ndarray, photos: np.ndarray) -> np.ndarray:
    """The number of inliers of each pair, one after the other."""
    kept = {row: (local.photo(row).points, local.photo(row).descriptors) for row in range(len(local))}
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    counts = np.zeros(len(queries))
    for place, (query, photo) in enumerate(zip(queries, photos, strict=True)):
        (one, theirs), (other, ours) = kept[query], kept[photo]
        good = [near for near, far in matcher.knnMatch(theirs, ours, k=2) if near.distance < RATIO * far.distance]
        if len(good) >= 4:
            first = np.float32([one[match.queryIdx] for match in good])
            second = np.float32([other[match.trainIdx] for match in good])
            _, mask = cv2.findHomography(first, second, cv2.RANSAC, TOLERANCE * max(local.sizes[query]))
            counts[place] = 0 if mask is None else mask.sum()
    return counts


def seconds_of(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def same_matches(local: LocalFeatures, queries: np.ndarray, photos: np.ndarray) -> float:
    """Of all matches that pass the ratio test on either side, the part that passes on both."""
    from resight.rerank.matching import match

    matcher, both, either = cv2.BFMatcher(cv2.NORM_L2), 0, 0
    for query, photo in zip(queries[::7], photos[::7], strict=True):
        one, other = local.photo(query), local.photo(photo)
        near = matcher.knnMatch(one.descriptors, other.descriptors, k=2)
        theirs = {(a.queryIdx, a.trainIdx) for a, b in near if a.distance < RATIO * b.distance}
        found = match(one, [other], ratio=RATIO)
        ours = set(zip(found.firsts.tolist(), found.seconds.tolist(), strict=True))
        both, either = both + len(theirs & ours), either + len(theirs | ours)
    return both / either


def right_first(scores: np.ndarray, same: np.ndarray) -> float:
    """How often the best photo of a query is of the same individual; a tie counts against."""
    mated, other = (np.where(same == kind, scores, -np.inf).reshape(-1, N_PHOTOS).max(axis=1) for kind in (True, False))
    return float((mated > other).mean())


def measure(max_side_px: int, n_keypoints: int, n_queries: int) -> dict[str, object]:
    labels = pl.read_csv(DATA / "metadata.csv", infer_schema=False)
    queries, photos = drawn_pairs(labels, n_queries)
    identity = labels["identity"].to_numpy()
    same = identity[queries] == identity[photos]
    rows = np.unique(np.concatenate([queries, photos]))
    local = features(labels, rows, max_side_px, n_keypoints)
    queries, photos = np.searchsorted(rows, queries), np.searchsorted(rows, photos)
    LocalScorer(local, local).score(queries[:N_PHOTOS], photos[:N_PHOTOS])
    seconds: dict[str, list[float]] = {"opencv": [], "resight": [], "resight_again": []}
    for _ in range(N_TURNS):
        took, counts = seconds_of(lambda: opencv_loop(local, queries, photos))
        seconds["opencv"].append(took)
        scorer = LocalScorer(local, local, ratio=RATIO)
        for side in ("resight", "resight_again"):
            took, scores = seconds_of(lambda scorer=scorer: scorer.score(queries, photos))
            seconds[side].append(took)
    least = {side: min(times) for side, times in seconds.items()}
    return {
        "max_side_px": max_side_px,
        "n_keypoints": n_keypoints,
        "n_pairs": len(queries),
        "n_photos": len(rows),
        "seconds": seconds,
        "pairs_per_second": {side: len(queries) / best for side, best in least.items()},
        "ratio": least["opencv"] / least["resight"],
        "same_matches": same_matches(local, queries, photos),
        "right_first": {"opencv": right_first(counts, same), "resight": right_first(scores, same)},
        "target_ratio": TARGET_RATIO,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Time local matching beside OpenCV's loop.")
    parser.add_argument("--quick", action="store_true", help="a fifth of the pairs")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the JSON goes")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        parser.error(f"no photos: {DATA} is not there (set RESIGHT_DATA to the folder that holds wildlife_nyala_dev)")
    load = os.getloadavg()[0]
    found = [measure(side, n, N_QUERIES // (5 if arguments.quick else 1)) for side, n in SIZES]
    result = {
        "benchmark": "local_matching",
        "sizes": found,
        "other_work": {"load_before": load, "note": "a load near 0 before the run is a quiet machine"},
        "seed": SEED,
        "n_cores": usable_cores(),
        "opencv_threads": cv2.getNumThreads(),
        "machine": platform.machine(),
        "versions": {
            "resight": resight.__version__,
            "opencv": cv2.__version__,
            "onnxruntime": onnxruntime.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for one in found:
        print(f"{one['n_keypoints']} keypoints at {one['max_side_px']} px")
        for side, speed in one["pairs_per_second"].items():
            print(f"  {side:14} {speed:8.0f} pairs/s")
        print(f"  {one['ratio']:.1f} times as fast (target {TARGET_RATIO}); same matches {one['same_matches']:.3f}")
        print(f"  right first: {one['right_first']}")
    print(f"load of the machine before: {load:.1f}")
    return 0 if all(one["ratio"] >= TARGET_RATIO for one in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
