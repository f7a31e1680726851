"""Does a threshold per group keep the promise to each group? One line, a line per group, each group on its own.

    python benchmarks/group_thresholds.py            40 splits; writes results/group_thresholds.json
    python benchmarks/group_thresholds.py --quick    3 splits

The whole set is searched by its own photos, without the query's individual. In each split the searches of
half of the individuals set the lines, those of the other half meet them. Groups are the sides of the
nyalas and of drawn animals, and three kinds in one catalogue (nyalas, faces, drawn animals), of which one
embedding says that faces are all alike.

- `one line` for all; `per group` is what resight fits with `--per`; `alone` sets a line on each group's own searches;
- `distance` is the mean over splits and groups of |FPIR of the group − goal|, `worst` that of the
  highest FPIR of any group.

Then the same for probabilities: the expected calibration error (as in `probabilities.py`) when they are fitted on
the scores as they are, or on scores less their group's offset.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from fpir_kept import RESULTS, SEED, PhotoSet, photo_sets
from probabilities import ece_and_brier, side

import resight
from resight.core import Catalogue, Embeddings, Matches
from resight.decide import Goal, Groups, calibrate, probabilities
from resight.decide.group_thresholds import Members, codes_of
from resight.decide.thresholds import keeping_fpir
from resight.pipeline.gallery import values_of
from resight.pipeline.self_search import SelfSearch, self_search

RATES = (0.01, 0.05, 0.10)
KINDS = {"faces_orl": "face", "wildlife_nyala_dev": "nyala"}


@dataclass(frozen=True)
class Case:
    """Searches, and the group of each photo."""

    name: str
    found: SelfSearch
    group_of: dict[str, str]

    def groups(self, found: SelfSearch) -> Groups:
        mated, non_mated = (
            np.array([self.group_of[query] for query in some.query_ids.tolist()], np.str_)
            for some in (found.mated, found.non_mated)
        )
        return Groups("group", mated, non_mated)


def cases() -> Iterator[Case]:
    sets = photo_sets()
    for photos in sets:
        if "side" in photos.same:
            found = self_search(photos.catalogue, photos.embeddings, same=photos.same)
            groups = values_of(photos.catalogue, "side").tolist()
            yield Case(
                f"{photos.name}, side", found, dict(zip(photos.catalogue.image_ids.tolist(), groups, strict=True))
            )
    catalogue, embeddings = together(sets)
    found = self_search(catalogue, embeddings, same=("species", "side"))
    kinds = values_of(catalogue, "species").tolist()
    yield Case("three kinds, species", found, dict(zip(catalogue.image_ids.tolist(), kinds, strict=True)))


def together(sets: list[PhotoSet]) -> tuple[Catalogue, Embeddings]:
    """All sets as one catalogue, each of another species."""
    frames = []
    for photos in sets:
        frame, mark = photos.catalogue.frame, pl.lit(f"{photos.name}/")
        frames.append(
            frame.select(
                image_id=mark + pl.col("image_id"),
                path="path",
                identity=mark + pl.col("identity"),
                encounter=mark + pl.coalesce("encounter", "image_id"),
                species=pl.lit(KINDS.get(photos.name, "drawn")),
                side=pl.col("side") if "side" in frame.columns else pl.lit(None, dtype=pl.String),
            )
        )
    catalogue = Catalogue(pl.concat(frames), Path())
    vectors = np.concatenate([photos.embeddings.vectors for photos in sets])
    return catalogue, Embeddings(catalogue.image_ids, vectors, sets[0].embeddings.model)


def lines_of(fit: SelfSearch, groups: Groups, rate: float) -> dict[str, dict[str, float]]:
    """For each way the line of each group."""
    searches = (fit.mated, fit.mated_identities, fit.non_mated, fit.non_mated_identities)
    point = calibrate(*searches, Goal("fpir", rate), n_photos=1, n_resamples=1, groups=groups)
    best = fit.non_mated.best_scores
    names = [one.value for one in point.group_thresholds]
    return {
        "one line": dict.fromkeys(names, point.threshold),
        "per group": {one.value: one.threshold for one in point.group_thresholds},
        "alone": {name: keeping_fpir(best[groups.non_mated == name], rate) for name in names},
    }


def met_by(lines: dict[str, float], judge: SelfSearch, groups: Groups, rate: float) -> dict[str, float]:
    right = judge.mated.best_identities == judge.mated_identities
    accepted, named = (
        found.best_scores >= np.array([lines[name] for name in values.tolist()])
        for found, values in ((judge.non_mated, groups.non_mated), (judge.mated, groups.mated))
    )
    each = {name: float(accepted[groups.non_mated == name].mean()) for name in lines}
    rates = np.array(list(each.values()))
    figures = {"fpir": float(accepted.mean()), "distance": float(abs(rates - rate).mean()), "worst": float(rates.max())}
    return {**figures, "fnir": float(1 - (right & named).mean()), **{f"fpir of {name}": r for name, r in each.items()}}


def less_offsets(fit: SelfSearch, groups: Groups, *others: tuple[Matches, np.ndarray]) -> list[Matches]:
    """Searches whose scores are less the offset of their query's group, as it was taken from those that fit."""
    names = tuple(np.unique(groups.non_mated).tolist())
    who = np.unique(fit.non_mated_identities, return_inverse=True)[1].reshape(-1)
    codes = codes_of(groups.non_mated, names)
    members = Members.of(fit.non_mated.best_scores, who, codes, len(names), RATES[1], SEED)
    offsets = members.offsets(np.ones(who.max() + 1, np.int64))
    moved = []
    for matches, values in others:
        of_these = replace(members, best=matches.best_scores, codes=codes_of(values, names))
        moved.append(replace(matches, scores=of_these.moved(offsets, matches.scores)))
    return moved


def calibration_errors(fit, judge, fit_groups: Groups, judge_groups: Groups) -> dict[str, dict[str, float]]:
    plain = [fit.mated, fit.non_mated, judge.mated, judge.non_mated]
    values = [fit_groups.mated, fit_groups.non_mated, judge_groups.mated, judge_groups.non_mated]
    ways = {"as they are": plain, "less offset": less_offsets(fit, fit_groups, *zip(plain, values, strict=True))}
    errors = {}
    for name, (mated, strangers, asked, met) in ways.items():
        searches = (mated, fit.mated_identities, strangers, fit.non_mated_identities)
        point = calibrate(*searches, Goal("fpir", RATES[1]), n_photos=1, n_resamples=1)
        known, new = probabilities(asked, point), probabilities(met, point)
        first, of_new = np.concatenate([known[0][:, 0], new[0][:, 0]]), np.concatenate([known[1], new[1]])
        right = np.concatenate([asked.best_identities == judge.mated_identities, np.zeros(len(met), bool)])
        is_new = np.repeat([0.0, 1.0], [len(asked), len(met)])
        weights = np.repeat([0.5 / len(asked), 0.5 / len(met)], [len(asked), len(met)])
        errors[name] = {
            "ece_first": ece_and_brier(first, right.astype(float), weights)[0],
            "ece_new": ece_and_brier(of_new, is_new, weights)[0],
        }
    return errors


def measure(case: Case, n_splits: int) -> list[dict[str, float | str]]:
    individuals, rng = np.unique(case.found.non_mated_identities), np.random.default_rng(SEED)
    seen: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(n_splits):
        chosen = rng.permutation(individuals)[: len(individuals) // 2]
        fit, judge = side(case.found, chosen), side(case.found, np.setdiff1d(individuals, chosen))
        fit_groups, judge_groups = case.groups(fit), case.groups(judge)
        for rate in RATES:
            for way, lines in lines_of(fit, fit_groups, rate).items():
                seen.setdefault((f"fpir={rate:g}", way), []).append(met_by(lines, judge, judge_groups, rate))
        for way, errors in calibration_errors(fit, judge, fit_groups, judge_groups).items():
            seen.setdefault(("probabilities", way), []).append(errors)
    return [
        {"photos": case.name, "n_individuals": len(individuals) // 2, "n_splits": n_splits, "goal": goal, "way": way,
         **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]}}
        for (goal, way), rows in seen.items()
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 splits, nothing written")
    quick = parser.parse_args().quick
    figures = [row for case in cases() for row in measure(case, 3 if quick else 40)]
    for row in figures:
        shown = "  ".join(f"{name} {value:.3f}" for name, value in row.items() if isinstance(value, float))
        print(f"{row['photos']:28s} {row['goal']:13s} {row['way']:12s} {shown}")
    if not quick:
        about = {"resight": resight.__version__, "numpy": np.__version__, "seed": SEED}
        RESULTS.with_name("group_thresholds.json").write_text(
            json.dumps({**about, "figures": figures}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
