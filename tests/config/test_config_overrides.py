"""Keys of a recipe set one by one, and the space of them that tuning searches."""

from __future__ import annotations

import pytest

from resight.config import HeadRecipe, RerankRecipe, SpaceRecipe, TrainRecipe, overridden, setting_at, settings_of
from resight.config.space import label_of
from resight.errors import ConfigError

RECIPE = TrainRecipe.parse(
    """
    [[stages]]
    name = "toy"
    [[stages]]
    name = "full"
    [[losses]]
    kind = "arcface"
    [[losses]]
    kind = "triplet"
    name = "pairs"
    """
)


class TestOverridden:
    def test_keys_are_set_by_number_name_and_kind(self):
        found = overridden(
            RECIPE,
            {
                "stages.1.n_epochs": 3,
                "stages.toy.side_px": 64,
                "losses.arcface.scale": 16.0,
                "losses.pairs.margin": 0.5,
            },
        )
        assert (found.stages[1].n_epochs, found.stages[0].side_px) == (3, 64)
        assert (found.losses[0].scale, found.losses[1].margin) == (16.0, 0.5)
        assert RECIPE.stages[1].n_epochs == 10

    def test_what_was_left_open_may_be_set(self):
        assert overridden(RECIPE, {"network.n_dimensions": 64}).network.n_dimensions == 64

    def test_a_whole_table_and_then_a_key_of_it(self):
        found = overridden(RECIPE, {"losses.0": {"kind": "supcon"}, "losses.0.temperature": 0.2})
        assert (found.losses[0].kind, found.losses[0].temperature) == ("supcon", 0.2)

    def test_nothing_changes_nothing(self):
        assert overridden(RECIPE, {}) == RECIPE

    @pytest.mark.parametrize("recipe", [HeadRecipe.default(), RerankRecipe.default()], ids=["head", "rerank"])
    def test_it_works_with_every_recipe(self, recipe):
        assert overridden(recipe, {"same": ["species"]}).same == ("species",)

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("stages.0.side", 64, "expected a key among name, n_epochs, side_px"),
            ("stags.0.side_px", 64, "Did you mean 'stages'"),
            ("stages.fll.side_px", 64, "expected one of toy, full, 0, 1, found 'fll'. Did you mean 'full'"),
            ("stages.2.side_px", 64, "expected one of toy, full, 0, 1, found '2'"),
            ("stages.-1.side_px", 64, "found '-1'"),
            ("stages.0.side_px", 8, "expected a number of at least 16, found 8"),
            ("stages.0.side_px", "large", "expected a whole number, found 'large'"),
            ("stages.0.side_px.x", 1, "expected a table at 'side_px', found 192"),
            ("losses.0.kind", "arcfac", "Did you mean 'arcface'"),
            ("losses.0", {"kind": "triplet", "name": "pairs"}, "found 'pairs' twice"),
            ("network.poling", "gem", "Did you mean 'pooling'"),
            ("", 1, "found ''"),
        ],
    )
    def test_what_is_wrong_gets_one_sentence(self, key, value, said):
        with pytest.raises(ConfigError) as caught:
            overridden(RECIPE, {key: value}, "--set")
        assert said in str(caught.value)
        assert str(caught.value).startswith("--set")
        assert "\n" not in str(caught.value)


class TestSettings:
    @pytest.mark.parametrize(
        ("text", "value"),
        [("0.1", 0.1), ("5", 5), ("true", True), ("resnet18", "resnet18"), ("hf-hub:a/b", "hf-hub:a/b"),
         ("'two words'", "two words"), ("['side']", ["side"]), ("{kind='triplet'}", {"kind": "triplet"})],
    )  # fmt: skip
    def test_values_are_those_of_toml(self, text, value):
        found = settings_of([f" a.b = {text} "])
        assert found == {"a.b": value}
        assert type(found["a.b"]) is type(value)

    @pytest.mark.parametrize("texts", [["a"], ["=1"], ["a="], ["a=1\nb=2"], ["a=two words"], ["a=[1"], ["a=1", "a=2"]])
    def test_all_else_is_refused(self, texts):
        with pytest.raises(ConfigError, match="expected"):
            settings_of(texts)

    def test_a_setting_is_found_by_its_key(self):
        assert setting_at(RECIPE, "stages.full.side_px") == 192
        assert setting_at(RECIPE, "network.n_dimensions") is None
        assert setting_at(RECIPE, "stages.1")["name"] == "full"
        with pytest.raises(ConfigError, match="Did you mean 'pooling'"):
            setting_at(RECIPE, "network.polling")


def space_of(line: str) -> SpaceRecipe:
    return SpaceRecipe.parse(f"[[parameters]]\n{line}")


class TestSpace:
    def test_the_one_that_ships_fits_the_recipe_that_ships(self):
        SpaceRecipe.default().require_fits(TrainRecipe.default())

    def test_it_is_written_and_read(self):
        space = SpaceRecipe.default()
        assert SpaceRecipe.parse(space.to_toml()) == space
        tables = space_of("kind='choice'\nkey='losses.0'\nchoices=[{kind='arcface'}, {kind='triplet', margin=0.1}]")
        assert SpaceRecipe.parse(tables.to_toml()) == tables

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("kind='range'\nkey='a'\nlow=1\nhigh=1", "expected low below high"),
            ("kind='range'\nkey='a'\nlow=0\nhigh=1\nlog=true", "expected low above 0"),
            ("kind='whole'\nkey='a'\nlow=0.5\nhigh=1", "expected a whole number"),
            ("kind='choice'\nkey='a'\nchoices=[1]", "at least 2"),
            ("kind='choice'\nkey='a'\nchoices=[1, 1.0]", "found one twice"),
            ("kind='choice'\nkey='a'\nchoices=[1, {kind='x'}]", "found both"),
            ("key='a'\nlow=0\nhigh=1", "kind: expected one of"),
            ("kind='range'\nkey='a'\nlow=0\nhigh=1\n[[parameters]]\nkind='range'\nkey='a'\nlow=0\nhigh=1", "'a' twice"),
            ("kind='range'\nkey='a'\nlow=0\nhigh=inf", "finite"),
        ],
    )
    def test_what_is_no_space_gets_a_sentence(self, line, said):
        with pytest.raises(ConfigError, match=said):
            space_of(line)

    @pytest.mark.parametrize(
        "line",
        [
            "kind='range'\nkey='sampling.balance'\nlow=0\nhigh=2",
            "kind='whole'\nkey='stages.0.side_px'\nlow=8\nhigh=64",
            "kind='choice'\nkey='photos.mirror'\nchoices=['no', 'yes']",
            "kind='range'\nkey='sampling.balanc'\nlow=0\nhigh=1",
        ],
    )
    def test_what_the_recipe_would_not_take_is_refused(self, line):
        with pytest.raises(ConfigError, match="space"):
            space_of(line).require_fits(TrainRecipe())

    def test_equal_values_have_one_label(self):
        assert label_of(1) == label_of(1.0) != label_of(True)
