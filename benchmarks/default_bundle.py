"""Would another bundle be a better default? One that learned drawn individuals, beside the shipped one, on photos
that neither saw.

    python benchmarks/default_bundle.py [--individuals 120] [--threads 2]

Drawn individuals are the only ones of whom anyone may ship what was learned from them without asking. The recipe is
`recipes/default.toml`, written down before the first look at a real photo; the epoch is chosen on drawn individuals
that took no part. The photos that judge are those of ../shared/data. Runs are kept in .bench; a killed one goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path

import torch

from resight import Bundle, make_synthetic, train_network
from resight.config import TrainRecipe
from resight.decide import Goal
from resight.evaluate import bootstrap_mean
from resight.machine import usable_cores
from resight.pipeline import index_photos, vectors_for
from resight.pipeline.evaluate import judged_gallery, summed_up
from resight.pipeline.methods import PlainMethod
from resight.pipeline.trials import PROTOCOLS, Setting
from resight.store import CatalogueStore
from resight.train.tracking import read_run

HERE = Path(__file__).parent
DATA = Path(os.environ.get("RESIGHT_DATA", HERE.parents[1] / "shared" / "data"))
KEPT = HERE / ".bench"
OUT = HERE / "results" / "default_bundle.json"
GOAL = Goal.parse("fpir=0.05")
SETS = {
    "wildlife_nyala_dev": ("other-encounters", {"same": ("side",)}),
    "wildlife_lion": ("split", {"column": "megadescriptor_split"}),
    "faces_orl": ("other-encounters", {}),
    "places_vpr": ("other-encounters", {}),
}
SHOWN = ("top-1", "top-5", "AUROC", "OSCR")


def learned(n_individuals: int) -> Path:
    """The run of the bundle that learned drawn individuals."""
    run = KEPT / f"default-{n_individuals}"
    if not (run / "run.json").exists() or read_run(run)["state"] != "finished":
        drawn = make_synthetic(
            KEPT / f"drawn-{n_individuals}", n_identities=n_individuals, n_encounters=4, n_photos=2, n_strangers=0,
            side_px=256, difficulty=0.5, seed=0,
        )  # fmt: skip
        print(train_network(drawn, run=run, recipe=TrainRecipe.read(HERE / "recipes" / "default.toml")), flush=True)
    return run


def compared(name: str, bundle: Path) -> dict:
    """Both bundles on a set of real photos, and what the learned one gains, query by query."""
    protocol, options = SETS[name]
    folder = KEPT / f"{name}-default"
    index_photos(DATA / name, folder)
    vectors_for(CatalogueStore.open(folder), bundle)
    setting = Setting(GOAL, **options)
    found, hits = {}, {}
    for way, model in (("shipped", Bundle.load().model_id), ("learned", Bundle.load(bundle).model_id)):
        _, photos, vectors = judged_gallery(folder, model, protocol, setting)
        trials = list(PROTOCOLS[protocol](PlainMethod(photos, vectors), setting))
        done = summed_up(protocol, photos, vectors.model, trials, 0)
        found[way] = {of: done.measures[of].to_json() for of in SHOWN if of in done.measures}
        hits[way], who = trials[0].searches.correct.astype(float), trials[0].searches.mated_individuals
    found["gain in top-1"] = bootstrap_mean(hits["learned"] - hits["shipped"], who).to_json()
    print(name, json.dumps(found), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--individuals", type=int, default=120)
    parser.add_argument("--threads", type=int, default=usable_cores())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if not DATA.is_dir():
        print(f"no photos in {DATA}: nothing is measured")
        return
    run = learned(asked.individuals)
    result = read_run(run)["result"]
    found = {
        "n_individuals": asked.individuals,
        "seconds": result["seconds"],
        "on drawn individuals": {"before": result["baseline"], "after": result["figures"]},
        **{name: compared(name, run / "bundle") for name in SETS},
        "machine": {"cores": usable_cores(), "processor": platform.processor() or platform.machine()},
    }
    OUT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
