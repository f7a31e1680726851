from __future__ import annotations

import json

import pytest

from resight.core import Judgement
from resight.errors import InputError


def test_a_judgement_travels_as_json():
    said = Judgement("a", "same", "Nala", "b", 3, "toy.1", 0.75, 2, {"side": "left"})
    assert Judgement.from_json(json.loads(json.dumps(said.to_json()))) == said
    assert Judgement("a", "poor").to_json() == {"image_id": "a", "says": "poor"}
    with pytest.raises(InputError, match=r"expected the fields of a judgement, found \['image_id', 'sais'\]"):
        Judgement.from_json({"image_id": "a", "sais": "poor"})


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"says": "sure"}, "expected a judgement of same, different, unsure, new, poor, found 'sure'"),
        ({"image_id": " "}, "not blank as image_id"),
        ({"image_id": None}, "expected the image id"),
        ({"identity": None}, "the individual that 'a' was compared with, found no name: give it as identity"),
        ({"identity": ""}, "not blank as identity"),
        ({"says": "poor"}, "no individual of a photo too poor to tell, found 'Nala'"),
        ({"candidate_id": "a"}, "another photo to compare 'a' with"),
        ({"seen": -1}, "seen as a whole number of at least 0, found -1"),
        ({"seen": True}, "seen as a whole number"),
        ({"rank": 0}, "rank as a whole number of at least 1"),
        ({"score": float("nan")}, "a finite score"),
        ({"filter": {"side": 3}}, "a filter of columns and values in text"),
    ],
)
def test_a_judgement_that_makes_no_sense_is_refused(fields, told):
    with pytest.raises(InputError, match=told):
        Judgement(**{"image_id": "a", "says": "same", "identity": "Nala"} | fields)
