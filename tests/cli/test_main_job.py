import csv
import io
import json
import subprocess
import sys

import pytest


def test_index_twice_adds_only_what_is_new(resight, synthetic, tmp_path):
    first = resight("index", synthetic, "--catalogue", tmp_path / "c", "--json")
    second = resight("index", synthetic, "--catalogue", tmp_path / "c", "--json")
    assert first.code == second.code == 0
    once, twice = json.loads(first.out), json.loads(second.out)
    assert once["n_embedded"] == once["n_photos"] == once["n_added"] > 0
    assert twice["n_embedded"] == twice["n_added"] == 0
    assert once["layout"].startswith("table")
    assert f"next: resight calibrate --catalogue {tmp_path / 'c'} --goal fpir=0.01" in first.err


def test_a_catalogue_answers_in_a_table_in_json_and_in_csv(resight, calibrated, queries):
    plain = resight("identify", queries, "--catalogue", calibrated)
    as_json = resight("identify", queries, "--catalogue", calibrated, "--json")
    as_csv = resight("identify", queries, "--catalogue", calibrated, "--csv")
    decisions = json.loads(as_json.out)["decisions"]
    rows = list(csv.DictReader(io.StringIO(as_csv.out)))
    header, *lines = plain.out.splitlines()
    assert header.split() == ["verdict", "probability", "individual", "query"]
    assert len(lines) == len(decisions) == len(rows)
    assert [row["query"] for row in rows] == [decision["query"] for decision in decisions]
    assert [row["verdict"] for row in rows] == [decision["verdict"] for decision in decisions]
    assert "are in the catalogue" in plain.err


def test_identify_writes_a_report_with_pictures(resight, calibrated, queries, tmp_path):
    photo = next(queries.rglob("*.jpg"))
    report = tmp_path / "report.html"
    assert resight("identify", photo, "--catalogue", calibrated, "--report", report).code == 0
    assert report.read_text(encoding="utf-8").count("data:image/jpeg") >= 2


def test_calibrate_says_what_it_promises(resight, catalogue):
    done = resight("calibrate", "--catalogue", catalogue, "--goal", "fpir=0.05", "--json")
    point = json.loads(done.out)
    assert point["goal"] == "fpir=0.05"
    assert point["fpir"]["low"] <= point["fpir"]["value"] <= point["fpir"]["high"]


def test_edits_are_logged_and_undone(resight, catalogue):
    names = json.loads(resight("evaluate", "--catalogue", catalogue, "--json").out)["n_identities"]
    log = resight("catalogue", "log", "--catalogue", catalogue, "--json")
    before = json.loads(log.out)
    identity = _an_identity(catalogue)
    assert resight("catalogue", "rename", identity, "Nala", "--catalogue", catalogue, "--who", "Ann").code == 0
    assert _an_identity(catalogue, "Nala") == "Nala"
    assert resight("catalogue", "undo", "--catalogue", catalogue, "--who", "Ann").code == 0
    assert _an_identity(catalogue, identity) == identity
    after = json.loads(resight("catalogue", "log", "--catalogue", catalogue, "--json").out)
    assert len(after) == len(before) + 2
    assert names == json.loads(resight("evaluate", "--catalogue", catalogue, "--json").out)["n_identities"]


def _an_identity(catalogue, name=None):
    from resight.store import CatalogueStore

    identities = CatalogueStore.open(catalogue).catalogue().frame["identity"].drop_nulls().unique().sort().to_list()
    return name if name in identities else identities[0]


@pytest.mark.parametrize("verb", [[], ["index"], ["identify"], ["catalogue", "merge"], ["models", "show"], ["score"]])
def test_every_help_has_an_example(resight, verb):
    shown = resight(*verb, "--help")
    assert shown.code == 0
    assert not verb or "Example" in shown.out


HEAVY = (
    "torch",
    "cv2",
    "PIL",
    "sklearn",
    "scipy",
    "matplotlib",
    "faiss",
    "onnxruntime",
    "sqlalchemy",
    "polars",
    "numpy",
)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['resight', '--help']\n"
        "from resight.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip().endswith("LOADED []")


def test_models_show_their_licence_and_source(resight):
    shown = resight("models", "show", "efficientnet-lite0", "--json")
    facts = json.loads(shown.out)
    assert facts["licence"] == "Apache-2.0"
    assert facts["source"]
    assert "efficientnet-lite0" in resight("models", "list").out


def test_it_also_starts_as_a_module():
    """As `accelerate launch -m resight` starts it on each process."""
    done = subprocess.run([sys.executable, "-m", "resight", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("resight ")
