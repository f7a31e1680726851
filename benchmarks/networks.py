"""Whole networks: what they are worth on individuals that they never saw, and what the loop costs.

    python benchmarks/networks.py [nyala lion lion-kept loop] [--folds 0 1 2 3 4] [--seeds 0 1] [--threads 2]

nyala: the individuals of NyalaData are dealt into five parts. A network learns four of them (recipe
`recipes/nyala.toml`), and the photos of the fifth look for each other: other encounters, same side. So does every
photo once, found by a network that never saw its individual; all of it once per seed. Beside it the shipped bundle as
it is, and the best of several heads learned on the same four parts. Nothing is chosen by the fifth part.

lion: the published split of LionData. The network learns the gallery part (recipe `recipes/lion.toml`).

lion-kept: the same, but a fifth of the lions and an encounter of another fifth are kept back from training, so that
what is weighed can be fitted on photos that the network never saw.

loop: steps of a stage beside a bare torch loop on the same network, looks and batches; the quickest of the repeats of
either, since whatever else the machine does only makes a run longer.

The photos are those of ../shared/data. Runs are kept in .bench, and a killed one goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from resight import Bundle, train_network
from resight.config import HeadRecipe, RerankRecipe, TrainRecipe, overridden
from resight.core import Catalogue, Embeddings
from resight.datasets import detect, read_catalogue
from resight.decide import Goal
from resight.embed import embed_all
from resight.evaluate import bootstrap_mean
from resight.machine import usable_cores
from resight.pipeline import index_photos, vectors_for
from resight.pipeline.evaluate import judged_gallery, summed_up
from resight.pipeline.methods import PlainMethod
from resight.pipeline.reranking import reranked_method
from resight.pipeline.trials import PROTOCOLS, Setting
from resight.store import CatalogueStore
from resight.train.examples import Examples
from resight.train.heads.trials import fitted, try_heads
from resight.train.judging import choose_head
from resight.train.tracking import read_run

HERE = Path(__file__).parent
DATA = Path(os.environ.get("RESIGHT_DATA", HERE.parents[1] / "shared" / "data"))
KEPT = HERE / ".bench"
OUT = HERE / "results" / "networks.json"
N_FOLDS = 5
SHOWN = ("top-1", "top-5", "AUROC", "OSCR")


def labelled(name: str) -> Catalogue:
    layout, _ = detect(DATA / name, None)
    return read_catalogue(DATA / name, None, layout=layout).labelled()


def trained(photos: Catalogue, run: Path, recipe: TrainRecipe, seed: int) -> Path:
    """The bundle of a run; an unfinished one goes on."""
    if not (run / "run.json").exists() or read_run(run)["state"] != "finished":
        print(train_network(photos, run=run, recipe=recipe, name="network", seed=seed), flush=True)
    return run / "bundle"


def seconds_of(run: Path) -> float:
    return read_run(run)["result"]["seconds"]


def head_on(photos: Catalogue, vectors: Embeddings, same: tuple[str, ...], seed: int):
    """The best of several heads by cross-validation among these photos, learned on all of them."""
    examples = Examples(photos, vectors.select(photos.image_ids), same)
    recipe = HeadRecipe.read(HERE / "recipes" / "heads.toml")
    verdicts, tried, _ = try_heads(examples, recipe, seed)
    return fitted(tried[choose_head(verdicts, only_if_better=False).name], examples, seed)


class Fold:
    """Photos that ask each other, and four ways to see them."""

    def __init__(
        self, photos: Catalogue, learn: np.ndarray, judged: np.ndarray, run: Path, recipe, seed: int = 0
    ) -> None:
        self.run, self.photos, self.seed = run, photos.select(judged), seed
        bundle = trained(photos.select(learn), run, recipe, seed)
        folder = KEPT / f"{run.name.partition('-seed')[0]}-judged"
        index_photos(photos.select(judged), folder)
        vectors_for(CatalogueStore.open(folder), bundle)
        self.folder, self.same = folder, recipe.same
        self.frozen, self.network = None, Bundle.load(bundle).model_id
        before = embed_all(photos, Bundle.load(), show_progress=False).embeddings
        self.head = head_on(photos.select(learn), before, recipe.same, seed)

    def ways(self, setting: Setting, recipe: RerankRecipe) -> Iterator[tuple[str, object]]:
        for way, model in (("frozen", self.frozen), ("network", self.network)):
            store, photos, vectors = judged_gallery(self.folder, model, "other-encounters", setting)
            yield way, PlainMethod(photos, vectors)
            if way == "frozen":
                turned = Embeddings(vectors.image_ids, self.head(vectors.vectors), f"{vectors.model} with a head")
                yield "head", PlainMethod(photos, turned)
            yield f"{way}, re-ranked", reranked_method(store, photos, vectors, recipe, None)

    def trials(self, protocol: str, setting: Setting, recipe: RerankRecipe) -> dict[str, list]:
        """The searches of each way."""
        return {way: list(PROTOCOLS[protocol](method, setting)) for way, method in self.ways(setting, recipe)}


def pooled(photos: Catalogue, protocol: str, of_folds: list[dict[str, list]]) -> dict:
    """The measures of each way over the searches of all folds, and what it gains above the frozen bundle."""
    trials = {way: [trial for fold in of_folds for trial in fold[way]] for way in of_folds[0]}
    found = {}
    for way, some in trials.items():
        done = summed_up(protocol, photos, way, some, 0)
        found[way] = {of: done.measures[of].to_json() for of in SHOWN if of in done.measures}
        print(way, {of: str(done.measures[of]) for of in SHOWN if of in done.measures}, flush=True)
    found["gain in top-1"] = gains(trials)
    return found


def gains(trials: dict[str, list]) -> dict:
    """Of each way above another, over the same queries."""
    hits = {way: np.concatenate([one.searches.correct for one in some]).astype(float) for way, some in trials.items()}
    who = np.concatenate([one.searches.mated_individuals for one in trials["frozen"]])
    pairs = (("network", "frozen"), ("network", "head"), ("network, re-ranked", "frozen, re-ranked"))
    return {f"{one} over {other}": bootstrap_mean(hits[one] - hits[other], who).to_json() for one, other in pairs}


def nyala(asked) -> dict:
    photos = labelled("wildlife_nyala_dev")
    names = photos.column("identity").astype(str)
    individuals = np.random.default_rng(0).permutation(np.unique(names))
    part_of = dict(zip(individuals, np.arange(len(individuals)) % N_FOLDS, strict=True))
    part = np.array([part_of[name] for name in names])
    recipe = TrainRecipe.read(HERE / "recipes" / "nyala.toml")
    folds = [
        Fold(photos, part != number, part == number, KEPT / run_name(number, seed), recipe, seed)
        for seed in asked.seeds
        for number in asked.folds
    ]
    setting = Setting(Goal.parse("fpir=0.05"), same=("side",))
    trials = [(fold, fold.trials("other-encounters", setting, RerankRecipe.default())) for fold in folds]

    def of(seeds: list[int]) -> dict:
        return pooled(photos, "other-encounters", [some for fold, some in trials if fold.seed in seeds])

    return {
        "folds": asked.folds,
        "seeds": asked.seeds,
        "seconds of each": [seconds_of(fold.run) for fold in folds],
        **of(asked.seeds),
        "of each seed": {seed: of([seed]) for seed in asked.seeds},
    }


def run_name(fold: int, seed: int) -> str:
    return f"network-nyala-{fold}" + (f"-seed-{seed}" if seed else "")


def lion(asked) -> dict:  # noqa: ARG001
    return lions("network-lion", {})


def lion_kept(asked) -> dict:  # noqa: ARG001
    return lions("network-lion-kept", {"hold_out.n_parts": 5, "hold_out.every": 12})


def lions(run: str, settings: dict) -> dict:
    photos = labelled("wildlife_lion")
    gallery = photos.column("megadescriptor_split").astype(str) == "train"
    recipe = overridden(TrainRecipe.read(HERE / "recipes" / "lion.toml"), settings)
    fold = Fold(photos, gallery, np.ones(len(photos), bool), KEPT / run, recipe)
    setting = Setting(Goal.parse("fpir=0.05"), column="megadescriptor_split")
    return {
        "seconds": seconds_of(fold.run),
        **pooled(fold.photos, "split", [fold.trials("split", setting, RerankRecipe.read("rerank-free"))]),
    }


def loop(asked) -> dict:
    """A stage of steps, and the same steps in a bare torch loop; looks come from memory in both."""
    from accelerate import Accelerator
    from torch.nn import functional

    from resight.train.networks.backbones import body
    from resight.train.networks.members import Members
    from resight.train.networks.network import Learner, Network
    from resight.train.networks.photos import PhotoShelf
    from resight.train.networks.run import Run
    from resight.train.networks.stages import criteria_for, steps_of_epoch

    photos = labelled("wildlife_nyala_dev").select(np.arange(192))
    settings = {"stages.0.n_epochs": 1, "stages.0.warm_up": 0.0, "stages.0.schedule": "constant", "hold_out.n_parts": 0}
    recipe = overridden(TrainRecipe.read("individuals"), settings | {"loop.clip": 0.0})
    shelf = PhotoShelf(photos, recipe.photos, recipe.stages[0].side_px)
    shelf.read_all()
    members = Members.of(photos, [], recipe, 0)
    taken: dict[str, list[float]] = {"ours": [], "bare": []}
    worked: dict[str, list[float]] = {"ours": [], "bare": []}
    for repeat in range(asked.repeats):
        torch.manual_seed(0)
        run = Run(recipe, body(recipe.network, 192), members, shelf, Accelerator(), KEPT / f"loop-{os.getpid()}", 0)
        times: dict[str, float] = {}

        def ours(run=run, times=times) -> None:
            roster = run.roster(recipe.stages[0])
            learner = Learner(run.network, criteria_for(roster, recipe, run.network.dimension))
            optimiser = torch.optim.AdamW(learner.parameters(), lr=1e-6)
            prepared, optimiser = run.accelerator.prepare(learner, optimiser)
            for group in optimiser.param_groups:
                group["highest"] = 1e-6
            times["ours"] = stage_seconds(run, roster, prepared, optimiser)

        def bare(run=run, times=times) -> None:
            roster = run.roster(recipe.stages[0])
            network = Network(body(recipe.network, 192), recipe.network).to(memory_format=torch.channels_last)
            criterion = criteria_for(roster, recipe, network.dimension)["arcface"]
            optimiser = torch.optim.AdamW([*network.parameters(), *criterion.parameters()], lr=1e-6)
            looks = run.looks(recipe.stages[0])
            network.train()
            start = time.perf_counter()
            for (batch,) in steps_of_epoch(roster, recipe, seed=0, stage=0, epoch=0):
                pixels = torch.stack([looks[look] for look in batch.looks]).float()
                vectors = network(((pixels - network.mean) / network.std).contiguous(memory_format=torch.channels_last))
                loss = criterion(functional.normalize(vectors), torch.from_numpy(batch.classes["arcface"]))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            times["bare"] = time.perf_counter() - start

        for part in (ours, bare) if repeat % 2 else (bare, ours):
            busy = time.process_time()
            part()
            worked[part.__name__].append(time.process_time() - busy)
        for part, seconds in times.items():
            taken[part].append(seconds)
        print(times, flush=True)
    quickest = {part: min(seconds) for part, seconds in taken.items()}
    return {
        "ours over bare": quickest["ours"] / quickest["bare"],  # what disturbs a run only ever makes it longer
        "medians": float(np.median(taken["ours"]) / np.median(taken["bare"])),
        "processor seconds": float(np.median(worked["ours"]) / np.median(worked["bare"])),
        "seconds": taken,
        "n_photos": len(photos),
    }


def stage_seconds(run, roster, learner, optimiser) -> float:
    from resight.train.networks.loop import Loop
    from resight.train.networks.stages import Schedule

    stage = run.recipe.stages[0]
    plan = run.plan(roster, 0)
    weights = {loss.title: loss.weight for loss in run.recipe.losses}
    steps = Loop(
        learner, optimiser, run.accelerator, run.looks(stage), Schedule(stage, len(plan)), None, run.recipe.loop, 0.0,
        weights, 0, lambda _: None,
    )  # fmt: skip
    start = time.perf_counter()
    steps.epoch(run.plan(roster, 0), run.at, keep=lambda: None, done=lambda: None)
    return time.perf_counter() - start


PARTS = {"nyala": nyala, "lion": lion, "lion-kept": lion_kept, "loop": loop}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--folds", nargs="*", type=int, default=list(range(N_FOLDS)))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--threads", type=int, default=usable_cores())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if not DATA.is_dir():
        print(f"no photos in {DATA}: nothing is measured")
        return
    found = json.loads(OUT.read_text()) if OUT.exists() else {}
    for part in asked.parts:
        found[part] = PARTS[part](asked)
        found["machine"] = {"cores": usable_cores(), "processor": platform.processor() or platform.machine()}
        OUT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
