"""The desk's columns, names and moments: small in memory, quick to look up, never older than what was read last."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from threading import Event, Thread

import numpy as np
import polars as pl
import pytest

from resight.core import Catalogue, Embeddings, Judgement
from resight.datasets import make_synthetic
from resight.errors import UnknownNameError
from resight.pipeline import calibrate_catalogue, index_photos
from resight.pipeline.review import ReviewDesk
from resight.pipeline.review_board import Board
from resight.pipeline.review_columns import Column
from resight.pipeline.review_names import Names
from resight.pipeline.review_queue import expected_wrong
from resight.pipeline.review_state import State

PLACES = ["reef", "", None, "bay", "réef", "reef 2", "x" * 300, "2024-05-01", "2024", "202"]


def board_of(**columns: list[str | None]) -> Board:
    """A board of photos without a vector, but for one."""
    n = len(next(iter(columns.values())))
    ids = [f"p{number}" for number in range(n)]
    photos = Catalogue(pl.DataFrame({"image_id": ids, "path": ids, **columns}), "photos")
    return Board(photos, Embeddings(np.array(ids[:1]), np.ones((1, 1), np.float32), "toy"))


@pytest.mark.parametrize("wanted", ["", "reef", "2024", "202", "x" * 300, "x" * 301, "nowhere", "é", "\U0010ffff"])
def test_a_column_is_a_plain_loop_over_its_texts(wanted):
    column, texts = Column.of(pl.Series(PLACES)), [text or "" for text in PLACES]
    assert [column.text(row) for row in range(len(texts))] == texts
    assert column.texts(np.array([3, 0])) == [texts[3], texts[0]]
    assert column.bears(wanted).tolist() == [text == wanted for text in texts]
    assert column.begins(wanted).tolist() == [text.startswith(wanted) for text in texts]


@pytest.mark.parametrize("told", [[None, None], [], [3, None, 12]])
def test_a_column_of_nothing_or_of_numbers_is_text_too(told):
    column = Column.of(pl.Series(told, dtype=pl.Int64))
    assert column.texts(np.arange(len(told))) == ["" if one is None else str(one) for one in told]


def test_one_long_name_does_not_widen_every_row():
    n = 50_000
    board = board_of(place=["reef"] * (n - 1) + ["x" * 300], encounter=["e"] * n)
    tracemalloc.start()
    assert board.chosen({"place": "reef"}).sum() == n - 1
    assert board.facts(n - 1)["place"] == "x" * 300
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15_000_000  # as fixed-width text it would be 60 MB


def test_an_unknown_column_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'place'"):
        board_of(place=["reef"]).chosen({"plaice": "reef"})


def test_names_are_looked_up_as_a_plain_loop_finds_them():
    names = Names(0, {}, np.array([0, 2, -1, 2]), ["Ann", "Bob", "Cid"], frozenset())
    for name in ("Ann", "Bob", "Cid", "Dora"):
        assert names.rows_of(name).tolist() == [row for row in range(4) if names.name(row) == name]
    assert sorted(names.code_set(["Cid", "Ann", "Dora", "Ann"]).tolist()) == [0, 2]
    assert names.code_set([]).tolist() == []


def test_of_what_nothing_is_known_is_left_out_of_the_estimate():
    told = expected_wrong(np.array([0.5, np.nan, 0.1]))
    assert (told.value, told.n) == (pytest.approx(0.6), 2)
    assert np.isnan(expected_wrong(np.array([np.nan])).value)
    assert expected_wrong(np.zeros(0)).value == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A calibrated catalogue with one individual of a single photo."""
    photos = tmp_path_factory.mktemp("desk") / "photos"
    photos.mkdir()
    make_synthetic(photos, n_identities=6, n_encounters=3, n_photos=2, n_strangers=2, side_px=96, seed=1)
    folder = photos.parent / "mine"
    index_photos(photos, folder)
    calibrate_catalogue(folder, "fpir=0.1", same=["side"])
    return folder


def test_what_is_unknown_is_said_to_be_and_counted(made):
    desk = ReviewDesk.open(made)
    n_before = desk.queue().n_unknown
    first = next(item.image_id for item in desk.queue(n=100).items if item.identity is None)
    desk.store.assign([first], "Only", who="anna")  # by assignment: no reviewer saw it
    state = desk._now()
    ranking = state.rankings.of(state)
    (place,) = np.flatnonzero(ranking.rows == state.board.row(first))
    assert np.isnan(ranking.p_wrong[place])
    queue = desk.queue(n=100)
    assert queue.n_unknown == n_before + 1
    assert desk._item(state, ranking, int(place), {}).p_wrong is None
    desk.store.assign([first], None, who="anna")
    desk.judge(Judgement(first, "new", "Only"), who="anna")
    assert desk.queue().n_unknown == n_before  # a person's word
    desk.store.undo(who="anna")


def test_without_calibration_nothing_is_known(made, monkeypatch):
    desk = ReviewDesk.open(made)
    monkeypatch.setattr(desk, "_state", replace(desk._state, point=None))
    queue = desk.queue(n=100)
    assert {item.p_wrong for item in queue.items} == {None}
    assert np.isnan(queue.expected_wrong.value)
    assert queue.n_unknown == len(desk._state.board.photos)


def test_a_refresh_that_began_earlier_does_not_undo_a_later_one(made, monkeypatch):
    desk = ReviewDesk.open(made)
    stale, newer = desk._state, replace(desk._state)
    read, go_on, moments = Event(), Event(), [stale, newer]

    def slow(*_):
        state = moments.pop(0)
        if state is stale:  # what was read is old by the time that it is put in place
            read.set()
            go_on.wait(1)
        return state

    monkeypatch.setattr(State, "read", slow)
    first, second = Thread(target=desk.refresh), Thread(target=desk.refresh)
    first.start()
    assert read.wait(5)
    second.start()
    second.join(0.2)
    go_on.set()
    first.join(5)
    second.join(5)
    assert desk._state is newer


def test_a_photo_that_loses_its_name_again_waits_again(made):
    desk = ReviewDesk.open(made)
    first = next(item.image_id for item in desk.queue(n=100).items if item.identity is None)
    other = desk.candidates(first).candidates[0].identity
    before = desk.queue(n=200)
    desk.judge(Judgement(first, "same", other), who="anna")
    assert first not in {item.image_id for item in desk.queue(n=200).items}
    desk.judge(Judgement(first, "different", other), who="anna")
    after = desk.queue(n=200)
    assert first in {item.image_id for item in after.items}
    assert (after.n_left, after.n_unknown) == (before.n_left, before.n_unknown)
    for _ in range(2):
        desk.store.undo(who="anna")
