"""Landmarks end to end: photos that show none ask, what photos show is evidence, and frequent wrong answers cost.

The drawn animals play landmarks. What a photo shows is said by a toy bundle that the test builds: red is a building.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oracles.toy_segmentation import write_bundle
from resight import Identifier, RerankRecipe, calibrate_catalogue, index_photos, make_synthetic
from resight.config import LocalOptions
from resight.errors import InputError
from resight.evaluate.score import score_files
from resight.pipeline import reranking
from resight.pipeline.forms import Form
from resight.pipeline.gallery import labelled_gallery
from resight.pipeline.reranking import reranked_method
from resight.pipeline.self_search import who_may_answer
from resight.pipeline.sides import extractor_of
from resight.pipeline.submit import write_submission
from resight.store import CatalogueStore

N_STRANGERS = 24


def put(pixels: np.ndarray, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(place, quality=95)


def tinted(pixels: np.ndarray, channel: int) -> np.ndarray:
    """The photo with a channel that rules: 0 makes it a building, 2 sky."""
    answer = pixels // 2
    answer[..., channel] += 120
    return answer


@pytest.fixture(scope="module")
def contest(tmp_path_factory):
    """A contest's folder: red landmarks, and blue copies of photos of each that show none; half of those are apart."""
    root = tmp_path_factory.mktemp("contest")
    drawn = make_synthetic(
        root / "drawn", n_identities=8, n_encounters=4, n_photos=1, n_strangers=0, side_px=96, seed=6
    )
    names = sorted(set(drawn.column("true_identity")))
    rows, truth, n_of = [], [], dict.fromkeys(names, 0)
    for number, row in enumerate(drawn):
        pixels = np.asarray(Image.open(drawn.root / row["path"]).convert("RGB"))
        name, landmark = f"{number:016x}"[::-1], names.index(row["true_identity"])
        asks = n_of[row["true_identity"]] == 0
        n_of[row["true_identity"]] += 1
        put(tinted(pixels, 0), root / ("test" if asks else "train") / "/".join(name[:3]) / f"{name}.jpg")
        (truth if asks else rows).append((name, str(landmark), "north" if landmark < 4 else "south"))
        if asks:
            other = f"{number + 1000:016x}"[::-1]
            put(tinted(pixels, 2), root / "test" / "/".join(other[:3]) / f"{other}.jpg")
            truth.append((other, "", ""))
        else:
            put(tinted(pixels, 2), root / "none" / f"{name}.jpg")
    for path, table in ((root / "train.csv", rows), (root / "kept.csv", truth)):
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("id", "landmark_id", "area"), *table])
    shutil.rmtree(root / "drawn")
    index_photos(root, root / "mine", labels=root / "train.csv")
    return root


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("toy"))


def recipe(*more: str, ask: bool = True, most: float = 2.0) -> RerankRecipe:
    return RerankRecipe.parse(
        f"[fusion]\nhow = 'stack'\nn_folds = 3\n[identity]\nhow = 'sum'\n[cohort]\nask = {str(ask).lower()}\n"
        f"[false_labels]\nmost = {most}\nshrinkage = 1.0\n[[scorers]]\nkind = 'cosine'\n" + "\n".join(more)
    )


def shown(toy: Path) -> str:
    return f"[[scorers]]\nkind = 'segmentation'\nmodel = '{toy}'\nclasses = ['building']"


@pytest.fixture(scope="module")
def judged(contest, toy):
    """Without and with a look at what photos show: the score, the rows of the submission, and who identified."""

    def calibrated(weighed: RerankRecipe) -> tuple[dict, dict[str, str], Identifier]:
        calibrate_catalogue(contest / "mine", "fpir=0.2", rerank=weighed, distractors=contest / "none")
        identifier = Identifier.open(contest / "mine", rerank=True)
        form, out = Form.of_file("landmarks"), contest / "submission.csv"
        write_submission(identifier.identify(form.photos(contest / "test", None)), form, out)
        return score_files("gap", contest / "kept.csv", out, n_resamples=0).to_json(), read(out), identifier

    return calibrated(recipe()), calibrated(recipe(shown(toy)))


def read(table: Path) -> dict[str, str]:
    with table.open(newline="") as file:
        return {row[0]: row[1] for row in list(csv.reader(file))[1:]}


def test_what_a_photo_shows_moves_the_measure_of_those_that_show_none(contest, judged):
    (blind, _, _), (seeing, rows, identifier) = judged
    assert identifier.reranker.fusion.scorers == ("cosine", "segmentation")
    assert identifier.reranker.fusion.combination.weights[1] > 0
    assert blind["gap"] < seeing["gap"] <= seeing["variants"]["landmarks_only"] <= 1
    truth = read(contest / "kept.csv")
    sure = {name: float(cell.split()[1]) if cell else 0.0 for name, cell in rows.items()}
    assert set(sure) == set(truth)
    assert all(0 <= one <= 1 for one in sure.values())
    landmark, none = ([sure[name] for name, label in truth.items() if bool(label) is there] for there in (True, False))
    assert np.median(landmark) > max(none)


@pytest.fixture(scope="module")
def prepared(contest):
    store = CatalogueStore.open(contest / "mine")
    gallery, embeddings = labelled_gallery(store, store.models()[0].name)
    method = reranked_method(store, gallery, embeddings, recipe(), contest / "none")
    return method.prepare(np.arange(len(gallery)), (), 0)


def test_strangers_ask_and_are_nobody(prepared):
    searches = prepared.self_search()
    strangers = [name for name in searches.non_mated_identities if name.startswith("stranger-")]
    assert len(strangers) == len(set(strangers)) == N_STRANGERS
    assert len(searches.mated) == len(searches.non_mated) - N_STRANGERS == len(prepared.gallery)
    assert len(prepared.method.prepare(np.arange(len(prepared.answer)), (), 0).honest) == len(prepared.pairs)


def test_frequent_false_labels_cost_what_plain_counting_says(prepared):
    searches = prepared.self_search()
    names = np.unique(prepared.gallery.column("identity").astype(str))
    values = np.where(np.isnan(prepared.honest), -np.inf, prepared.honest)
    asked = prepared.asking.column("identity").astype(str)
    of_photo = prepared.gallery.column("identity").astype(str)
    wins = dict.fromkeys(names, 0)
    for query, who in enumerate(asked):
        rows = np.flatnonzero((prepared.pairs.queries == query) & (of_photo[prepared.pairs.photos] != who))
        sums = {}
        for name in names:
            own = np.sort(values[rows[of_photo[prepared.pairs.photos[rows]] == name]])[::-1][:3]
            sums[name] = (1 / (1 + np.exp(-own))).sum() if len(own) else -1
        wins[max(sums, key=sums.get)] += 1
    expected = {}
    for name in names:
        n = sum(who != name for who in asked) * (of_photo == name).mean()
        expected[name] = min(max(np.log((wins[name] + 1) / (n + 1)), 0), 2)
    of_photos = zip(prepared.gallery.image_ids.tolist(), of_photo.tolist(), strict=True)
    assert prepared.penalties == pytest.approx({photo: expected[who] for photo, who in of_photos if expected[who] > 0})
    assert prepared.penalties
    assert "false-labels" in searches.mated.model


def test_new_photos_are_scored_as_the_gallery_was_fitted(prepared, judged):
    reranker = judged[0][2].reranker
    assert reranker.penalties == pytest.approx(prepared.penalties)
    gallery, embeddings = prepared.gallery, prepared.method.embeddings
    rule = who_may_answer(gallery, gallery)
    new, own = reranker.compare(gallery, embeddings, rule).matches, prepared.search(np.arange(len(gallery)), rule)
    assert new.identities.tolist() == own.identities.tolist()
    assert new.scores == pytest.approx(own.scores, abs=1e-5, nan_ok=True)
    assert new.model == own.model == judged[0][2].point.model


def test_lines_per_group_leave_strangers_to_the_line_of_all(contest):
    point = calibrate_catalogue(contest / "mine", "fpir=0.2", rerank=recipe(), distractors=contest / "none", per="area")
    assert point.n_non_mated == N_STRANGERS * 2


def test_asking_needs_somebody_who_asks(contest):
    with pytest.raises(InputError, match="--distractors"):
        calibrate_catalogue(contest / "mine", "fpir=0.2", rerank=recipe())


def test_vectors_of_a_second_model_that_are_kept_are_not_made_again(contest, monkeypatch, tmp_path):
    from resight.embed import Bundle
    from resight.pipeline import sides

    folder = shutil.copytree(contest / "mine", tmp_path / "mine")
    store = CatalogueStore.open(folder)
    gallery, embeddings = labelled_gallery(store, store.models()[0].name)
    monkeypatch.setattr(sides, "embed_all", None)  # nothing may be embedded
    kept = sides.Side(gallery, embeddings, store).vectors(Bundle.load())
    assert kept.image_ids.tolist() == gallery.image_ids.tolist()
    assert np.array_equal(kept.vectors, embeddings.vectors)
    assert reranking.has_fusion(store)


def test_learned_keypoints_need_more_than_a_name():
    with pytest.raises(InputError, match="expected the path of a bundle of 'aliked' keypoints, found the name alone"):
        extractor_of(LocalOptions(features="aliked"))


def test_photos_of_the_catalogue_are_no_distractors(contest):
    store = CatalogueStore.open(contest / "mine")
    folder = store.catalogue().labelled().root
    with pytest.raises(InputError, match=r"expected photos of nobody .* found \d+ of its labelled photos"):
        calibrate_catalogue(contest / "mine", "fpir=0.2", rerank=recipe(), distractors=folder)
