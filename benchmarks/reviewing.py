"""What a reviewer's time buys: wrong and missing names left after each decision, and whether the page's estimate holds.

A made-up reviewer, who is always right, works through a real catalogue in which the names of some encounters were taken
away and a few others were mixed up. After every so many decisions all that still waits is answered by the most
probable choice, as the page says it would be, and what is then wrong is counted beside what the page expects. The
order by what a decision teaches is held against the order of the photos.

    python benchmarks/reviewing.py [--seeds 0 1 2] [--decisions 400] [--without-rerank]

The photos are those of ../shared/data (Nyala antelopes, flanks); without them nothing is measured. The figures lie in
results/reviewing.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from resight.config import RerankRecipe
from resight.core import Judgement
from resight.datasets import read_catalogue
from resight.pipeline import calibrate_catalogue, index_photos
from resight.pipeline.review import ReviewDesk
from resight.pipeline.review_weigher import Holder

DATA = Path(__file__).parents[2] / "shared" / "data" / "wildlife_nyala_dev"
OUT = Path(__file__).parent / "results" / "reviewing.json"
HIDDEN, MIXED_UP = 0.3, 0.03
ORDERS = ("teaches", "order")


def made_catalogue(folder: Path, seed: int, rerank: bool) -> tuple[Path, dict[str, str]]:
    """A calibrated catalogue with names taken away and mixed up, and the truth."""
    photos = read_catalogue(DATA)
    truth = dict(zip(photos.frame["image_id"], photos.column("identity"), strict=True))
    rng = np.random.default_rng(seed)
    encounters = np.array(sorted(set(photos.column("encounter"))))
    hidden = set(rng.choice(encounters, int(HIDDEN * len(encounters)), replace=False).tolist())
    names = np.array(sorted(set(truth.values())))
    told = [
        None if encounter in hidden else str(rng.choice(names)) if rng.random() < MIXED_UP else truth[image_id]
        for image_id, encounter in zip(photos.frame["image_id"], photos.column("encounter"), strict=True)
    ]
    table = photos.frame.select("path", "encounter", "side", "date").with_columns(identity=pl.Series(told))
    table.write_csv(folder / "labels.csv")
    mine = folder / "mine"
    index_photos(DATA, mine, labels=folder / "labels.csv")
    calibrate_catalogue(mine, "fpir=0.1", same=["side"], rerank=RerankRecipe.read("rerank") if rerank else None)
    return mine, truth


def weighed(mine: Path, said: dict) -> ReviewDesk:
    """A desk that re-ranks; what was compared once for another desk is not compared again."""
    plain = ReviewDesk.open(mine)
    holder = Holder(mine, None, plain.model)

    def compare(one, others, fitted):
        asked = (str(one.catalogue.image_ids[0]), others.catalogue.image_ids.tobytes())
        if asked not in said:
            said[asked] = holder(one, others, fitted)
        return said[asked]

    desk = ReviewDesk(plain.store, plain.model, compare)
    while any("not weighed" in note for note in desk.queue().notes):
        time.sleep(1)
    return desk


def left_wrong(desk: ReviewDesk, truth: dict[str, str], settled: set[str]) -> int:
    """Photos that would bear a wrong name, or none where they have one, if nobody decided any more."""
    identity = dict(desk.store.catalogue().frame.select("image_id", "identity").iter_rows())
    known = {name for name in identity.values() if name is not None}
    return sum(
        _wrong(desk, image_id, name, truth[image_id], known)
        for image_id, name in identity.items()
        if image_id not in settled
    )


def _wrong(desk: ReviewDesk, image_id: str, name: str | None, true_name: str, known: set[str]) -> bool:
    if name is not None:
        return name != true_name
    found = desk.candidates(image_id, top=1)
    if not found.candidates or (found.candidates[0].probability or 0) <= (found.probability_new or 0):
        return true_name in known
    return found.candidates[0].identity != true_name


def decide(desk: ReviewDesk, image_id: str, truth: dict[str, str]) -> None:
    """The truth about one photo, as a person would enter it."""
    borne = {name for name in desk.store.catalogue().frame["identity"] if name is not None}
    if truth[image_id] in borne:
        desk.judge(Judgement(image_id, "same", truth[image_id]), who="made up")
        return
    entry = desk.judge(Judgement(image_id, "new"), who="made up")
    desk.store.rename(entry.after[image_id].identity, truth[image_id], who="made up")


def reviewed(desk: ReviewDesk, truth: dict[str, str], by: str, n_decisions: int, every: int) -> list[dict]:
    settled: set[str] = set()
    rows = []
    for number in range(n_decisions + 1):
        queue = desk.queue(n=1, by=by)
        if number % every == 0 or not queue.items:
            expected, wrong = queue.expected_wrong, left_wrong(desk, truth, settled)
            rows.append(
                {
                    "decisions": number,
                    "wrong": wrong,
                    "expected": round(expected.value, 1),
                    "low": round(expected.low, 1),
                    "high": round(expected.high, 1),
                    "waiting": queue.n_left,
                }
            )
            print(by, rows[-1], flush=True)
        if not queue.items:
            break
        decide(desk, queue.items[0].image_id, truth)
        settled.add(queue.items[0].image_id)
    return rows


def summed_up(rows: list[dict]) -> dict[str, float]:
    """Wrong names saved per decision by the middle of the review, and how the estimate did."""
    half = next(row for row in rows if row["decisions"] >= rows[-1]["decisions"] / 2)
    held = [row["low"] <= row["wrong"] <= row["high"] for row in rows]
    return {
        "wrong_at_start": rows[0]["wrong"],
        "wrong_at_half": half["wrong"],
        "wrong_at_end": rows[-1]["wrong"],
        "saved_per_decision_at_half": round((rows[0]["wrong"] - half["wrong"]) / max(half["decisions"], 1), 3),
        "estimate_over_truth": round(float(np.mean([row["expected"] / max(row["wrong"], 1) for row in rows])), 3),
        "interval_held": f"{sum(held)} of {len(held)}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--decisions", type=int, default=400)
    parser.add_argument("--every", type=int, default=25)
    parser.add_argument("--without-rerank", action="store_true")
    given = parser.parse_args()
    if not DATA.exists():
        raise SystemExit(f"expected photos in {DATA}, found none: nothing is measured without them")
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as place:
            mine, truth = made_catalogue(Path(place), seed, not given.without_rerank)
            said: dict = {}
            for by in ORDERS:
                copy = Path(shutil.copytree(mine, Path(place) / by))
                desk = ReviewDesk.open(copy) if given.without_rerank else weighed(copy, said)
                rows = reviewed(desk, truth, by, given.decisions, given.every)
                name = f"{'embedding' if given.without_rerank else 're-ranked'}, {by}, seed {seed}"
                kept[name] = {**summed_up(rows), "rows": rows}
                OUT.write_text(json.dumps(kept, indent=2) + "\n")
                print(name, summed_up(rows), flush=True)


if __name__ == "__main__":
    main()
