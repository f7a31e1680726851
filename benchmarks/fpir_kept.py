"""FPIR promised and kept: is the rate of fresh strangers where the operating point said it would be?

    python benchmarks/fpir_kept.py            100 splits of three photo sets; writes results/fpir_kept.json
    python benchmarks/fpir_kept.py --quick    5 splits

Each split draws half of the identities at random. Their photos are the gallery, which is calibrated on
its own searches for the goals 1 %, 5 % and 10 %, as `fpir` and as `conformal`. The photos of the other
half, of whom nothing was used, then search that gallery, and the share of them that is called by a known
name is held against the stated interval: of all of them, and of a third of them, drawn at random (the
interval is made for as few). A conformal promise holds on average over splits, so it is kept when the mean
is no higher than the goal; where a gallery is too small to promise it, there is no line. Candidates share
the side, where sides are known, and never the encounter.

The real photos are looked for in the folder RESIGHT_DATA (default: shared/data beside the repository);
vectors are kept in the temporary folder, so a second run is quick.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

import resight
from resight.core import Catalogue, Embeddings
from resight.datasets import read_catalogue
from resight.datasets.synthetic import make_synthetic
from resight.decide import Goal, calibrate
from resight.embed import Bundle, embed_all
from resight.errors import NotFittedError
from resight.pipeline.self_search import self_search, who_may_answer
from resight.search import ExactSearch

HERE = Path(__file__).parent
PHOTOS = Path(os.environ.get("RESIGHT_DATA", HERE.parents[1] / "shared" / "data"))
CACHE = Path(tempfile.gettempdir()) / "resight-benchmarks"
RESULTS = HERE / "results" / "fpir_kept.json"
GOALS = [Goal(name, rate) for name in ("fpir", "conformal") for rate in (0.01, 0.05, 0.10)]
SEED = 7
N_SYNTHETIC = 120


@dataclass(frozen=True)
class PhotoSet:
    """A labelled photo set with its vectors."""

    name: str
    catalogue: Catalogue
    embeddings: Embeddings
    same: tuple[str, ...]


def photo_sets() -> list[PhotoSet]:
    bundle = Bundle.load()
    with tempfile.TemporaryDirectory() as folder:
        drawn = make_synthetic(Path(folder), n_identities=N_SYNTHETIC, n_strangers=0, seed=SEED)
        drawn = Catalogue(drawn.frame.with_columns(identity=pl.col("true_identity")), drawn.root)
        sets = [_with_vectors(f"synthetic-{N_SYNTHETIC}", drawn, bundle, ("side",))]
    for name, same in (("faces_orl", ()), ("wildlife_nyala_dev", ("side",))):
        if (PHOTOS / name).is_dir():
            sets.append(_with_vectors(name, read_catalogue(PHOTOS / name), bundle, same))
    return sets


def _with_vectors(name: str, catalogue: Catalogue, bundle: Bundle, same: tuple[str, ...]) -> PhotoSet:
    digest = hashlib.sha256()
    for row, image_id in enumerate(catalogue.image_ids.tolist()):
        digest.update(image_id.encode() + catalogue.photo(row).read_bytes())
    kept = CACHE / f"{name}-{digest.hexdigest()[:12]}-{bundle.model_id.replace(':', '-')[:24]}.npy"
    if kept.is_file():
        return PhotoSet(name, catalogue, Embeddings(catalogue.image_ids, np.load(kept), bundle.model_id), same)
    batch = embed_all(catalogue, bundle)
    if batch.failures:
        raise SystemExit(f"{name}: {len(batch.failures)} photos could not be read, first {batch.failures[0]}")
    embeddings = batch.embeddings
    CACHE.mkdir(parents=True, exist_ok=True)
    np.save(kept, embeddings.vectors)
    return PhotoSet(name, catalogue, embeddings, same)


def one_split(photos: PhotoSet, rng: np.random.Generator) -> list[dict[str, float]]:
    """For each goal: the interval that was stated, and the rate that strangers then had."""
    identities = np.unique(photos.catalogue.column("identity").astype(np.str_))
    drawn = rng.permutation(identities)[: len(identities) // 2]
    known = np.isin(photos.catalogue.column("identity").astype(np.str_), drawn)
    gallery, vectors = photos.catalogue.select(known), photos.embeddings.select(known)
    strangers, queries = photos.catalogue.select(~known), photos.embeddings.select(~known)
    found = self_search(gallery, vectors, same=photos.same)
    searcher = ExactSearch(vectors, gallery.column("identity").astype(np.str_))
    best = searcher.search(queries, 1, who_may_answer(strangers, gallery, same=photos.same)).best_scores
    few = np.isin(strangers.column("identity").astype(np.str_), _a_third(np.setdiff1d(identities, drawn), rng))
    rows = []
    for goal in GOALS:
        try:
            point = calibrate(
                found.mated,
                found.mated_identities,
                found.non_mated,
                found.non_mated_identities,
                goal,
                n_photos=len(gallery),
                same=photos.same,
            )
        except NotFittedError:
            continue  # too few individuals for this promise
        accepted = best.astype(np.float64) >= point.threshold
        rates = {"goal": str(goal), "observed": float(accepted.mean()), "observed_few": float(accepted[few].mean())}
        rows.append({**rates, "low": point.fpir.low, "high": point.fpir.high, "fnir": point.fnir.value})
    return rows


def _a_third(identities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(identities)[: max(1, len(identities) // 3)]


def measure(photos: PhotoSet, n_splits: int) -> list[dict[str, float | int | str]]:
    rng = np.random.default_rng(SEED)
    rows = [row for _ in range(n_splits) for row in one_split(photos, rng)]
    figures: list[dict[str, float | int | str]] = []
    for goal in GOALS:
        of_goal = [row for row in rows if row["goal"] == str(goal)]
        if not of_goal:
            continue
        low, high, observed, few, fnir = (
            np.array([row[name] for row in of_goal]) for name in ("low", "high", "observed", "observed_few", "fnir")
        )
        figures.append(
            {
                "photos": photos.name,
                "n_known": photos.catalogue.n_identities // 2,
                "goal": str(goal),
                "n_inside": int(((low <= observed) & (observed <= high)).sum()),
                "n_inside_few": int(((low <= few) & (few <= high)).sum()),
                "n_above": int((observed > high).sum()),
                "n_at_most_the_goal": int((observed <= goal.value).sum()),
                "n_splits": len(of_goal),
                "mean_observed": float(observed.mean()),
                "sd_observed": float(observed.std()),
                "mean_low": float(low.mean()),
                "mean_high": float(high.mean()),
                "mean_width": float((high - low).mean()),
                "mean_fnir": float(fnir.mean()),
            }
        )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="5 splits, nothing written")
    quick = parser.parse_args().quick
    sets = photo_sets()
    figures = [row for photos in sets for row in measure(photos, 5 if quick else 100)]
    print(
        "photos               known  goal            inside   a third  above  <= goal  "
        "observed (sd)  stated interval   FNIR"
    )
    for row in figures:
        print(
            f"{row['photos']:20s} {row['n_known']:5d}  {row['goal']:14s} {row['n_inside']:3d}/{row['n_splits']:<3d}  "
            f"{row['n_inside_few']:3d}/{row['n_splits']:<3d} {row['n_above']:5d}    {row['n_at_most_the_goal']:5d}  "
            f"{row['mean_observed']:.3f} ({row['sd_observed']:.3f})  "
            f"[{row['mean_low']:.3f}, {row['mean_high']:.3f}]  {row['mean_fnir']:.3f}"
        )
    if not quick:
        about = {
            "resight": resight.__version__,
            "numpy": np.__version__,
            "seed": SEED,
            "model": sets[0].embeddings.model,
        }
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({**about, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
