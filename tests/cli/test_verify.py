"""`resight verify` as a user types it."""

import csv
import json

import pytest


@pytest.fixture(scope="module")
def pairs(synthetic, tmp_path_factory):
    """Four pairs of drawn photos in a table."""
    with (synthetic / "metadata.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["identity"]]
    paths = {}
    for row in rows:
        paths.setdefault(row["identity"], []).append(row["path"])
    one, other = list(paths.values())[:2]
    lines = [
        "pair_id,path_a,path_b,same",
        f"x,{one[0]},{one[1]},1",
        f"y,{one[0]},{other[0]},0",
        f"z,{one[0]},gone.jpg,",
    ]
    table = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    table.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return table


def test_a_line_per_pair_and_the_measures(resight, pairs, synthetic):
    done = resight("verify", pairs, "--photos", synthetic)
    assert done.code == 0
    lines = done.out.splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == ["x", "y", "z"]
    assert lines[3].startswith("not compared")
    assert "1 genuine and 1 impostor pairs of 2 persons, 0 not compared" in done.out
    assert "TAR at FAR 0.1  insufficient data: 1 scores cannot show a rate of 0.1" in done.out
    assert "unreadable: gone.jpg: " in done.err
    assert "note: There are no probabilities: expected labelled pairs of 3 persons at least" in done.err


def test_files_and_json(resight, pairs, synthetic, tmp_path):
    sample = tmp_path / "sample.csv"
    sample.write_text("pair_id,similarity\nz,0\nx,0\n", encoding="utf-8")
    out = tmp_path / "out"
    done = resight("verify", pairs, "--photos", synthetic, "--out", out, "--sample", sample, "--json")
    told = json.loads(done.out)
    assert [row["pair_id"] for row in told["pairs"]] == ["x", "y", "z"]
    assert told["pairs"][2]["score"] is None
    assert {path.name for path in out.iterdir()} == {
        "catalogue", "pairs.csv", "report.html", "submission.csv", "verification.json",
    }  # fmt: skip
    rows = (out / "submission.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == ["pair_id", "z", "x"]
    check = resight("score", "kryptonite", out / "submission.csv", "--check", "--sample", sample)
    assert check.code == 0, check.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.csv"], "resight: expected pairs of photos at none.csv, found nothing there\n"),
        (["PAIRS", "--photos", "PHOTOS", "--per", "lihgt"], "no column is called 'lihgt'"),
        (["PAIRS", "--photos", "PHOTOS", "--model", "efficientnet-lite1"], "no bundle is called 'efficientnet-lite1'"),
        (["PAIRS", "--photos", "PHOTOS", "--sample", "none.csv"], "expected a CSV file at none.csv"),
    ],
)
def test_a_fault_is_a_sentence(resight, pairs, synthetic, arguments, sentence):
    given = [{"PAIRS": pairs, "PHOTOS": synthetic}.get(one, one) for one in arguments]
    done = resight("verify", *given)
    assert done.code == 2
    assert sentence in done.err
    assert done.out == ""
