"""Recipes of networks."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

import resight
from resight.config import LossOptions, StageOptions, TrainRecipe
from resight.config.writing import to_toml
from resight.errors import ConfigError

KINDS = {kind.model_fields["kind"].default: kind for kind in get_args(get_args(LossOptions)[0])}
SHIPPED = ("individuals", "humpback", "happywhale", "faces", "landmarks")


@pytest.mark.parametrize("name", SHIPPED)
def test_one_that_ships_is_read_and_comes_back(name):
    recipe = TrainRecipe.read(name)
    assert TrainRecipe.parse(recipe.to_toml()) == recipe
    file = Path(resight.__file__).parent / "recipes" / f"{name}.toml"
    assert TrainRecipe.read(file).fingerprint == recipe.fingerprint


def test_what_the_ones_that_ship_are_for():
    assert TrainRecipe.read("humpback").network.backbone == "resnet18"
    assert [stage.min_photos for stage in TrainRecipe.read("humpback").stages] == [5, 1, 1, 1]
    assert {loss.of for loss in TrainRecipe.read("happywhale").losses} == {"individual", "species"}
    assert TrainRecipe.read("faces").photos.synthetic == "negatives"
    assert TrainRecipe.read("landmarks").losses[0].kind == "subcentre-arcface"


@pytest.mark.parametrize("kind", KINDS)
def test_every_loss_reads_and_comes_back(kind):
    recipe = TrainRecipe.parse(f"[[losses]]\nkind = '{kind}'\nname = 'mine'\nof = 'species'\nweight = 0.5")
    assert isinstance(recipe.losses[0], KINDS[kind])
    assert recipe.losses[0].title == "mine"
    assert TrainRecipe.parse(recipe.to_toml()) == recipe


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[losses]]\nkind = 'arcfaces'", "found 'arcfaces'. Did you mean 'arcface'?"),
        ("[[losses]]\nkind = 'arcface'\n" * 2, "another name for each loss, found 'arcface' twice"),
        ("[[stages]]\nname = 'a'\n[[stages]]\nname = 'a'", "another name for each stage"),
        ("learn_from = 'train'", 'learn_from: expected "column=value" or "split:name", found "train"'),
        ("[hold_out]\nn_parts = 1", "n_parts of 0 or at least 2"),
        ("[[stages]]\nname = 'a'\npseudo_labels = true", "a stage before the one with pseudo_labels"),
        ("[network]\npooling = 'max'", "found 'max'"),
        ("[sampling]\nbalance = 1.5", "at most 1"),
        ("[augmentation]\nrotate = 3.0", "Did you mean 'rotate_deg'?"),
        ("[[stages]]\nname = 'a'\nfrozen = -0.1", "at least 0"),
    ],
)
def test_what_is_wrong_is_a_sentence(text, said):
    with pytest.raises(ConfigError, match=said):
        TrainRecipe.parse(text)


class TestTheDocumentation:
    """docs/formats.md lists every key with its default, so that it cannot grow stale."""

    section = (
        (Path(__file__).resolve().parents[2] / "docs" / "formats.md")
        .read_text(encoding="utf-8")
        .partition("## Recipes of training a network")[2]
        .partition("\n## ")[0]
    )

    def rows(self, heading: str) -> dict[str, str]:
        part = self.section.partition(f"**`{heading}`**")[2].partition("\n**`")[0]
        cells = [line.split(" | ") for line in part.splitlines() if line.startswith("| `")]
        return {one[0].strip("| `"): one[1].strip(" |`") for one in cells}

    def listed(self, options, without=()) -> dict[str, str]:
        fields = {name: field for name, field in options.model_fields.items() if name not in without}
        return {
            name: "" if field.is_required() or field.default is None else to_toml({"x": field.default})[4:].strip()
            for name, field in fields.items()
        }

    @pytest.mark.parametrize("kind", KINDS)
    def test_of_a_loss(self, kind):
        assert self.rows(f'kind = "{kind}"') == self.listed(KINDS[kind], ("kind", "name"))

    @pytest.mark.parametrize(
        "table", ["network", "photos", "sampling", "augmentation", "loop", "hold_out", "export", "stages"]
    )
    def test_of_a_table(self, table):
        of = StageOptions if table == "stages" else type(getattr(TrainRecipe(), table))
        heading = f"[[{table}]]" if table == "stages" else f"[{table}]"
        assert self.rows(heading) == self.listed(of)
