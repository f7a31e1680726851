"""What re-ranking adds on real photos: each piece in turn, with and without, and whether promises are kept.

    python benchmarks/decision.py [nyala lion faces places landmarks cohorts] [--repeats 10] [--splits 100]

Everything is chosen by cross-validation over individuals, or on the gallery part of a split. The photos are those
of ../shared/data; without them nothing is measured. Catalogues and keypoints are kept in .bench, so that a second
run only compares. The figures lie in results/decision.json, by part.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from resight.config import RerankRecipe
from resight.decide import Goal, probabilities
from resight.evaluate import bootstrap_mean, expected_calibration_error
from resight.machine import usable_cores
from resight.pipeline import index_photos
from resight.pipeline.ablation import ablated
from resight.pipeline.evaluate import judged_gallery, summed_up
from resight.pipeline.methods import PlainMethod
from resight.pipeline.reranking import reranked_method
from resight.pipeline.trials import PROTOCOLS, Setting, open_set, trial

DATA = Path(__file__).parents[2] / "shared" / "data"
KEPT = Path(__file__).parent / ".bench"
OUT = Path(__file__).parent / "results" / "decision.json"
GOAL = "fpir=0.05"


class Judge:
    """A folder of photos, searched by the embedding alone and by all that a recipe weighs."""

    def __init__(self, name: str, recipe: RerankRecipe, distractors: Path | None = None, without=(), **setting) -> None:
        folder = KEPT / name
        index_photos(DATA / name, folder)
        self.setting = Setting(Goal.parse(GOAL), **setting)
        store, self.photos, self.embeddings = judged_gallery(folder, None, "open-set", self.setting)
        stay = ~np.isin(self.photos.column("identity").astype(str), without)
        self.photos, self.embeddings = self.photos.select(stay), self.embeddings.select(stay)
        self.plain = PlainMethod(self.photos, self.embeddings)
        self.weighed = reranked_method(store, self.photos, self.embeddings, recipe, distractors)

    @property
    def methods(self):
        return {"embedding": self.plain, "re-ranked": self.weighed}

    def table(self, protocol: str, **setting) -> dict:
        done = ablated(self.weighed, protocol, replace(self.setting, **setting))
        print(done, flush=True)
        return done.to_json()

    def open_set(self, n_repeats: int) -> dict:
        setting = replace(self.setting, n_repeats=n_repeats)
        return self.compared(lambda method: PROTOCOLS["open-set"](method, setting))

    def compared(self, trials_of) -> dict:
        """The same trials with and without re-ranking."""
        found = {}
        for name, method in self.methods.items():
            trials = list(trials_of(method))
            done = summed_up("open-set", self.photos, self.embeddings.model, trials, 0)
            found[name] = {one: figure.to_json() for one, figure in done.measures.items()}
            print(name, done, sep="\n", flush=True)
        return found

    def kept(self, n_splits: int) -> dict:
        """How often the FPIR among fresh strangers lay in its stated interval, over random splits by individual."""
        setting = replace(self.setting, n_repeats=n_splits)
        found = {name: _kept(list(open_set(method, setting))) for name, method in self.methods.items()}
        print("kept", found, flush=True)
        return found


def nyala(asked) -> dict:
    """Other encounters, the same side."""
    judge = Judge("wildlife_nyala_dev", RerankRecipe.default(), same=("side",))
    return {
        "ablation": judge.table("other-encounters"),
        "open-set": judge.open_set(asked.repeats),
        "kept": judge.kept(asked.splits),
    }


def lion(asked) -> dict:
    """The published split, looked at once; and strangers as the other published split has them."""
    judge = Judge("wildlife_lion", RerankRecipe.read("rerank-free"))
    part = judge.photos.column("original_split").astype(str)
    strangers = part != "train"
    names = judge.photos.column("identity").astype(str)

    def drawn(method):
        for seed in range(asked.repeats):
            order = np.random.default_rng(seed).permutation(len(names))
            _, first = np.unique(names[order], return_index=True)
            held_out = np.zeros(len(names), bool)
            held_out[order[first]] = True
            yield trial(method, ~strangers & ~held_out, strangers | held_out, judge.setting, seed)

    return {
        "ablation": judge.table("split", column="megadescriptor_split"),
        "original_split": judge.compared(drawn),
    }


def faces(asked) -> dict:
    judge = Judge("faces_orl", RerankRecipe.default())
    return {"open-set": judge.open_set(asked.repeats), "kept": judge.kept(asked.splits)}


def cohorts(asked) -> dict:
    """A third of the individuals are nobody's: the cohort. The others are judged with and without it, by the cosine.

    Places have two photos each: with one of them asking, none is left to fit on.
    """
    sets = {"wildlife_nyala_dev": ("side",), "wildlife_lion": (), "faces_orl": ()}
    return {name: _with_cohort(name, same).open_set(asked.repeats) for name, same in sets.items()}


def _with_cohort(name: str, same: tuple[str, ...]) -> Judge:
    cosine = RerankRecipe.parse("[[scorers]]\nkind = 'cosine'")
    photos = Judge(name, cosine, same=same).photos
    names = photos.column("identity").astype(str)
    individuals = np.random.default_rng(0).permutation(np.unique(names))
    apart = individuals[: len(individuals) // 3]
    strangers = KEPT / f"{name}-strangers"
    strangers.mkdir(exist_ok=True)
    for row in np.flatnonzero(np.isin(names, apart)).tolist():
        path = photos.photo(row)
        shutil.copy(path, strangers / f"{row}-{path.name}")
    return Judge(name, cosine, strangers, apart, same=same)


def places(asked) -> dict:
    """Half of the places teach; the queries of the others ask all reference photos of their set.

    For the open set the reference photos of a quarter are taken away.
    """
    del asked
    judge = Judge("places_vpr", RerankRecipe.default(), same=("dataset",))
    role, names = judge.photos.column("role"), judge.photos.column("identity").astype(str)
    shuffled = np.random.default_rng(0).permutation(np.unique(names))
    taught = np.isin(names, shuffled[: len(shuffled) // 2])
    strangers = np.isin(names, shuffled[3 * len(shuffled) // 4 :])
    shown, ask = taught | (role == "reference"), ~taught & (role == "query")
    found = {}
    for name, method in judge.methods.items():
        done = trial(method, shown, ask, judge.setting, 0)
        right = np.array([_near(*both) for both in zip(done.matches.best_identities, done.truth, strict=True)])
        sets = np.array([one.partition(":")[0] for one in done.truth])
        found[name] = {
            which: bootstrap_mean(right[sets == which], done.truth[sets == which]).to_json()
            for which in np.unique(sets).tolist()
        }
        print(name, {which: round(one["value"], 3) for which, one in found[name].items()}, flush=True)
    rejected = judge.compared(lambda method: [trial(method, shown & ~strangers, ask, judge.setting, 0)])
    return {"recall@1": found, "open-set": rejected}


def _near(said: str, truth: str) -> bool:
    """On a walk a frame beside the right one is right, too."""
    walk, _, frame = truth.partition(":")
    other, _, shown_frame = said.partition(":")
    if walk != other:
        return False
    return said == truth or (
        walk in {"GardensPoint", "corridor", "Gardens_Point"} and abs(int(frame) - int(shown_frame)) <= 2
    )


def landmarks(asked) -> dict:
    del asked
    judge = Judge("landmarks_mini", RerankRecipe.read("rerank-free"))
    return {"other-photos": judge.table("other-encounters")}


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


PARTS = {
    "nyala": nyala,
    "lion": lion,
    "faces": faces,
    "places": places,
    "landmarks": landmarks,
    "cohorts": cohorts,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=[], choices=[*PARTS, []])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--splits", type=int, default=100)
    asked = parser.parse_args()
    if not DATA.exists():
        print(f"no photos in {DATA}: nothing measured")
        return
    for name in asked.parts or PARTS:
        before = time.perf_counter()
        found = PARTS[name](asked)
        figures = json.loads(OUT.read_text()) if OUT.exists() else {}
        figures[name] = found
        figures[name]["seconds"] = round(time.perf_counter() - before, 1)
        figures["machine"] = {"cores": usable_cores(), "processor": platform.processor() or platform.machine()}
        OUT.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
