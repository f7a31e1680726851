"""Fusion of a contest's size: fitted on 100,000 pairs, applied to a shortlist of 50 for each of 51,033 photos.

    python benchmarks/fusion.py            six scorers, 2.55 million pairs of 15,587 individuals
    python benchmarks/fusion.py --quick    a tenth of it

The scores are drawn: each scorer is noise, and higher where both photos show one individual; two of them did
not compare a third of the pairs. The fit chooses curves and combination by cross-validation over individuals.
Applying makes log-odds per pair; then comes one score per individual, with the candidates of each query. Memory
is the peak of what is allocated, above the arrays that stood before, in a run of its own that is not timed.

The peer of the fit is scikit-learn on the same pairs, in the same run: per scorer a logistic and an isotonic
calibration with folds, and a logistic regression of their log-odds, likewise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

import resight
from resight.core import Matches, Pairs
from resight.machine import usable_cores
from resight.rerank.fusion_fit import N_FOLDS, fit_fusion
from resight.rerank.identity import identity_matches
from resight.rerank.labelled_pairs import LabelledPairs
from resight.rerank.logistic import log_loss

N_PHOTOS, N_IDENTITIES, SHORTLIST = 51_033, 15_587, 50
N_FITTED = 100_000
GAINS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
SHARE_MATED = 0.03
N_TURNS = 3
SEED = 30
TARGET_FIT_S = 3.0
TARGET_MB = 500
RESULTS = Path(__file__).parent / "results" / "fusion.json"


def draw(n_photos: int, n_identities: int) -> tuple[Pairs, np.ndarray]:
    """A shortlist for every photo with the scores of all scorers, and the individual on each photo."""
    rng = np.random.default_rng(SEED)
    share = 1 / np.arange(1, n_identities + 1) ** 0.6
    more = rng.choice(n_identities, n_photos - n_identities, p=share / share.sum())
    who = rng.permutation(np.concatenate([np.arange(n_identities), more]))
    by_individual = np.argsort(who, kind="stable")
    first = np.searchsorted(who[by_individual], np.arange(n_identities))
    n_each = np.bincount(who)
    queries = np.repeat(np.arange(n_photos), SHORTLIST)
    photos = rng.integers(0, n_photos, len(queries))
    mated = np.flatnonzero(rng.random(len(queries)) < SHARE_MATED)
    theirs = who[queries[mated]]
    photos[mated] = by_individual[first[theirs] + rng.integers(0, n_each[theirs])]
    apart = queries != photos
    pairs = Pairs.of(queries[apart], photos[apart], n_photos, n_photos)
    same = who[pairs.queries] == who[pairs.photos]
    for place, gain in enumerate(GAINS):
        scores = rng.standard_normal(len(pairs), np.float32) + np.float32(gain) * same
        if place % 3 == 2:
            scores[rng.random(len(pairs)) < 1 / 3] = np.nan
        pairs = pairs.with_scores(f"scorer {place}", scores)
    return pairs, who


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What comes out, the seconds, and those of the processor, which other work on the machine hardly changes."""
    start, cpu_start = time.perf_counter(), time.process_time()
    answer = work()
    return answer, time.perf_counter() - start, time.process_time() - cpu_start


def memory_mb(work: Callable[[], Any]) -> float:
    """The peak of what is allocated meanwhile, the answer included."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def by_scikit_learn(scores: np.ndarray, same: np.ndarray, fold: np.ndarray) -> float:
    """The log loss on pairs held out of a logistic regression of calibrated log-odds; what a user would write."""
    log_odds = np.zeros(scores.shape)
    for place in range(scores.shape[1]):
        heard = ~np.isnan(scores[:, place])
        for one in range(N_FOLDS):
            taught, held = heard & (fold != one), heard & (fold == one)
            LogisticRegression().fit(scores[taught, place, None], same[taught]).predict_proba(scores[held, place, None])
            steps = IsotonicRegression(out_of_bounds="clip").fit(scores[taught, place], same[taught])
            p = np.clip(steps.predict(scores[held, place]), 1e-6, 1 - 1e-6)
            log_odds[held, place] = np.log(p / (1 - p))
    features = np.column_stack([log_odds, np.isnan(scores)])
    answer = np.empty(len(same))
    for one in range(N_FOLDS):
        stack = LogisticRegression(max_iter=1000).fit(features[fold != one], same[fold != one])
        answer[fold == one] = stack.decision_function(features[fold == one])
    return log_loss(answer, same, np.ones(len(same)))


def measure(part: int) -> dict[str, object]:
    pairs, who = draw(N_PHOTOS // part, N_IDENTITIES // part)
    few = pairs.select(np.arange(N_FITTED // part))
    labelled = LabelledPairs(few, who[few.queries], who[few.photos])
    fold = who[few.queries] % N_FOLDS
    ids, names = np.char.add("i", np.arange(len(who)).astype(np.str_)), who.astype(np.str_)
    about = {"scale": "log-odds", "model": "drawn", "n_gallery": N_IDENTITIES // part}
    fusion = fit_fusion(labelled)
    log_odds = fusion.log_odds(pairs)
    sides = {
        "fit": lambda: fit_fusion(labelled),
        "scikit-learn": lambda: by_scikit_learn(few.matrix(tuple(few.scores)), labelled.same, fold),
        "apply": lambda: fusion.log_odds(pairs),
        "individuals": lambda: identity_matches(pairs, log_odds, names, ids, ids, **about),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in sides}
    found: dict[str, Any] = {}
    for _ in range(N_TURNS):
        for name, work in sides.items():
            found[name], took, cpu_took = timed(work)
            seconds[name].append(took)
            cpu_seconds[name].append(cpu_took)
    memory = {name: memory_mb(work) for name, work in sides.items()}
    return {
        "benchmark": "fusion",
        "n_pairs": len(pairs),
        "n_photos": len(who),
        "n_identities": N_IDENTITIES // part,
        "shortlist": SHORTLIST,
        "n_scorers": len(GAINS),
        "n_pairs_fitted": len(few),
        "share_same": float(labelled.same.mean()),
        "seconds": seconds,
        "least_seconds": {name: min(times) for name, times in seconds.items()},
        "least_cpu_seconds": {name: min(times) for name, times in cpu_seconds.items()},
        "load_average": os.getloadavg()[0],
        "memory_above_mb": memory,
        "log_loss": {**fusion.summary.log_loss, "scikit-learn": found["scikit-learn"]},
        "chosen": fusion.summary.chosen,
        "right_first": right_first(found["individuals"], who),
        "target_fit_s": TARGET_FIT_S,
        "target_memory_mb": TARGET_MB,
        "seed": SEED,
        "n_cores": usable_cores(),
        "machine": platform.machine(),
        "versions": {
            "resight": resight.__version__,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "python": platform.python_version(),
        },
    }


def right_first(matches: Matches, who: np.ndarray) -> float:
    return float(np.mean(matches.best_identities == who.astype(np.str_)))


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the fusion of a contest's size.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the pairs, photos and individuals")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the JSON goes")
    arguments = parser.parse_args()
    result = measure(10 if arguments.quick else 1)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for name, took in result["least_seconds"].items():
        cpu, above = result["least_cpu_seconds"][name], result["memory_above_mb"][name]
        print(f"{name:14} {took:7.2f} s {cpu:7.2f} s of the processor {above:6.0f} MB")
    print(f"{result['n_pairs_fitted']:,} pairs fitted, {result['n_pairs']:,} applied, {result['n_scorers']} scorers")
    print("log loss: " + ", ".join(f"{name} {loss:.5f}" for name, loss in result["log_loss"].items()))
    within = result["least_seconds"]["fit"] <= TARGET_FIT_S
    ours = [above for name, above in result["memory_above_mb"].items() if name != "scikit-learn"]
    return 0 if within and max(ours) <= TARGET_MB else 1


if __name__ == "__main__":
    raise SystemExit(main())
