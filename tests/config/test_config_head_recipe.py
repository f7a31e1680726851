"""Recipes of heads."""

from __future__ import annotations

from pathlib import Path

import pytest

import resight
from resight.config import ArcFaceOptions, HeadRecipe, LdaOptions, SubCentreOptions, WhiteningOptions
from resight.errors import ConfigError, InputError

KINDS = (
    "whitening",
    "lda",
    "arcface",
    "subcentre-arcface",
    "cosface",
    "proxy-anchor",
    "supcon",
    "triplet",
)


def test_the_one_that_ships_is_what_the_settings_are_anyway():
    shipped = Path(resight.__file__).parent / "recipes" / "quick-head.toml"
    assert HeadRecipe.default() == HeadRecipe.read(shipped) == HeadRecipe()


def test_the_one_that_ships_needs_no_torch():
    assert [type(head) for head in HeadRecipe.default().heads] == [WhiteningOptions, LdaOptions]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_and_comes_back(kind):
    recipe = HeadRecipe.parse(f"same = ['side']\n[[heads]]\nkind = '{kind}'\nname = 'mine'")
    assert recipe.heads[0].kind == kind
    assert recipe.heads[0].title == "mine"
    assert HeadRecipe.parse(recipe.to_toml()) == recipe
    assert recipe.fingerprint != HeadRecipe.default().fingerprint


def test_two_of_a_kind_have_names():
    two = "[[heads]]\nkind = 'lda'\n[[heads]]\nkind = 'lda'"
    with pytest.raises(ConfigError, match="expected another name for each head, found 'lda' twice"):
        HeadRecipe.parse(two)
    assert [head.title for head in HeadRecipe.parse(f"{two}\nname = 'lda 2'").heads] == ["lda", "lda 2"]


def test_none_is_no_name():
    with pytest.raises(ConfigError, match="expected another name than 'none'"):
        HeadRecipe.parse("[[heads]]\nkind = 'lda'\nname = 'none'")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[heads]]\nkind = 'arcfaces'", "expected one of .*found 'arcfaces'. Did you mean 'arcface'?"),
        ("[[heads]]\nkind = 'lda'\nshrinkages = [0.1]", "found 'shrinkages'. Did you mean 'shrinkage'?"),
        ("[[heads]]\nkind = 'lda'\nshrinkage = [0.0]", "a number above 0"),
        ("[[heads]]\nkind = 'lda'\nshrinkage = []", "at least 1 of them"),
        ("[[heads]]\nkind = 'lda'\nweights = ['odd']", "'even' or 'odds'"),
        ("[[heads]]\nkind = 'lda'\nn_dimensions = [5000]", "at most 1024"),
        ("[[heads]]\nkind = 'arcface'\nmargin_rad = 28.6", "at most 1.5"),
        ("[[heads]]\nkind = 'supcon'\nn_photos_each = 1", "at least 2"),
        ("[validation]\nn_folds = 1", "at least 2"),
        ("heads = []", "at least 1 of them"),
        ("rerank = true", "expected a key among same, synthetic, learn_from, validation, heads, found 'rerank'"),
    ],
)
def test_what_is_wrong_gets_a_sentence(text, said):
    with pytest.raises(ConfigError, match=said):
        HeadRecipe.parse(text)


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="expected a recipe in"):
        HeadRecipe.read(tmp_path / "none.toml")


def test_settings_are_those_of_the_methods():
    assert (SubCentreOptions().margin_power, SubCentreOptions().margin_extra_rad) == (0.25, 0.5)
    assert ArcFaceOptions().start == "whitening"
