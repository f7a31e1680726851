"""The desk that re-ranks: what the library says, kept while names change, and an order that follows."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import threading
import time

import numpy as np
import polars as pl
import pytest
from PIL import Image

from resight import Identifier, RerankRecipe, calibrate_catalogue, index_photos, make_synthetic
from resight.core import Catalogue, Judgement
from resight.errors import InputError, MismatchError, NotFittedError
from resight.pipeline.review import ReviewDesk
from resight.pipeline.review_weigher import Holder
from resight.serve.app import create_service
from resight.serve.settings import Settings
from review_service import TOKEN, client_of, until

RECIPE = RerankRecipe.parse(
    """
    [shortlist]
    n_photos = 20
    [fusion]
    how = "stack"
    [identity]
    how = "any"
    [[scorers]]
    kind = "cosine"
    [[scorers]]
    kind = "naive-bayes"
    max_side_px = 96
    n_keypoints = 150
    n_background = 12
    """
)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A catalogue calibrated with a recipe; read-only by agreement."""
    folder = tmp_path_factory.mktemp("fitted")
    make_synthetic(folder / "photos", n_identities=6, n_encounters=3, n_photos=2, n_strangers=2, side_px=96, seed=4)
    index_photos(folder / "photos", folder / "mine")
    calibrate_catalogue(folder / "mine", "fpir=0.2", rerank=RECIPE)
    return folder / "mine"


@pytest.fixture
def mine(fitted, tmp_path):
    return shutil.copytree(fitted, tmp_path / "mine")


def counting(mine):
    """A desk, and the photos that were held against others."""
    asked, plain = [], ReviewDesk.open(mine)
    holder = Holder(mine, None, plain.model)

    def compare(one, others, scores):
        asked.append(str(one.catalogue.image_ids[0]))
        return holder(one, others, scores)

    return ReviewDesk(plain.store, plain.model, compare), asked


def unnamed(desk):
    return desk.store.catalogue().select(pl.col("identity").is_null())


def test_candidates_are_those_of_the_library_re_ranked(fitted):
    desk, identifier = ReviewDesk.open(fitted, rerank=True), Identifier.open(fitted, rerank=True)
    photos = unnamed(desk)
    vectors = desk.store.embeddings(desk.model).select(photos.image_ids)
    by_cosine = ReviewDesk.open(fitted)
    n_otherwise = 0
    for one in identifier.identify_embeddings(vectors, photos, top=6):
        found = desk.candidates(one.query, top=6)
        assert [(o.identity, o.image_id) for o in found.candidates] == [
            (c.identity, c.image_id) for c in one.candidates
        ]
        assert [o.score for o in found.candidates] == pytest.approx([c.score for c in one.candidates], abs=1e-5)
        assert [o.probability for o in found.candidates] == pytest.approx([c.probability for c in one.candidates])
        assert (found.verdict, found.probability_new) == (one.verdict, pytest.approx(one.probability_new))
        assert found.model == identifier.point.model != desk.model
        plain = by_cosine.candidates(one.query, top=6)
        n_otherwise += [o.identity for o in plain.candidates] != [o.identity for o in found.candidates]
    assert n_otherwise > 0


def test_by_image_each_photo_stands_for_itself(fitted):
    desk = ReviewDesk.open(fitted, rerank=True)
    image_id = str(unnamed(desk).image_ids[0])
    found = desk.candidates(image_id, by="image", top=20).candidates
    names = dict(desk.store.catalogue().frame.select("image_id", "identity").iter_rows())
    assert len(found) == 20
    assert len({one.image_id for one in found}) == 20
    assert [one.identity for one in found] == [names[one.image_id] for one in found]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_a_photo_that_is_not_in_the_catalogue_is_weighed_like_one_that_is(fitted):
    desk = ReviewDesk.open(fitted, rerank=True)
    photos = unnamed(desk).select(np.array([0]))
    vector = desk.store.embeddings(desk.model).select(photos.image_ids).vectors[0]
    row = photos.frame.row(0, named=True)
    outside = Catalogue(pl.DataFrame([{"image_id": "q", "path": row["path"], "side": row["side"]}]), photos.root)
    known = {name: row[name] for name in ("content", "encounter", "side") if row.get(name)}
    found = desk.identify(vector, known, image_id="q", photo=outside, top=6)
    inside = desk.candidates(row["image_id"], top=6)
    assert [(o.identity, o.score) for o in found.candidates] == [(o.identity, o.score) for o in inside.candidates]
    with pytest.raises(InputError, match="expected the photo of 'q'"):
        desk.identify(vector, known, image_id="q")


def test_what_was_compared_is_kept_while_names_change(mine):
    desk, asked = counting(mine)
    image_id = str(unnamed(desk).image_ids[0])
    first = desk.candidates(image_id).candidates[0]
    desk.store.rename(first.identity, "Another name", who="anna")
    again = desk.candidates(image_id).candidates[0]
    assert (again.identity, again.score) == ("Another name", first.score)
    assert asked == [image_id]
    desk.judge(Judgement(image_id, "different", "Another name"), who="anna")
    assert "Another name" not in {one.identity for one in desk.candidates(image_id, top=20).candidates}


def test_the_order_follows_what_was_weighed(mine):
    desk, asked = counting(mine)
    before = desk.queue(n=100)
    assert any("not weighed yet" in note for note in before.notes)
    until = time.monotonic() + 60
    while any("not weighed" in note for note in desk.queue(n=100).notes) and time.monotonic() < until:
        time.sleep(0.05)
    after = desk.queue(n=100)
    assert not any("not weighed" in note for note in after.notes)
    assert len(asked) == len(set(asked)) == len(desk.store.catalogue())
    assert after.expected_wrong.value >= 0
    first = after.items[0]
    assert first.teaches > 0
    assert first.best == desk.candidates(first.image_id).candidates[0].identity
    desk.judge(Judgement(first.image_id, "different", first.best), who="anna")
    (now,) = (one for one in desk.queue(n=100).items if one.image_id == first.image_id)
    assert now.best != first.best


def test_whoever_is_named_later_was_held_against_already(mine):
    longer = RECIPE.model_copy(update={"shortlist": RECIPE.shortlist.model_copy(update={"n_photos": 100})})
    calibrate_catalogue(mine, "fpir=0.2", rerank=longer)
    desk, asked = counting(mine)
    photos = unnamed(desk)
    for image_id in photos.image_ids.tolist():
        state = desk._state
        state.weigh(state.board.query(state.board.row(image_id), state.names))
    n_asked = len(asked)
    stranger, sibling = photos.select(pl.col("side") == photos.frame["side"][0]).image_ids[:2].tolist()
    before = {one.identity: one.score for one in desk.candidates(sibling, top=20).candidates}
    named = desk.judge(Judgement(stranger, "new"), who="anna").after[stranger].identity
    after = {one.identity: one.score for one in desk.candidates(sibling, top=20).candidates}
    met = desk.photo(stranger).columns["encounter"] != desk.photo(sibling).columns["encounter"]
    assert (named in after) == met
    assert {name: score for name, score in after.items() if name != named} == before
    assert len(asked) == n_asked


def test_nothing_fitted_or_something_else_is_said(mine):
    model = ReviewDesk.open(mine).model
    desk = ReviewDesk.open(mine, rerank=True)
    calibrate_catalogue(mine, "fpir=0.2", rerank=RECIPE.model_copy(update={"scorers": RECIPE.scorers[:1]}))
    with pytest.raises(MismatchError, match="refresh"):
        desk.candidates(str(unnamed(desk).image_ids[0]))
    desk.refresh()
    assert desk.candidates(str(unnamed(desk).image_ids[0])).candidates
    assert desk.model == model
    shutil.rmtree(mine / "rerank")
    with pytest.raises(NotFittedError, match="resight calibrate --rerank"):
        ReviewDesk.open(mine, rerank=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_service_says_the_same_by_processes_of_its_own(mine):
    photos = ReviewDesk.open(mine).store.catalogue()
    path = next(photos.photo(row) for row in range(len(photos)) if photos.frame["identity"][row] is None)
    settings = Settings(tokens={TOKEN: "anna"}, rate_per_s=1_000, burst=1_000)
    service = create_service(mine, settings, rerank=True)
    with client_of(service) as client:
        sent = client.post(
            "/v1/identify", files={"photo": ("../../q of May.jpg", path.read_bytes())}, data={"top": "3"}
        ).json()
        image_id = client.get("/v1/queue").json()["items"][0]["image_id"]
        shown = client.get("/v1/candidates", params={"image_id": image_id}).json()
    decision = next(iter(Identifier.open(mine, rerank=True).identify(path, top=3)))
    assert sent["verdict"] == decision.verdict
    assert [one["identity"] for one in sent["candidates"]] == [one.identity for one in decision.candidates]
    assert [one["score"] for one in sent["candidates"]] == pytest.approx(
        [one.score for one in decision.candidates], abs=1e-4
    )
    ours = ReviewDesk.open(mine, rerank=True).candidates(image_id).candidates
    assert [one["score"] for one in shown["candidates"]] == pytest.approx([one.score for one in ours], abs=1e-4)


def test_a_service_that_cannot_re_rank_leaves_no_process(mine):
    shutil.rmtree(mine / "rerank")
    before = set(multiprocessing.active_children())
    with pytest.raises(NotFittedError, match="resight calibrate --rerank"):
        create_service(mine, Settings(), rerank=True)
    assert set(multiprocessing.active_children()) == before


def test_the_background_is_that_of_the_fit_whoever_lost_a_name(mine):
    desk = ReviewDesk.open(mine, rerank=True)
    photos = unnamed(desk)
    vectors = desk.store.embeddings(desk.model).select(photos.image_ids)
    background = json.loads((mine / "rerank" / "fusion.json").read_text(encoding="utf-8"))["background"]
    desk.store.assign(background[:6], None, who="anna")
    for one in Identifier.open(mine, rerank=True).identify_embeddings(vectors, photos, top=3):
        found = desk.candidates(one.query, top=3).candidates
        assert [c.score for c in found] == pytest.approx([c.score for c in one.candidates], abs=1e-5)


def test_a_refresh_ends_the_weighing_and_keeps_what_was_weighed(mine):
    desk, asked = counting(mine)
    image_id = str(unnamed(desk).image_ids[0])
    before = desk.candidates(image_id)
    n_threads = threading.active_count()
    for _ in range(5):
        desk.refresh()
        assert desk.candidates(image_id) == before
        desk.queue()
    assert asked.count(image_id) == 1
    until(threading.active_count, lambda n: n <= n_threads + 1)
    path = desk.photo_file(image_id)[0]
    Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path, "JPEG")
    index_photos(path.parents[1], mine)
    desk.refresh()
    desk.candidates(image_id)
    assert asked.count(image_id) == 2
