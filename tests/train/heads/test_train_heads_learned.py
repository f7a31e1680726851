"""Heads that are learned step by step."""

from __future__ import annotations

import numpy as np
import pytest

from oracles.people import examples_of, people
from resight.config import (
    ArcFaceOptions,
    CosFaceOptions,
    ProxyAnchorOptions,
    SubCentreOptions,
    SupConOptions,
    TripletOptions,
    WhiteningOptions,
)
from resight.errors import NotFittedError
from resight.train.heads.trials import heads_of

torch = pytest.importorskip("torch")

KINDS = (ArcFaceOptions, SubCentreOptions, CosFaceOptions, ProxyAnchorOptions, SupConOptions, TripletOptions)
FEW = {"n_epochs": (2, 6), "n_photos_per_batch": 48, "start": "whitening", "learning_rate": 0.01}


SOFT = {ProxyAnchorOptions: {"alpha": 4.0}}
"""With so few directions for so many people a harder one has nowhere to put them."""


def learned(kind, examples, seed: int = 0, **options):
    return dict(heads_of(kind(**{**FEW, **SOFT.get(kind, {}), **options}), examples, seed))


def found_by(examples, head) -> float:
    """How often the nearest photo of another encounter, of the same side, shows the same individual."""
    vectors = head(examples.vectors)
    scores = vectors @ vectors.T
    scores[examples.encounters[:, None] == examples.encounters] = -9
    for column in examples.same:
        values = examples.catalogue.column(column)
        scores[values[:, None] != values] = -9
    return float((examples.individuals[scores.argmax(1)] == examples.individuals).mean())


@pytest.fixture(scope="module")
def examples():
    return people(n_individuals=20, by_encounter=2.0, dimension=16)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind().title)
class TestEveryKind:
    def test_it_learns_what_tells_individuals_apart(self, kind, examples):
        """Learned on some people, it is better for others than the whitening that it started from."""
        others = people(n_individuals=20, by_encounter=2.0, dimension=16, seed=1)
        (start,) = (head for _, head in heads_of(WhiteningOptions(shrinkage=(0.1,)), examples, 0))
        heads = learned(kind, examples, start_shrinkage=0.1, n_epochs=(15,))
        before, after = (found_by(others, head) for head in (start, heads["n_epochs=15"]))
        assert after > before + 0.03

    def test_the_same_seed_gives_the_same_head(self, kind, examples):
        one, again, other = (learned(kind, examples, seed)["n_epochs=6"].weight for seed in (1, 1, 2))
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)

    def test_global_random_states_are_left_alone(self, kind, examples):
        torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
        learned(kind, examples, n_epochs=(1,))
        assert torch.equal(torch.random.get_rng_state(), torch_state)
        assert np.random.get_state()[1].tolist() == numpy_state  # noqa: NPY002

    def test_numbers_of_epochs_are_stops_of_one_run(self, kind, examples):
        both, late = learned(kind, examples), learned(kind, examples, n_epochs=(6,))
        assert list(both) == ["n_epochs=2", "n_epochs=6"]
        assert np.array_equal(both["n_epochs=6"].weight, late["n_epochs=6"].weight)
        assert not np.array_equal(both["n_epochs=2"].weight, both["n_epochs=6"].weight)

    def test_numpy_and_torch_agree_on_its_vectors(self, kind, examples):
        head = learned(kind, examples, n_epochs=(1,))["n_epochs=1"]
        made = torch.from_numpy(examples.vectors.copy()) @ torch.from_numpy(head.weight.copy()) + torch.from_numpy(
            head.bias.copy()
        )
        assert np.abs(torch.nn.functional.normalize(made, dim=1).numpy() - head(examples.vectors)).max() < 1e-5

    def test_two_individuals_are_enough(self, kind, examples):
        few = examples.select(examples.individuals < 2)
        assert np.isfinite(learned(kind, few, n_epochs=(3,))["n_epochs=3"].weight).all()


def test_nothing_learned_is_the_start(examples):
    (start,) = (head for _, head in heads_of(WhiteningOptions(shrinkage=(0.1,)), examples, 0))
    head = learned(ArcFaceOptions, examples, start_shrinkage=0.1, n_epochs=(1,), learning_rate=1e-12)["n_epochs=1"]
    assert np.abs(head(examples.vectors) - start(examples.vectors)).max() < 1e-5


def test_a_strong_pull_keeps_it_near_the_start(examples):
    def away(pull: float) -> float:
        start = learned(SupConOptions, examples, learning_rate=1e-12)["n_epochs=6"].weight
        return float(np.linalg.norm(learned(SupConOptions, examples, pull=pull)["n_epochs=6"].weight - start))

    assert away(50.0) < 0.7 * away(0.0)


def test_sides_are_learned_apart():
    """What is opposite on two sides can be learned only when they may differ."""
    rng = np.random.default_rng(0)
    own = rng.normal(size=(12, 8))
    rows = [(f"i{one}", side, sign * own[one] + 0.3 * rng.normal(size=8)) for one in range(12) for side, sign in
            (("left", 1), ("right", -1)) for _ in range(4)]  # fmt: skip
    vectors, names, sides = np.array([row[2] for row in rows]), [row[0] for row in rows], [row[1] for row in rows]
    apart = examples_of(vectors, names, [str(n) for n in range(len(rows))], side=sides)
    assert apart.classes.max() + 1 == 24
    head = learned(ArcFaceOptions, apart)["n_epochs=6"]
    assert found_by(apart, head) > 0.9


def test_one_photo_of_each_can_be_whitened_and_then_learned():
    once = examples_of(np.random.default_rng(0).normal(size=(12, 6)), [f"i{row}" for row in range(12)])
    assert learned(ArcFaceOptions, once)["n_epochs=6"].dimension == 6
    assert np.isfinite(learned(SupConOptions, once)["n_epochs=6"].weight).all()
    with pytest.raises(NotFittedError, match="found one photo of each"):
        learned(ArcFaceOptions, once, start="lda")
