import json

from resight.store import CatalogueStore


def test_each_side_gets_its_threshold_and_its_photos_are_judged_by_it(resight, catalogue, synthetic):
    done = resight("calibrate", "--catalogue", catalogue, "--goal", "fpir=0.2", "--per", "side")
    assert "for side left, fitted on 8 individuals" in done.out
    point = json.loads(
        resight("calibrate", "--catalogue", catalogue, "--goal", "fpir=0.2", "--per", "side", "--json").out
    )
    assert point["group_column"] == "side"
    assert [one["value"] for one in point["group_thresholds"]] == ["left", "right"]
    lines = {one["value"]: one["threshold"] for one in point["group_thresholds"]}
    table = synthetic / "metadata.csv"
    found = json.loads(resight("identify", synthetic, "--catalogue", catalogue, "--labels", table, "--json").out)
    sides = CatalogueStore.open(catalogue).catalogue().frame
    side_of = dict(zip(sides["image_id"], sides["side"], strict=True))
    assert len(found["decisions"]) > 10
    for decision in found["decisions"]:
        score = decision["candidates"][0]["score"]
        assert (decision["verdict"] == "known") == (score >= lines[side_of[decision["query"]]])


def test_photos_without_a_side_are_judged_by_the_threshold_of_all_and_a_note_says_so(resight, catalogue, queries):
    resight("calibrate", "--catalogue", catalogue, "--goal", "fpir=0.2", "--per", "side")
    done = resight("identify", queries, "--catalogue", catalogue)
    assert done.code == 0
    assert "have no 'side' that the operating point knows: they were judged by the threshold of all." in done.err


def test_evaluate_draws_a_line_per_side_too(resight, catalogue):
    judged = ("evaluate", "--catalogue", catalogue, "--protocol", "open-set", "--repeats", 2, "--goal", "fpir=0.2")
    done = resight(*judged, "--per", "side", "--json")
    assert done.code == 0
    assert 0 <= json.loads(done.out)["measures"]["FPIR"]["value"] <= 1


def test_a_column_that_is_not_there_and_a_promise_too_great(resight, catalogue):
    done = resight("calibrate", "--catalogue", catalogue, "--per", "sied")
    assert (done.code, done.out) == (2, "")
    assert "no column is called 'sied'. Did you mean 'side'?" in done.err
    done = resight("calibrate", "--catalogue", catalogue, "--goal", "conformal=0.01")
    assert done.code != 0
    assert "8 individuals can promise at best FPIR 1/9" in done.err
    done = resight("calibrate", "--catalogue", catalogue, "--goal", "conformal=0.2", "--per", "side")
    assert "expected one line for all with the goal conformal=0.2" in done.err
