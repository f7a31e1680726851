"""Who takes part in a stage, who learns and who judges."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from resight.config import TrainRecipe
from resight.config.overrides import overridden
from resight.core import Catalogue
from resight.errors import NotFittedError, UnknownNameError
from resight.train.examples import synthetic_marks
from resight.train.networks.members import Members
from resight.train.networks.pseudo_labels import pseudo_labels
from resight.train.networks.roster import roster_of
from resight.train.networks.sampling import class_weights
from resight.train.networks.stages import criteria_for


def table(identities, **columns) -> Catalogue:
    ids = [f"p{row}" for row in range(len(identities))]
    frame = pl.DataFrame({"image_id": ids, "path": ids, "identity": identities, **columns})
    return Catalogue(frame, ".")


def roster(photos: Catalogue, **settings):
    recipe = overridden(TrainRecipe(), {key.replace("__", "."): value for key, value in settings.items()})
    rows = np.arange(len(photos))
    return roster_of(photos, rows, photos.frame["identity"].to_list(), recipe, recipe.stages[0])


def test_sides_are_classes_of_their_own_where_asked():
    photos = table(["ann", "ann", "bob", "bob"], side=["left", "right", "left", "left"])
    assert roster(photos).individuals.names == ("ann", "bob")
    both = roster(photos, same=["side"]).individuals
    assert both.names == ("ann left", "ann right", "bob left")
    assert both.codes.tolist() == [0, 1, 2, 2]
    assert both.counts.tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("mirror", "names", "mirrored"),
    [
        ("no", ["ann left", "ann right", "bob left"], [0, 1, 2]),
        ("same", ["ann left", "ann right", "bob left"], [0, 1, 2]),
        (
            "other",
            ["ann left", "ann right", "bob left", "ann left (mirrored)", "ann right (mirrored)", "bob left (mirrored)"],
            [3, 4, 5, 0, 1, 2],
        ),
        ("other-side", ["ann left", "ann right", "bob left", "bob left (mirrored)"], [1, 0, 3, 2]),
    ],
)
def test_what_a_mirrored_photo_shows(mirror, names, mirrored):
    photos = table(["ann", "ann", "bob"], side=["left", "right", "left"])
    found = roster(photos, same=["side"], photos__mirror=mirror).individuals
    assert list(found.names) == names
    assert found.mirrored.tolist() == mirrored
    assert (found.mirrored[found.mirrored] == np.arange(len(names))).all()


def test_the_other_side_needs_sides():
    with pytest.raises(UnknownNameError, match="other-side"):
        roster(table(["ann", "bob"]), photos__mirror="other-side")


def test_generated_photos_of_a_person_are_someone_else_or_left_out():
    photos = table(["ann", "ann", "bob", "bob"], is_synthetic=["1", "no", None, "True"])
    assert synthetic_marks(photos.frame).tolist() == [True, False, False, True]
    found = roster(photos).individuals
    assert found.names == ("ann (synthetic)", "ann", "bob", "bob (synthetic)")
    assert found.generated.tolist() == [True, False, False, True]
    mirrored = roster(photos, photos__mirror="other").individuals
    assert [mirrored.generated[mirrored.mirrored[one]] for one in range(4)] == [True, False, False, True]
    left = roster(photos, photos__synthetic="leave-out")
    assert left.rows.tolist() == [1, 2]
    assert left.individuals.names == ("ann", "bob")


def test_the_other_side_of_a_generated_photo_is_generated():
    photos = table(["ann", "ann", "bob"], side=["left", "left", "right"], is_synthetic=["1", "0", "0"])
    found = roster(photos, photos__mirror="other-side", same=("side",)).individuals
    by_name = dict(zip(found.names, found.generated.tolist(), strict=True))
    assert {name for name, generated in by_name.items() if generated} == {
        "ann left (synthetic)", "ann left (synthetic) (mirrored)",
    }  # fmt: skip
    assert len(by_name) == 6


def test_generated_photos_count_as_much_as_the_recipe_says():
    photos = table(["ann", "ann", "bob", "bob"], is_synthetic=["1", "0", "0", "1"])
    recipe = overridden(TrainRecipe.default(), {"photos.synthetic_weight": 3.0})
    criterion = criteria_for(roster(photos), recipe, 4)["arcface"]
    weights = class_weights([1, 1, 1, 1], "none", [3, 1, 1, 3])
    assert weights.tolist() == [1.5, 0.5, 0.5, 1.5]
    assert criterion.weights.tolist() == weights.tolist()


def test_only_those_with_enough_photos_take_part():
    photos = table(["ann", "ann", "bob", "cal", "cal"])
    found = roster(photos, stages__0__min_photos=2)
    assert found.rows.tolist() == [0, 1, 3, 4]
    assert found.individuals.names == ("ann", "cal")
    with pytest.raises(NotFittedError, match="expected at least 2 individuals in stage 'all', found 0"):
        roster(photos, stages__0__min_photos=3)


def test_the_rare_are_dropped_or_taken_together():
    photos = table(["ann", "bob", "cal", "cal", "dan", "dan"])
    dropped = roster(photos, sampling__rare="drop", sampling__rare_below=2)
    assert dropped.individuals.names == ("cal", "dan")
    together = roster(photos, sampling__rare="together", sampling__rare_below=2).individuals
    assert together.names == ("cal", "dan", "(rare)")
    assert together.codes.tolist() == [2, 2, 0, 0, 1, 1]


def test_a_column_is_learned_too_and_unknown_values_say_nothing():
    photos = table(["ann", "ann", "bob"], species=["kudu", None, "eland"])
    found = roster(photos, losses=[{"kind": "arcface"}, {"kind": "softmax", "of": "species"}])
    assert found.classes["softmax"].names == ("eland", "kudu")
    assert found.classes["softmax"].codes.tolist() == [1, -1, 0]
    with pytest.raises(UnknownNameError, match="colour"):
        roster(photos, losses=[{"kind": "softmax", "of": "colour"}])


def many(n: int) -> Catalogue:
    """Individuals met in three encounters of two photos, one of them generated."""
    names = [f"i{row // 6}" for row in range(6 * n)]
    met = [f"{name} {row % 6 // 2}" for row, name in enumerate(names)]
    return table(names, encounter=met, is_synthetic=[row % 6 == 5 for row in range(6 * n)])


def test_nobody_kept_back_is_learned_from_not_even_in_a_generated_photo():
    photos = many(10)
    members = Members.of(photos, ["p0"], TrainRecipe(), 0)
    names, met = photos.column("identity"), photos.column("encounter")
    strangers = set(names[members.strangers])
    assert strangers
    assert not strangers & set(names[members.learn])
    fold = members.hold_out.fold
    asked = set(met[members.judged[fold.known]])
    assert asked
    assert not asked & set(met[members.learn])
    assert 0 not in members.learn
    assert set(names[members.learn]) >= set(names[members.judged[fold.known]])


def test_without_a_hold_out_everyone_learns():
    photos = many(3)
    members = Members.of(photos, [], overridden(TrainRecipe(), {"hold_out.n_parts": 0}), 0)
    assert members.hold_out is None
    assert len(members.learn) == len(photos)
    assert not len(members.strangers)


def test_a_photo_without_a_name_is_taken_for_someone_above_what_strangers_reach():
    photos = table(["ann", "bob", "cal", None, None, None], side=["left"] * 5 + ["right"])
    vectors = np.array([[1, 0, 0], [0, 1, 0], [0.6, 0, 0.8], [0.9, 0.1, 0.4], [0.5, 0.5, 0.7], [1, 0, 0]], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    given = {"gallery": np.array([0, 1]), "strangers": np.array([2]), "unlabelled": np.array([3, 4, 5])}
    assert pseudo_labels(photos, vectors, **given, same=(), fpir=0.01) == {3: "ann", 5: "ann"}
    assert pseudo_labels(photos, vectors, **given, same=["side"], fpir=0.01) == {3: "ann"}
    nobody = given | {"strangers": np.zeros(0, np.int64)}
    assert pseudo_labels(photos, vectors, **nobody, same=(), fpir=0.01) == {}
