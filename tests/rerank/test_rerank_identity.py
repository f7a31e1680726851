"""From pairs to individuals, against a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resight.core import Pairs
from resight.errors import ConfigError, InputError
from resight.rerank import identity
from resight.rerank.identity import HOW, blend, identity_matches

NAMES = {"scale": "probability", "model": "toy", "n_gallery": 50}


def by_loop(pairs, values, identities, how, m, k):
    """Per query: (score, photo, identity), best first; equal scores by photo."""
    answer = []
    for query in range(pairs.n_queries):
        seen: dict[str, list[tuple[float, int]]] = {}
        for row in np.flatnonzero(pairs.queries == query):
            name = identities[pairs.photos[row]]
            if name and not math.isnan(values[row]):
                seen.setdefault(name, []).append((-values[row], int(pairs.photos[row])))
        found = []
        for name, photos in seen.items():
            photos.sort()
            best = [-value for value, _ in photos[:m]]
            any_ = 1 - math.prod(1 - p for p in best)
            score = {"best": best[0], "mean": sum(best) / len(best), "any": any_, "sum": sum(best)}[how]
            found.append((-np.float32(score), photos[0][1], name))
        answer.append([(float(-score), photo, name) for score, photo, name in sorted(found)[:k]])
    return answer


@st.composite
def compared(draw):
    n_queries, n_photos = draw(st.integers(0, 4)), draw(st.integers(1, 8))
    rows = draw(st.sets(st.integers(0, max(n_queries * n_photos - 1, 0)), max_size=25)) if n_queries else set()
    q, g = [row // n_photos for row in rows], [row % n_photos for row in rows]
    pairs = Pairs.of(np.array(q, int), np.array(g, int), n_queries, n_photos)
    value = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, math.nan])
    values = np.array(draw(st.lists(value, min_size=len(pairs), max_size=len(pairs))))
    identities = draw(st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=n_photos, max_size=n_photos))
    return pairs, values, identities


@settings(deadline=None, max_examples=80)
@given(
    given=compared(),
    how=st.sampled_from(HOW),
    m=st.integers(1, 3),
    k=st.integers(1, 4),
    at_once=st.sampled_from([1, 3, 99]),
)
def test_it_equals_a_plain_loop(given, how, m, k, at_once):
    pairs, values, identities = given
    ids = [f"g{row}" for row in range(pairs.n_photos)]
    queries = [f"q{row}" for row in range(pairs.n_queries)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "_BLOCK_PAIRS", at_once)
        found = identity_matches(pairs, values, identities, ids, queries, how=how, m=m, k=k, **NAMES)
    assert found.scores.shape == (pairs.n_queries, k)
    for row, expected in enumerate(by_loop(pairs, values, identities, how, m, k)):
        there = found.present[row]
        assert there.sum() == len(expected)
        assert found.gallery_ids[row][there].tolist() == [f"g{photo}" for _, photo, _ in expected]
        assert found.identities[row][there].tolist() == [name for _, _, name in expected]
        np.testing.assert_allclose(found.scores[row][there], [score for score, _, _ in expected], atol=1e-6)


def test_nothing_compared_and_nothing_there():
    none = Pairs.of([], [], 2, 3)
    found = identity_matches(none, [], ["a", "b", ""], ["x", "y", "z"], ["p", "q"], k=2, **NAMES)
    assert not found.present.any()
    empty = Pairs.of([], [], 1, 0)
    found = identity_matches(empty, [], np.array([], str), np.array([], str), ["p"], k=2, **NAMES)
    assert found.identities.tolist() == [["", ""]]


def test_a_constant_scorer_ranks_by_the_gallerys_order():
    pairs = Pairs([0, 0, 0], [0, 1, 2], 1, 3)
    found = identity_matches(pairs, [0.5] * 3, ["c", "a", "b"], ["x", "y", "z"], ["q"], **NAMES)
    assert found.identities[0, :3].tolist() == ["c", "a", "b"]


def test_the_scale_and_the_model_are_kept():
    pairs = Pairs([0], [0], 1, 1)
    found = identity_matches(pairs, [0.5], ["a"], ["x"], ["q"], **NAMES)
    assert (found.scale, found.model, found.n_gallery, found.distinct) == ("probability", "toy", 50, True)


@pytest.mark.parametrize("options", [{"how": "worst"}, {"m": 0}, {"k": 0}])
def test_odd_options_are_refused(options):
    with pytest.raises(ConfigError):
        identity_matches(Pairs([0], [0], 1, 1), [0.5], ["a"], ["x"], ["q"], **options, **NAMES)


@pytest.mark.parametrize(
    ("values", "identities", "ids", "queries", "how"),
    [
        ([0.5, 0.5], ["a"], ["x"], ["q"], "best"),
        ([math.inf], ["a"], ["x"], ["q"], "best"),
        ([1.5], ["a"], ["x"], ["q"], "any"),
        ([0.5], ["a", "b"], ["x"], ["q"], "best"),
        ([0.5], ["a", "b"], ["x", "y"], ["q"], "best"),
        ([0.5], ["a"], ["x"], ["q", "r"], "best"),
    ],
)
def test_what_does_not_fit_is_refused(values, identities, ids, queries, how):
    with pytest.raises(InputError):
        identity_matches(Pairs([0], [0], 1, 1), values, identities, ids, queries, how=how, **NAMES)


def test_a_blend_of_pairs_is_a_blend_of_individuals():
    rng = np.random.default_rng(0)
    who = np.array(["a", "b", "a", "c", "b"])
    classifier = {"a": 0.25, "b": 0.5, "c": 0.125}
    pairs = Pairs(np.zeros(5, int), np.arange(5), 1, 5)
    near = rng.random(5)
    found = identity_matches(pairs, blend(near, [classifier[name] for name in who]), who, list("vwxyz"), ["q"], **NAMES)
    for name, score in zip(found.identities[0], found.scores[0], strict=True):
        if name:
            assert score == pytest.approx(near[who == name].max() / 2 + classifier[name] / 2, abs=1e-6)


def test_a_blend_takes_probabilities_only():
    with pytest.raises(InputError):
        blend([1.5], [0.5])
    with pytest.raises(InputError):
        blend([0.5], [0.5, 0.5])
    with pytest.raises(ConfigError):
        blend([0.5], [0.5], share=2)
    np.testing.assert_allclose(blend([0.5], [1.0], share=0.25), [0.875])
