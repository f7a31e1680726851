"""The desk: what waits, who it may be, and that decisions tell at once."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from resight.core import Judgement
from resight.errors import ConflictError, InputError, UnknownNameError
from resight.pipeline import Identifier
from resight.pipeline.review import ReviewDesk
from resight.pipeline.review_figures import discovery_curve, expected_individuals, new_per_month
from resight.pipeline.review_queue import expected_wrong, wrong_names


@pytest.fixture(scope="module")
def desk(calibrated_for_review):
    return ReviewDesk.open(calibrated_for_review)


def test_candidates_are_those_of_the_library(desk):
    store = desk.store
    photos = store.catalogue().select(pl.col("identity").is_null())
    identifier = Identifier.open(store.folder)
    vectors = store.embeddings(desk.model).select(photos.image_ids)
    for one in identifier.identify_embeddings(vectors, photos, top=8):
        found = desk.candidates(one.query, top=8)
        assert [(o.identity, o.image_id, o.score) for o in found.candidates] == [
            (c.identity, c.image_id, c.score) for c in one.candidates
        ]
        assert [o.probability for o in found.candidates] == pytest.approx([c.probability for c in one.candidates])
        assert (found.verdict, found.probability_new) == (one.verdict, pytest.approx(one.probability_new))


def test_by_image_it_is_a_plain_loop_over_photos(desk):
    photos, found = desk.store.catalogue(), desk.store.embeddings(desk.model)
    vector = dict(zip(found.image_ids.tolist(), found.vectors, strict=True))
    query = next(row for row in photos if row["identity"] is None)
    wanted = sorted(
        (
            (-float(np.float32(vector[row["image_id"]].astype(float) @ vector[query["image_id"]].astype(float))), row)
            for row in photos
            if row["identity"] and row["side"] == query["side"] and row["encounter"] != query["encounter"]
        ),
        key=lambda pair: pair[0],
    )[:12]
    found = desk.candidates(query["image_id"], by="image", top=12).candidates
    assert [o.image_id for o in found] == [row["image_id"] for _, row in wanted]
    assert [o.rank for o in found] == list(range(1, 13))


def test_a_filter_is_in_force_and_an_unknown_one_is_refused(desk):
    image_id = desk.queue(n=1).items[0].image_id
    found = desk.candidates(image_id, filter={"date": "2021"}, by="image", top=50)
    assert found.candidates
    assert all(o.facts.columns["date"].startswith("2021") for o in found.candidates)
    assert found.n_searched == len(found.candidates)
    with pytest.raises(UnknownNameError, match="Did you mean 'side'"):
        desk.candidates(image_id, filter={"sidee": "left"})
    with pytest.raises(UnknownNameError, match="no photo"):
        desk.candidates("../../etc/passwd")
    assert {desk.photo(item.image_id).columns["side"] for item in desk.queue({"side": "left"}).items} == {"left"}


def test_decisions_tell_at_once_and_conflicts_are_refused(folder):
    desk = ReviewDesk.open(folder)
    first, second = (item.image_id for item in desk.queue(n=2).items)
    found = desk.candidates(first)
    best = found.candidates[0].identity
    desk.judge(Judgement(first, "different", best, seen=found.query.version), who="anna")
    assert best not in {o.identity for o in desk.candidates(first, top=20).candidates}
    with pytest.raises(ConflictError):
        desk.judge(Judgement(first, "same", best, seen=found.query.version), who="ben")
    entry = desk.judge(Judgement(first, "new", seen=desk.photo(first).version), who="ben")
    named = desk.photo(first).identity
    assert named
    assert first not in {item.image_id for item in desk.queue(n=100).items}
    desk.store.rename(named, "Zora", who="someone else")  # in another process, as far as the desk knows
    assert desk.individual("Zora").n_photos == 1
    assert "Zora" in {one.name for one in desk.individuals()[0]}
    with pytest.raises(InputError, match="changed since"):
        desk.store.undo(entry.number, who="ben")
    desk.judge(Judgement(second, "poor"), who="ben")
    assert second not in {item.image_id for item in desk.queue(n=100).items}
    desk.store.undo(who="ben")
    assert second in {item.image_id for item in desk.queue(n=100).items}


def test_whom_a_photo_does_not_show_stays_away_under_another_name(folder):
    desk = ReviewDesk.open(folder)
    item = next(one for one in desk.queue(n=100).items if one.best)
    desk.judge(Judgement(item.image_id, "different", item.best), who="anna")
    desk.store.rename(item.best, "Renamed", who="anna")
    (again,) = (one for one in desk.queue(n=100).items if one.image_id == item.image_id)
    assert again.best not in (item.best, "Renamed")


def test_skipped_ones_come_last_for_who_skipped_them(folder):
    desk = ReviewDesk.open(folder)
    first = desk.queue(n=1, who="anna").items[0].image_id
    desk.skip(first, who="anna")
    whole = desk.queue(n=100, who="anna")
    assert (whole.items[-1].image_id, whole.items[-1].skipped) == (first, True)
    assert desk.queue(n=1, who="ben").items[0].image_id == first


def test_wrong_names_come_to_the_front(folder):
    desk = ReviewDesk.open(folder)
    before = desk.queue(n=100).expected_wrong.value
    photos = desk.store.catalogue().labelled()
    planted = photos.image_ids[:6].tolist()
    for image_id, name in zip(planted, photos.column("identity")[:6], strict=True):
        other = next(o.identity for o in reversed(desk.candidates(image_id, top=20).candidates) if o.identity != name)
        desk.store.assign([image_id], other, who="a slip")
    queue = desk.queue(n=100)
    assert queue.expected_wrong.value > before + 1
    doubt = {item.image_id: item.p_wrong for item in queue.items if item.identity}
    assert len(set(planted) & doubt.keys()) >= 5
    assert np.mean([doubt.get(i, 0) for i in planted]) > 2 * np.mean([p for i, p in doubt.items() if i not in planted])


def test_a_catalogue_without_calibration_can_be_reviewed(folder):
    for file in (folder / "operating_points").iterdir():
        file.unlink()
    desk = ReviewDesk.open(folder)
    queue = desk.queue()
    assert "not calibrated" in queue.notes[0]
    assert queue.to_json()["expected_wrong"]["value"] is None
    found = desk.candidates(queue.items[0].image_id)
    assert (found.verdict, found.candidates[0].probability) == (None, None)


def test_figures_by_hand():
    told = expected_wrong(np.array([0.5, 0.1, 0.0]))
    assert told.value == pytest.approx(0.6)
    assert told.high == pytest.approx(0.6 + 1.959964 * np.sqrt(0.25 + 0.09))
    assert expected_wrong(np.zeros(0)).value == 0
    wrong = wrong_names(np.array([0.9] * 95 + [0.0001] * 5), np.full(100, 0.1))
    assert wrong[:95].max() < 0.01
    assert wrong[95:].min() > 0.95
    seen = [("d1", "A"), ("d1", "B"), ("d2", "A"), ("d3", "C"), ("d3", "D")]
    assert discovery_curve(seen, ["d1", "d2", "d3"]) == (("d1", 2), ("d2", 2), ("d3", 4))
    assert expected_individuals(seen).value == pytest.approx(4 + 2 / 3 * 3 * 2 / (2 * 2))  # B, C, D once, A twice
    assert np.isnan(expected_individuals(seen[:2]).value)


def test_months_without_new_ones_stand_too_but_for_a_slip():
    assert new_per_month([("2023-11-02", "A"), ("2024-02", "B")]) == {
        "2023-11": 1,
        "2023-12": 0,
        "2024-01": 0,
        "2024-02": 1,
    }
    assert new_per_month([("0024-05-01", "A"), ("2024-05-01", "B")]) == {"0024-05": 1, "2024-05": 1}
    assert new_per_month([("2023", "A"), ("2024-02", "B")]) == {"2023": 1, "2024-02": 1}
    assert new_per_month([]) == {}


def test_match_lines_lie_on_the_photos(desk):
    first = desk.queue(n=1).items[0].image_id
    told = desk.match_lines(first, desk.candidates(first).candidates[0].image_id)
    assert told.says
    assert all(0 <= number <= 1 for line in told.lines for number in line)
    with pytest.raises(InputError, match="two photos"):
        desk.match_lines(first, first)
