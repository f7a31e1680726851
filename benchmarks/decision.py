"""What re-ranking adds on real photos: each piece in turn, with and without, and whether promises are kept.

    python benchmarks/decision.py [nyala lion faces places landmarks kept] [--repeats 10]

Everything is chosen by cross-validation over individuals, or on the gallery part of a split. The photos are those
of ../shared/data; without them nothing is measured. Catalogues and keypoints are kept in .bench, so that a second
run only compares. The figures lie in results/decision.json, by part.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np

from resight.config import RerankRecipe
from resight.decide import Goal, probabilities
from resight.evaluate import bootstrap_mean, expected_calibration_error
from resight.pipeline import ablate_catalogue, index_photos
from resight.pipeline.evaluate import evaluate_catalogue, judged_gallery
from resight.pipeline.methods import PlainMethod
from resight.pipeline.reranking import reranked_method
from resight.pipeline.trials import Setting, open_set, trial

DATA = Path(__file__).parents[2] / "shared" / "data"
KEPT = Path(__file__).parent / ".bench"
OUT = Path(__file__).parent / "results" / "decision.json"
RECIPES = Path(__file__).parent / "recipes"
GOAL = "fpir=0.05"


def catalogue(name: str) -> Path:
    folder = KEPT / name
    index_photos(DATA / name, folder)
    return folder


def shown(measures, names=("top-1", "AUROC", "FPIR", "FNIR", "share unsure", "FNIR at FPIR 0.05", "ECE")):
    return {name: measures[name].to_json() for name in names if name in measures}


def with_and_without(folder: Path, recipe: RerankRecipe, **how) -> dict:
    found = {}
    for name, weighed in (("embedding", None), ("re-ranked", recipe)):
        done = evaluate_catalogue(folder, goal=GOAL, rerank=weighed, **how)
        found[name] = shown(done.measures)
        print(name, done, sep="\n", flush=True)
    return found


def table(folder: Path, recipe: RerankRecipe, protocol: str, **how) -> dict:
    done = ablate_catalogue(folder, recipe, protocol, goal=GOAL, **how)
    print(done, flush=True)
    return done.to_json()


def nyala(repeats: int) -> dict:
    folder, recipe = catalogue("wildlife_nyala_dev"), RerankRecipe.default()
    return {
        "ablation": table(folder, recipe, "other-encounters", same=["side"]),
        "open-set": with_and_without(folder, recipe, protocol="open-set", same=["side"], n_repeats=repeats),
    }


def lion(repeats: int) -> dict:
    del repeats
    folder, recipe = catalogue("wildlife_lion"), RerankRecipe.read(RECIPES / "free.toml")
    return {
        "ablation": table(folder, recipe, "split", column="megadescriptor_split"),
        "original_split": with_and_without(folder, recipe, protocol="open-set", share_strangers=0.2, n_repeats=2),
    }


def faces(repeats: int) -> dict:
    folder = catalogue("faces_orl")
    return {"open-set": with_and_without(folder, RerankRecipe.default(), protocol="open-set", n_repeats=repeats)}


def places(repeats: int) -> dict:
    """Half of the places teach, the queries of the other half ask all reference photos of their set."""
    del repeats
    folder, recipe = catalogue("places_vpr"), RerankRecipe.default()
    setting = Setting(Goal.parse(GOAL), same=("dataset",))
    store, photos, embeddings = judged_gallery(folder, None, "split", setting)
    role, names = photos.column("role"), photos.column("identity").astype(str)
    unique = np.unique(names)
    taught = np.isin(names, np.random.default_rng(0).permutation(unique)[: len(unique) // 2])
    answer, ask = taught | (role == "reference"), ~taught & (role == "query")
    found = {}
    for name, method in (
        ("embedding", PlainMethod(photos, embeddings)),
        ("re-ranked", reranked_method(store, photos, embeddings, recipe)),
    ):
        done = trial(method, answer, ask, setting, 0)
        said, truth = done.matches.best_identities, done.truth
        right = np.array([_near(one, other) for one, other in zip(said, truth, strict=True)])
        sets = np.array([one.partition(":")[0] for one in truth])
        found[name] = {
            which: bootstrap_mean(right[sets == which], truth[sets == which]).to_json() for which in np.unique(sets)
        }
        print(name, {which: round(one["value"], 3) for which, one in found[name].items()}, flush=True)
    return {"recall@1": found}


def _near(said: str, truth: str) -> bool:
    """On a walk a frame beside the right one is right, too."""
    walk, _, frame = truth.partition(":")
    other, _, shown_frame = said.partition(":")
    if walk != other:
        return False
    return said == truth or (
        walk in {"GardensPoint", "corridor", "Gardens_Point"} and abs(int(frame) - int(shown_frame)) <= 2
    )


def landmarks(repeats: int) -> dict:
    del repeats
    folder, recipe = catalogue("landmarks_mini"), RerankRecipe.read(RECIPES / "free.toml")
    return {"other-photos": table(folder, recipe, "other-encounters")}


def kept(repeats: int) -> dict:
    """How often the promised FPIR held among fresh strangers, over random splits by individual."""
    n = max(repeats, 100)
    found = {}
    for name, same in (("wildlife_nyala_dev", ("side",)), ("faces_orl", ())):
        setting = Setting(Goal.parse(GOAL), same=same, n_repeats=n)
        store, photos, embeddings = judged_gallery(catalogue(name), None, "open-set", setting)
        for way, method in (
            ("embedding", PlainMethod(photos, embeddings)),
            ("re-ranked", reranked_method(store, photos, embeddings, RerankRecipe.default())),
        ):
            found[f"{name}, {way}"] = _kept(list(open_set(method, setting)))
            print(name, way, found[f"{name}, {way}"], flush=True)
    return found


def _kept(trials) -> dict:
    inside, rates, stated, right = 0, [], [], []
    for one in trials:
        known = one.matches.best_scores >= one.point.threshold
        rate = float(known[~one.mated].mean())
        inside += bool(one.point.fpir.low <= rate <= one.point.fpir.high)
        rates.append(rate)
        first = np.zeros(len(known), bool)
        first[one.mated] = one.searches.correct
        stated.append(probabilities(one.matches, one.point)[0][:, 0])
        right.append(first)
    ece = expected_calibration_error(np.concatenate(stated), np.concatenate(right))
    return {"inside": inside, "of": len(trials), "mean FPIR": float(np.mean(rates)), "goal": GOAL, "ECE": float(ece)}


PARTS = {"nyala": nyala, "lion": lion, "faces": faces, "places": places, "landmarks": landmarks, "kept": kept}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=[], choices=[*PARTS, []])
    parser.add_argument("--repeats", type=int, default=10)
    asked = parser.parse_args()
    if not DATA.exists():
        print(f"no photos in {DATA}: nothing measured")
        return
    figures = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name in asked.parts or PARTS:
        before = time.perf_counter()
        figures[name] = PARTS[name](asked.repeats)
        figures[name]["seconds"] = round(time.perf_counter() - before, 1)
        figures["machine"] = {"cores": 2, "processor": platform.processor() or platform.machine()}
        OUT.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
