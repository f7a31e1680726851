"""Reports of re-ranking from the command line."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("[[scorers]]\nkind = 'cosine'\n[[scorers]]\nkind = 'agreement'\ncolumns = ['side']\n", "utf-8")
    return path


def test_an_ablation_writes_its_table_to_the_report(resight, calibrated, recipe, tmp_path):
    report = tmp_path / "ablation.html"
    run = resight(
        "evaluate", "-c", calibrated, "--recipe", recipe, "--ablation", "--same", "side", "--report", report, "--json"
    )
    assert run.code == 0, run.err
    assert f"report: {report}" in run.err
    page = report.read_text("utf-8")
    for step in json.loads(run.out)["steps"]:
        top = step["measures"]["top-1"]
        assert step["name"] in page
        assert f"<b>{top['value']:.3f}</b>" in page


def test_re_ranked_photos_have_a_closer_look_in_the_report(resight, catalogue, recipe, queries, tmp_path):
    assert resight("calibrate", "-c", catalogue, "--recipe", recipe, "--goal", "fpir=0.1").code == 0
    report = tmp_path / "report.html"
    run = resight("identify", queries, "-c", catalogue, "--rerank", "--report", report)
    assert run.code == 0, run.err
    page = report.read_text("utf-8")
    assert "A closer look" in page
    assert "(log-odds)" in page
    run = resight("identify", queries, "-c", catalogue, "--report", report)
    assert "A closer look" not in report.read_text("utf-8")
