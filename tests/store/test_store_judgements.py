"""What reviewers say: each word a journal row, none lost, none written over another's head."""

from __future__ import annotations

import pytest

from resight.core import Judgement
from resight.errors import ConflictError, InputError, StoreError, UnknownNameError
from resight.store import CatalogueStore, Label
from resight.store.journal import replay

LABELS = {"a1": "A", "a2": "A", "b1": "B", "b2": "B", "n1": None, "n2": None}


@pytest.fixture
def labelled(store, table) -> CatalogueStore:
    store.register(table(LABELS))
    return store


def judge(store: CatalogueStore, image_id: str, says, identity=None, who: str = "anna", **more):
    return store.judge(Judgement(image_id, says, identity, **more), who=who)


def test_each_word_has_its_row_with_all_that_was_in_force(labelled):
    shown = {"candidate_id": "a1", "seen": 0, "model": "toy.1", "score": 0.75, "rank": 2, "filter": {"side": "left"}}
    entry = judge(labelled, "n1", "same", "A", **shown)
    assert (entry.verb, entry.who, entry.number) == ("judge", "anna", 1)
    assert entry.detail == {"image_id": "n1", "says": "same", "identity": "A", **shown}
    assert (entry.before, entry.after) == ({"n1": Label(None)}, {"n1": Label("A")})
    assert entry.sentence == "say that photo 'n1' shows 'A'"
    assert labelled.log() == labelled.judgements() == [entry]
    assert Judgement.from_json(entry.detail).filter == {"side": "left"}


def test_what_each_word_makes_of_a_label(labelled):
    told = []
    for says, identity in [("different", "A"), ("unsure", "B"), ("poor", None), ("unsure", "A"), ("same", "B")]:
        entry = judge(labelled, "n1", says, identity)
        told.append(entry.sentence)
    assert [one.after["n1"] for one in labelled.log()] == [
        Label(None, ("A",)),
        Label(None, ("A",), ("B",)),
        Label(None, ("A",), ("B",), poor=True),
        Label(None, (), ("A", "B"), poor=True),
        Label("B", (), ("A",)),
    ]
    assert told[1:3] == [
        "say that nobody can tell whether photo 'n1' shows 'B'",
        "say that photo 'n1' is too poor to tell",
    ]
    assert judge(labelled, "a1", "different", "A").after == {"a1": Label(None, ("A",))}
    assert judge(labelled, "b1", "unsure", "B").after == {"b1": Label("B", (), ("B",))}


def test_a_new_individual_gets_a_name_that_nobody_had(labelled):
    assert judge(labelled, "n1", "new").after["n1"].identity == "individual-0001"
    labelled.rename("individual-0001", "Nala", who="anna")
    judge(labelled, "n2", "poor", filter={"says": "new"})  # what is in force may be called anything
    entry = judge(labelled, "n2", "new")
    assert entry.sentence == "say that photo 'n2' shows a new individual, 'individual-0002'"
    assert judge(labelled, "a1", "new", "Simba").after["a1"].identity == "Simba"
    with pytest.raises(InputError, match="there is a 'Nala': say that it is the same, or wish for another name"):
        judge(labelled, "a2", "new", "Nala")
    with pytest.raises(InputError, match="'unknown', which means that nobody has named it"):
        judge(labelled, "a2", "new", "unknown")


def test_a_name_confirmed_has_a_row_and_a_word_said_twice_has_none(labelled):
    entry = judge(labelled, "a1", "same", "A", candidate_id="a2")
    assert entry.before == entry.after == {"a1": Label("A")}
    with pytest.raises(InputError, match="found that this was said before: undo it, or say otherwise"):
        judge(labelled, "a1", "same", "A", candidate_id="a2")
    labelled.undo(who="anna")
    judge(labelled, "a1", "same", "A", candidate_id="a2")
    judge(labelled, "n1", "poor")
    with pytest.raises(InputError, match="news of 'n1'"):
        judge(labelled, "n1", "poor")
    assert [one.number for one in labelled.judgements()] == [3, 4]


def test_names_that_nobody_has(labelled):
    for identity, candidate, told in [("C", None, "individual is called 'C'"), ("A", "x", "photo is called 'x'")]:
        with pytest.raises(UnknownNameError, match=told):
            judge(labelled, "n1", "same", identity, candidate_id=candidate)
    with pytest.raises(InputError, match="expected photo 'b1' to show 'A', found it with 'B': give its name"):
        judge(labelled, "n1", "same", "A", candidate_id="b1")
    with pytest.raises(InputError, match="the name of who makes the change"):
        judge(labelled, "n1", "poor", who=" ")
    assert labelled.log() == []


def test_renames_and_merges_carry_doubts_along_and_undo_brings_them_back(labelled):
    judge(labelled, "n1", "unsure", "A")
    judge(labelled, "n1", "poor")
    labelled.rename("A", "Nala", who="anna")
    assert labelled.labels(["n1", "nobody"]) == {"n1": Label(None, (), ("Nala",), poor=True)}
    labelled.merge(["Nala"], "B", who="anna")
    assert labelled.labels()["n1"] == Label(None, (), ("B",), poor=True)
    labelled.split(["a1"], "Kiara", who="anna")
    for _ in range(5):
        labelled.undo(who="ben")
    assert labelled.labels() == {image_id: Label(name) for image_id, name in LABELS.items()}
    assert replay(LABELS, labelled.log()) == labelled.labels()
    assert labelled.judgements() == []


def test_a_word_on_what_another_changed_meanwhile_is_a_conflict_with_both_versions(labelled):
    mine = Judgement("n1", "same", "A", seen=0)
    theirs = judge(labelled, "n1", "same", "B", who="ben", seen=0)
    with pytest.raises(ConflictError) as told:
        labelled.judge(mine, who="anna")
    assert str(told.value) == (
        "expected photo 'n1' as entry 0 left it, found changed by entry 1 (say that photo 'n1' shows 'B'; ben): "
        "look at it again, then decide"
    )
    assert (told.value.theirs, told.value.yours) == (theirs.to_json(), mine.to_json())
    assert labelled.log() == [theirs]
    labelled.undo(who="ben")
    with pytest.raises(ConflictError) as told:  # back as it was, and yet somebody had a word on it
        labelled.judge(mine, who="anna")
    assert told.value.theirs["verb"] == "undo"
    judge(labelled, "n1", "same", "A", seen=labelled.versions(["n1"])["n1"])


def test_a_candidate_that_lost_its_name_meanwhile_is_a_conflict(labelled):
    labelled.rename("A", "Nala", who="ben")
    with pytest.raises(ConflictError, match="expected photo 'a1' to show 'A', found changed by entry 1") as told:
        judge(labelled, "n1", "same", "A", candidate_id="a1", seen=0)
    assert sorted(told.value.theirs["after"]) == ["a1"]  # of a merge of thousands, what is asked about


@pytest.mark.parametrize(
    ("change", "yours"),
    [
        (lambda s, seen: s.merge(["A"], "B", who="anna", seen=seen), {"verb": "merge", "identities": ["A"]}),
        (lambda s, seen: s.split(["a1"], "C", who="anna", seen=seen), {"verb": "split", "image_ids": ["a1"]}),
        (lambda s, seen: s.assign(["a1"], "B", who="anna", seen=seen), {"verb": "assign", "identity": "B"}),
        (lambda s, seen: s.rename("A", "C", who="anna", seen=seen), {"verb": "rename", "identity": "A"}),
        (lambda s, seen: s.undo(1, who="anna", seen=seen), {"verb": "undo", "entry": 1}),
    ],
)
def test_every_change_can_be_held_to_what_was_seen(labelled, change, yours):
    judge(labelled, "a1", "unsure", "A")
    with pytest.raises(ConflictError) as told:
        change(labelled, {"a2": 0, "a1": 0})
    assert told.value.yours.items() >= yours.items()
    change(labelled, {"a2": 0, "a1": 1})
    assert len(labelled.log()) == 2


def test_a_writer_that_does_not_end_is_told_of(labelled):
    other = CatalogueStore.open(labelled.folder, timeout_s=0.2)
    with (
        labelled._database.writing(),
        pytest.raises(StoreError, match=r"found it locked by another process for 0\.2 s"),
    ):
        judge(other, "n1", "poor")
    judge(other, "n1", "poor")
