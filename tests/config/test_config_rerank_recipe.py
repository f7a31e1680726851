"""Recipes: what is written comes back, and what is wrong gets one sentence with file, line and table."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import resight
from resight.config import CohortScorerOptions, CosineOptions, LocalOptions, NaiveBayesOptions, RerankRecipe
from resight.config.rerank_recipe import ScorerOptions
from resight.config.writing import to_toml
from resight.errors import ConfigError, InputError, UnknownNameError
from resight.rerank.geometry import GeometryModel

WHOLE = """
# how nyalas are told apart
same = ["side", "species"]

[shortlist]
n_photos = 30

[[scorers]]
kind = "cosine"

[[scorers]]  # two of one kind have names
name = "keypoints"
kind = "local"
max_side_px = 256
ratio = 1
tolerance_px = 7.5
geometry = "affine"

[[scorers]]
kind = "cohort"
of = "keypoints"
by_spread = true

[[scorers]]
kind = "agreement"
columns = ["side"]

[fusion]
how = "stack"

[identity]
how = "mean"
m = 2

[[scorers]]
kind = "naive-bayes"
framed_alike = false
n_best = 9

[cohort]
distractors = "strangers/\\u00e4"
"""

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
positive = st.floats(1e-9, 1e9, allow_nan=False)
scorers = st.one_of(
    st.fixed_dictionaries({"kind": st.just("cosine")}, optional={"bundle": names}),
    st.fixed_dictionaries(
        {"kind": st.just("local")},
        optional={
            "features": names,
            "ratio": st.floats(0.01, 1),
            "n_keypoints": st.integers(1, 10**6),
            "tolerance_px": positive,
            "mutual": st.booleans(),
            "geometry": st.sampled_from(get_args(GeometryModel)),
        },
    ),
    st.fixed_dictionaries(
        {"kind": st.just("naive-bayes")},
        optional={"framed_alike": st.booleans(), "place": positive, "n_ahead": st.integers(1, 9)},
    ),
    st.fixed_dictionaries({"kind": st.just("agreement")}, optional={"columns": st.lists(names, min_size=1)}),
    st.fixed_dictionaries({"kind": st.sampled_from(["hash", "date"])}),
)
recipes = st.fixed_dictionaries(
    {},
    optional={
        "same": st.lists(names, max_size=3),
        "shortlist": st.fixed_dictionaries({}, optional={"n_photos": st.integers(1, 10**6)}),
        "scorers": st.lists(scorers, min_size=1, max_size=4),
        "fusion": st.fixed_dictionaries({}, optional={"how": st.sampled_from(["choose", "stack", "mean"])}),
        "cohort": st.fixed_dictionaries({}, optional={"distractors": names, "n_top_query": st.integers(1, 50)}),
    },
)


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        RerankRecipe.parse(text, "mine.toml")
    return str(caught.value)


def test_a_whole_recipe():
    recipe = RerankRecipe.parse(WHOLE)
    assert recipe.same == ("side", "species")
    assert recipe.shortlist.n_photos == 30
    assert [scorer.title for scorer in recipe.scorers] == ["cosine", "keypoints", "cohort", "agreement", "naive-bayes"]
    local = recipe.scorers[1]
    assert isinstance(local, LocalOptions)
    assert (local.max_side_px, local.n_keypoints, local.ratio, local.tolerance_px) == (256, 800, 1, 7.5)
    keypoints = recipe.scorers[4]
    assert isinstance(keypoints, NaiveBayesOptions)
    assert (keypoints.framed_alike, keypoints.n_best, keypoints.n_keypoints) == (False, 9, 1200)
    assert recipe.cohort.distractors == "strangers/ä"
    assert RerankRecipe.parse(recipe.to_toml()) == recipe


def test_the_shipped_recipe_is_the_default():
    assert RerankRecipe.default() == RerankRecipe() == RerankRecipe.parse("")
    shipped = Path(resight.__file__).parent / "recipes" / "rerank.toml"
    assert tomllib.loads(shipped.read_text(encoding="utf-8")) == RerankRecipe().to_json()


@settings(deadline=None, max_examples=100)
@given(recipes)
def test_there_and_back(values):
    for number, scorer in enumerate(values.get("scorers", [])):
        scorer["name"] = f"s{number}"
    recipe = RerankRecipe.parse(to_toml(values))
    text = recipe.to_toml()
    again = RerankRecipe.parse(text)
    assert again == recipe
    assert again.to_toml() == text
    assert again.fingerprint == recipe.fingerprint


def test_the_fingerprint_tells_settings_apart_and_nothing_else():
    recipe = RerankRecipe.parse(WHOLE)
    swapped = WHOLE.replace('name = "keypoints"\nkind = "local"', 'kind = "local"  # why\nname = "keypoints"')
    assert RerankRecipe.parse(swapped).fingerprint == recipe.fingerprint
    assert RerankRecipe.parse(WHOLE.replace("n_best = 9", "n_best = 8")).fingerprint != recipe.fingerprint
    assert RerankRecipe.parse(WHOLE.replace("7.5", "7.6")).fingerprint != recipe.fingerprint
    assert recipe.fingerprint.startswith("rerank-")


def test_it_cannot_be_changed_and_made_by_hand_is_checked_too():
    with pytest.raises(ValidationError):
        RerankRecipe().same = ("side",)
    with pytest.raises(ValidationError):
        LocalOptions(ratio=2.0)


def test_the_geometries_are_those_that_there_are():
    assert get_args(LocalOptions.model_fields["geometry"].annotation) == get_args(GeometryModel)


LOCAL, IN_LOCAL = "[[scorers]]\nkind = 'local'\n", "mine.toml, line 3, [[scorers]] number 1, "
SCORERS = '[[scorers]]\nkind = "cosine"\n\n[[scorers]]\nkind = "local"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[fusion]\n\nhwo = 'stack'",
            "mine.toml, line 3, [fusion]: expected a key among how, n_folds, found 'hwo'. Did you mean 'how'?",
        ),
        (
            "[fusoin]\nhow = 'stack'",
            ("mine.toml, line 1: expected a key among same, shortlist, scorers, fusion, identity, cohort, "
             "false_labels, found 'fusoin'. Did you mean 'fusion'?"),
        ),
        (
            SCORERS + "ratoi = 0.8",
            ("mine.toml, line 6, [[scorers]] number 2: expected a key among name, kind, features, max_side_px, "
             "n_keypoints, ratio, mutual, geometry, tolerance_px, matcher, n_best, "
             "found 'ratoi'. Did you mean 'ratio'?"),
        ),
        (
            SCORERS + "local = 5",
            ("mine.toml, line 6, [[scorers]] number 2: expected a key among name, kind, features, max_side_px, "
             "n_keypoints, ratio, mutual, geometry, tolerance_px, matcher, n_best, found 'local'."),
        ),
        (
            SCORERS + "n_keypoints = '800'",
            "mine.toml, line 6, [[scorers]] number 2, n_keypoints: expected a whole number, found '800'",
        ),
        (
            SCORERS + "geometry = 'afine'",
            ("mine.toml, line 6, [[scorers]] number 2, geometry: expected 'similarity', 'affine', 'homography' or "
             "'fundamental', found 'afine'. Did you mean 'affine'?"),
        ),
        (
            "[[scorers]]\nkind = 'cosin'",
            ("mine.toml, line 2, [[scorers]] number 1, kind: expected one of cosine, naive-bayes, local, superglue, "
             "hash, agreement, date, cohort, segmentation, found 'cosin'. Did you mean 'cosine'?"),
        ),
        (
            "[identity]\nm = 0",
            "mine.toml, line 2, [identity], m: expected a number of at least 1, found 0",
        ),
        ("identity.m = true", "mine.toml, [identity], m: expected a whole number, found True"),
        ("same = 'side'", "mine.toml, line 1, same: expected a list, found 'side'"),
        ("same = ['side', 5]", "mine.toml, line 1, same: expected text, found 5"),
        (LOCAL + "ratio = 1.5", IN_LOCAL + "ratio: expected a number of at most 1, found 1.5"),
        (LOCAL + "ratio = 0", IN_LOCAL + "ratio: expected a number above 0, found 0"),
        (LOCAL + "mutual = 1", IN_LOCAL + "mutual: expected true or false, found 1"),
        ("same = ['']", "mine.toml, line 1, same: expected text, found ''"),
        ("shortlist = 5", "mine.toml, line 1, shortlist: expected a table, found 5"),
        ("scorers = ['cosine']", "mine.toml, line 1, scorers: expected a table, found 'cosine'"),
        ("scorers = []", "mine.toml, line 1, scorers: expected at least 1 of them, found []"),
        ("[identity]\nhow = 'bes'",
         ("mine.toml, line 2, [identity], how: expected 'best', 'mean', 'any' or 'sum', "
          "found 'bes'. Did you mean 'best'?")),
        ("[[scorers]]\nkind = 'naive-bayes'\nplace = inf",
         "mine.toml, line 3, [[scorers]] number 1, place: expected a finite number, found inf"),
        (
            "[[scorers]]\nkind = 'local'\n[[scorers]]\nkind = 'local'",
            "mine.toml: expected another name for each scorer, found 'local' twice: set  name",
        ),
        (
            "[[scorers]]\nkind = 'local'\n[[scorers]]\nkind = 'cohort'",
            "mine.toml: expected the scorer 'cohort' to be of one among local, found 'cosine'",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_gets_one_sentence(text, sentence):
    assert refused(text) == sentence


@pytest.mark.parametrize(
    "text", ["[[scorers]]", "scorers = 'cosine'", "scorers = ['cosine']", "shortlist = 5", "same = {}"]
)
def test_other_shapes_are_refused_too(text):
    assert refused(text).startswith("mine.toml")


def test_no_toml():
    assert refused("[fusion\n").startswith("mine.toml: expected TOML, found otherwise: ")


def test_the_error_names_the_key_and_the_nearest_one():
    with pytest.raises(ConfigError) as caught:
        RerankRecipe.parse("[fusion]\nhwo = 'stack'")
    assert (caught.value.key, caught.value.nearest) == ("hwo", "how")


def test_a_file(tmp_path):
    path = tmp_path / "rerank.toml"
    path.write_text(WHOLE, encoding="utf-8")
    assert RerankRecipe.read(path) == RerankRecipe.parse(WHOLE)
    path.write_bytes(b"same = ['\xff']")
    with pytest.raises(InputError, match="as UTF-8 text"):
        RerankRecipe.read(path)
    for absent in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(InputError, match="expected a recipe in"):
            RerankRecipe.read(absent)


def test_a_default_scorer_needs_no_kind_in_code():
    assert CosineOptions().title == "cosine"


def test_a_recipe_is_cut_to_what_is_used_and_what_that_rests_on():
    scorers = (
        CosineOptions(),
        NaiveBayesOptions(n_best=200),
        LocalOptions(n_best=50),
        CohortScorerOptions(),
        LocalOptions(name="free"),
    )
    recipe = RerankRecipe(scorers=scorers)
    for used, kept in (
        (["cosine"], [0]),
        (["naive-bayes"], [0, 1]),
        (["local"], [0, 1, 2]),
        (["cohort"], [0, 3]),
        (["free"], [4]),
        (["free", "cohort"], [0, 3, 4]),
    ):
        assert recipe.only(used).scorers == tuple(scorers[place] for place in kept)
    assert recipe.only(["local"]).shortlist == recipe.shortlist


class TestTheDocumentation:
    """docs/formats.md lists every key with its default, so that it cannot grow stale."""

    section = (
        (Path(__file__).resolve().parents[2] / "docs" / "formats.md")
        .read_text(encoding="utf-8")
        .partition("## Recipes of re-ranking")[2]
        .partition("\n## ")[0]
    )

    def rows(self, heading: str) -> dict[str, str]:
        part = self.section.partition(f"**`{heading}`**")[2].partition("\n**`")[0]
        cells = [line.split(" | ") for line in part.splitlines() if line.startswith("| `")]
        return {one[0].strip("| `"): one[1].strip(" |`") for one in cells}

    def listed(self, options) -> dict[str, str]:
        unnamed = {name: field.default for name, field in type(options).model_fields.items()}
        values = {name: value for name, value in unnamed.items() if name not in {"name", "kind"}}
        return {
            name: "" if value is None else to_toml({"x": value}).removeprefix("x = ").strip()
            for name, value in values.items()
        }

    @pytest.mark.parametrize("kind", get_args(get_args(ScorerOptions)[0]), ids=lambda kind: kind.__name__)
    def test_of_a_scorer(self, kind):
        written = kind.model_fields["kind"].default
        assert f'kind = "{written}"' in self.section
        assert self.rows(f'kind = "{written}"') == self.listed(kind.model_construct())

    @pytest.mark.parametrize("table", ["shortlist", "fusion", "identity", "cohort", "false_labels"])
    def test_of_a_table(self, table):
        assert self.rows(f"[{table}]") == self.listed(getattr(RerankRecipe(), table))


class TestRecipesThatShip:
    def test_they_are_read_by_name(self):
        assert RerankRecipe.read("rerank") == RerankRecipe.default() == RerankRecipe()
        free = RerankRecipe.read("rerank-free")
        assert [one.title for one in free.scorers] == ["cosine", "naive-bayes", "local"]
        assert free.scorers[1].framed_alike is False
        landmarks = RerankRecipe.read("rerank-landmarks")
        assert [one.title for one in landmarks.scorers] == ["cosine", "cohort", "local"]
        assert (landmarks.identity.how, landmarks.identity.m, landmarks.cohort.ask) == ("sum", 3, True)

    def test_another_name_is_refused_and_the_nearest_told(self):
        with pytest.raises(UnknownNameError, match="rerank-free"):
            RerankRecipe.read("rerank-fre")

    def test_a_file_of_that_name_comes_first(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "rerank").write_text("[identity]\nm = 7\n")
        assert RerankRecipe.read("rerank").identity.m == 7
