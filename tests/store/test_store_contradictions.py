from __future__ import annotations

import json

import pytest

from resight.core import Judgement
from resight.store import CatalogueStore, Denials

LABELS = {"a": None, "b": None, "c": "C", "d": "D", "e": None}


@pytest.fixture
def labelled(store, table) -> CatalogueStore:
    store.register(table(LABELS))
    return store


def judge(store: CatalogueStore, image_id: str, says, candidate_id: str) -> None:
    name = store.labels([candidate_id])[candidate_id].identity
    store.judge(Judgement(image_id, says, name, candidate_id), who="anna")


def test_a_is_b_and_b_is_c_and_a_is_not_c(labelled):
    judge(labelled, "a", "different", "c")
    judge(labelled, "b", "same", "c")
    judge(labelled, "e", "same", "d")  # beside the point
    judge(labelled, "a", "same", "b")
    (found,) = labelled.contradictions()
    assert found.sentence == "photos 'a' and 'c' were said to be two individuals, but both are called 'C'"
    assert [entry.number for entry in (found.judgement, *found.chain)] == [1, 2, 4]
    told = json.loads(json.dumps(found.to_json()))
    assert (told["says"], told["judgement"]["number"], told["names"]) == ("different", 1, ["C", "C"])
    labelled.undo(4, who="anna")
    assert labelled.contradictions() == []


def test_a_merge_of_two_that_were_said_to_differ(labelled):
    judge(labelled, "a", "same", "c")
    judge(labelled, "a", "different", "d")
    labelled.rename("C", "Nala", who="anna")
    assert labelled.contradictions() == []
    labelled.merge(["D"], "Nala", who="anna")
    (found,) = labelled.contradictions()
    assert (found.first, found.second) == ("a", "d")
    assert [entry.verb for entry in found.chain] == ["judge", "merge"]
    assert labelled.denials() == Denials({}, (("a", "d"),))


def test_said_to_be_one_and_called_by_two_names(labelled):
    judge(labelled, "a", "same", "c")
    labelled.split(["a"], "Simba", who="ben")
    (found,) = labelled.contradictions()
    assert found.sentence == "photos 'a' and 'c' were said to be one individual, but they are called 'Simba' and 'C'"
    assert [entry.verb for entry in found.chain] == ["split"]
    labelled.assign(["a"], None, who="ben")  # no name is no second name
    assert labelled.contradictions() == []


def test_the_last_word_on_two_photos_counts(labelled):
    judge(labelled, "a", "different", "c")
    judge(labelled, "a", "same", "c")
    assert labelled.contradictions() == []
    assert labelled.denials() == Denials({}, ())
    judge(labelled, "a", "different", "c")
    assert labelled.contradictions() == []
    assert labelled.denials() == Denials({"a": ("C",)}, (("a", "c"),))
    labelled.undo(who="anna")
    assert labelled.denials() == Denials({}, ())
