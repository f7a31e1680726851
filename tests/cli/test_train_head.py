"""`resight train head`."""

from __future__ import annotations

import json

from resight.embed import describe

RECIPE = """
same = ["side"]
[validation]
n_repeats = 1
only_if_better = false
[[heads]]
kind = "whitening"
n_dimensions = [16]
shrinkage = [0.1]
"""


def test_a_head_is_learned_and_used(resight, catalogue, tmp_path, queries):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(RECIPE)
    out = tmp_path / "better"
    done = resight("train", "head", "--catalogue", catalogue, "--recipe", recipe, "--out", out, "--name", "better")
    assert done.code == 0, done.err
    assert "chosen: whitening (n_dimensions=16, shrinkage=0.1)" in done.out
    assert f"next: resight calibrate --catalogue {catalogue} --model {out} --same side --goal fpir=0.05" in done.err
    assert describe(out).dimension == 16
    assert (
        resight("calibrate", "--catalogue", catalogue, "--model", out, "--goal", "fpir=0.2", "--same", "side").code == 0
    )
    assert resight("identify", queries, "--catalogue", catalogue, "--model", "better", "--json").code == 0
    shown = resight("models", "show", out, "--json")
    assert json.loads(shown.out)["learned"]["method"] == "head whitening"
    told = resight("models", "show", out).out
    assert "  method           head whitening" in told
    assert "{" not in told


def test_json_holds_the_figures(resight, catalogue):
    done = resight("train", "head", "--catalogue", catalogue, "--same", "side", "--only", "lda", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert all(name == "none" or name.startswith("lda") for name in told["heads"])
    assert (told["model"] is None) == (told["chosen"] == "none")


def test_what_is_wrong_gets_one_sentence(resight, catalogue, tmp_path):
    for words, said in [
        (["--recipe", tmp_path / "none.toml"], "expected a recipe in"),
        (["--only", "arcface"], "no head in the recipe is called 'arcface'"),
        (["--out", tmp_path], "expected a new folder for the bundle"),
        (["--model", "nothing"], "no bundle is called 'nothing'"),
    ]:
        done = resight("train", "head", "--catalogue", catalogue, *words)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
        assert done.err.count("\n") == 1


def test_help_has_an_example(resight):
    done = resight("train", "head", "--help")
    assert "Example:" in done.out
    assert "resight train head --catalogue mine --same side" in done.out
    assert "head" in resight("train", "--help").out
