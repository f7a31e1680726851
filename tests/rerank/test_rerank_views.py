"""Views: the best of several looks at a query, and sides that a mirror turns round."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resight.core import Catalogue, Eligibility, Matches
from resight.errors import InputError, MismatchError
from resight.rerank.views import best_of_views, mirrored

NAN = float("nan")


def view(rows, k, *, distinct=True, **changes):
    """Matches from lists of (score, identity, photo), best first."""
    fields = {"scores": np.full((len(rows), k), NAN), "identities": np.full((len(rows), k), "", "<U9")}
    fields["gallery_ids"] = np.full((len(rows), k), "", "<U9")
    for row, places in enumerate(rows):
        for place, (score, identity, photo) in enumerate(places[:k]):
            fields["scores"][row, place] = score
            fields["identities"][row, place], fields["gallery_ids"][row, place] = identity, photo
    fields |= {"query_ids": np.array([f"q{row}" for row in range(len(rows))], np.str_)}
    return Matches(**{**fields, "scale": "cosine", "model": "toy", "n_gallery": 5, "distinct": distinct, **changes})


def catalogue(sides):
    ids = [f"p{row}" for row in range(len(sides))]
    return Catalogue(
        pl.DataFrame({"image_id": ids, "path": ids, "side": sides}, schema_overrides={"side": pl.String}), "."
    )


@st.composite
def looks(draw):
    """Rows of one view: some photos of a few individuals, with scores of which many are equal."""
    distinct, k = draw(st.booleans()), draw(st.integers(1, 4))
    photos = [(f"i{number % 3}", f"g{number}") for number in range(7)]

    def row():
        places = [(draw(st.sampled_from([0.1, 0.5, 0.9])), *photo) for photo in draw(st.permutations(photos))[:5]]
        kept = {}
        for place in sorted(places, key=lambda one: (-one[0], *one[1:])):
            kept.setdefault(place[1] if distinct else place[2], place)
        return list(kept.values())[: draw(st.integers(0, k))]

    n_queries, n_views = draw(st.integers(0, 3)), draw(st.integers(1, 3))
    return [[row() for _ in range(n_queries)] for _ in range(n_views)], k, distinct


@settings(deadline=None, max_examples=80)
@given(looks())
def test_equals_plain_loops(drawn):
    views, k, distinct = drawn
    found = best_of_views([view(rows, k, distinct=distinct) for rows in views])
    for query in range(len(views[0])):
        kept = {}
        every = [place for rows in views for place in rows[query]]
        for place in sorted(every, key=lambda one: (-one[0], *one[1:])):
            kept.setdefault(place[1] if distinct else place[2], place)
        expected = list(kept.values())[:k]
        n = int(found.present[query].sum())
        names = zip(found.identities[query, :n].tolist(), found.gallery_ids[query, :n].tolist(), strict=True)
        assert list(names) == [(identity, photo) for _, identity, photo in expected]
        assert found.scores[query, :n].tolist() == [np.float32(score) for score, _, _ in expected]


def test_an_operating_point_of_one_view_refuses_it():
    one = view([[(0.5, "Ann", "a1")]], 2)
    found = best_of_views([one, one])
    assert found.model == "toy+views(2)"
    with pytest.raises(MismatchError):
        found.require_same_scale("cosine", "toy")


def test_views_that_do_not_belong_together_are_refused():
    one = view([[(0.5, "Ann", "a1")]], 2)
    with pytest.raises(InputError, match="at least one view"):
        best_of_views([])
    with pytest.raises(MismatchError, match="model other"):
        best_of_views([one, view([[(0.5, "Ann", "a1")]], 2, model="other")])
    with pytest.raises(InputError, match="the same queries in the same order"):
        best_of_views([one, view([[(0.5, "Ann", "a1")]], 2, query_ids=np.array(["other"]))])
    with pytest.raises(InputError, match="one gallery and as many candidates"):
        best_of_views([one, view([[(0.5, "Ann", "a1")]], 3)])
    with pytest.raises(InputError, match="one gallery and as many candidates"):
        best_of_views([one, view([[(0.5, "Ann", "a1")]], 2, n_gallery=9)])


class TestMirrored:
    def test_only_the_other_side_may_answer(self):
        sides = ["left", "right", "Left ", None, "front"]
        photos = catalogue(sides)
        rule = mirrored(photos, photos)
        other = {"left": "right", "right": "left"}
        plain = [(side or "").strip().lower() for side in sides]
        expected = [[there != "" and other.get(here) == there for there in plain] for here in plain]
        assert [rule.allowed(row).tolist() for row in range(5)] == expected

    def test_what_else_must_hold_still_does(self):
        queries, gallery = catalogue(["left"]), catalogue(["right", "right"])
        rule = Eligibility(((np.array([4]), np.array([4, 5])),), ((np.array([0]), np.array([0, 0])),))
        assert mirrored(queries, gallery, rule).allowed(0).tolist() == [False, True]

    def test_a_rule_of_other_photos_is_refused(self):
        with pytest.raises(InputError):
            mirrored(catalogue(["left"]), catalogue(["left"]), Eligibility(((np.array([0]), np.array([0, 1])),)))


def test_the_mirror_image_of_a_photo_is_embedded_as_if_it_lay_there(tmp_path):
    from PIL import Image

    from resight.embed import Bundle, embed_all

    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8).repeat(40, axis=0).repeat(40, axis=1)
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    Image.fromarray(pixels[:, ::-1]).save(tmp_path / "turned.png")
    photos = Catalogue(pl.DataFrame({"image_id": ["p", "t"], "path": ["plain.png", "turned.png"]}), tmp_path)
    bundle = Bundle.load()
    plain, turned = (embed_all(photos, bundle, mirrored=flag).embeddings for flag in (False, True))
    assert np.allclose(turned.vectors, plain.vectors[::-1], atol=1e-3)
    assert not np.allclose(turned.vectors, plain.vectors, atol=1e-3)
    assert turned.model == plain.model
