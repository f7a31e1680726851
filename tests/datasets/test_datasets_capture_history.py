from __future__ import annotations

import csv
import re
from pathlib import Path

import polars as pl
import pytest

from resight.core import Catalogue
from resight.datasets.capture_history import CaptureHistoryExport
from resight.errors import InputError, UnknownNameError
from resight.pipeline import export_catalogue

ROWS = [  # identity, date, encounter, side
    ("Nala", "2024-05-31", "late", "left"),
    ("Nala", "2024-05-02T10:00", "first", "right"),
    ("Simba", "2024-07", "first", "left"),
    ("Simba", "2023-01-09", None, "left"),
    (None, "2024-06-01", "alone", None),
    ("Kiara", None, "undated", None),
    ("Zazu */", "31.12.2023", None, None),
]


@pytest.fixture
def catalogue() -> Catalogue:
    frame = pl.DataFrame(ROWS, schema=["identity", "date", "encounter", "side"], orient="row")
    ids = [f"{n}.jpg" for n in range(len(ROWS))]
    return Catalogue(frame.with_columns(image_id=pl.Series(ids), path=pl.Series(ids)), Path("/nowhere"))


def written(catalogue: Catalogue, out: Path, *options: str | None) -> tuple[list[list[str]], tuple[str, ...]]:
    notes = CaptureHistoryExport(*options).write(catalogue, out)
    with out.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file)), notes


def test_a_row_per_individual_and_a_column_per_month_in_which_somebody_looked(catalogue, tmp_path):
    rows, notes = written(catalogue, tmp_path / "h.csv")
    assert rows == [
        ["individual", "2023-01", "2024-05", "2024-06", "2024-07"],
        ["Nala", "0", "1", "0", "0"],
        ["Simba", "1", "0", "0", "1"],
    ]
    assert notes[0] == "photos that show nobody known make an occasion and no capture: 1"
    assert notes[1] == (
        "labelled photos left out, as they lack a date that tells the month: 2; individuals that have no other photo: 2"
    )
    assert notes[2].startswith("4 occasions, those with a photo")


@pytest.mark.parametrize(
    ("occasions", "expected"),
    [
        ("year", {"Nala": "01", "Simba": "11"}),
        ("day", {"Nala": "0110", "Simba": "1000"}),
        ("encounter", {"Nala": "1100", "Simba": "1000", "Kiara": "0001"}),  # first, late, alone, undated
    ],
)
def test_histories_by_plain_loops(catalogue, tmp_path, occasions, expected):
    rows, _ = written(catalogue, tmp_path / "h.csv", occasions)
    assert {name: "".join(captured) for name, *captured in rows[1:]} == expected
    assert occasions != "encounter" or rows[0][1:] == ["first", "late", "alone", "undated"]


def test_groups_stand_in_the_table_and_as_frequencies_of_mark(catalogue, tmp_path):
    rows, notes = written(catalogue, tmp_path / "h.csv", "encounter", "side")
    assert [row[:2] for row in rows[1:]] == [["Kiara", "none"], ["Nala", "left+right"], ["Simba", "left"]]
    assert "individuals of several values of 'side', which make groups of their own: 1" in notes
    CaptureHistoryExport("encounter", "side").write(catalogue, tmp_path / "h.inp")
    assert (tmp_path / "h.inp").read_text(encoding="utf-8").splitlines() == [
        "/* occasions: first, late, alone, undated */",
        "/* groups: left, left+right, none */",
        "/* Kiara */ 0001 0 0 1;",
        "/* Nala */ 1100 0 1 0;",
        "/* Simba */ 1000 1 0 0;",
    ]


def test_mark_reads_one_frequency_without_groups_whatever_the_names_are(catalogue, tmp_path):
    frame = catalogue.frame.with_columns(date=pl.lit("2024-05-31"))
    CaptureHistoryExport("year").write(Catalogue(frame, catalogue.root), tmp_path / "h.inp")
    text = re.sub(r"/\*.*?\*/", "", (tmp_path / "h.inp").read_text(encoding="utf-8"))  # as readers drop comments
    assert text.split(";") == ["\n\n 1 1", "\n 1 1", "\n 1 1", "\n 1 1", "\n"]


def test_what_makes_no_history(catalogue, tmp_path):
    with pytest.raises(UnknownNameError, match=r"no kind of occasion is called 'moth'\. Did you mean 'month'"):
        CaptureHistoryExport("moth")
    with pytest.raises(UnknownNameError, match="no column is called 'sid'"):
        CaptureHistoryExport(group="sid").write(catalogue, tmp_path / "h.csv")
    with pytest.raises(InputError, match=r"ends in \.csv or \.inp for histories, found h\.txt"):
        CaptureHistoryExport().write(catalogue, tmp_path / "h.txt")
    nobody = Catalogue(catalogue.frame.with_columns(date=pl.lit(None, pl.String)), catalogue.root)
    with pytest.raises(InputError, match="labelled photos with a date that tells the day, found none"):
        CaptureHistoryExport("day").write(nobody, tmp_path / "h.csv")
    assert not list(tmp_path.iterdir())


def test_it_is_one_of_the_exports(catalogue, tmp_path):
    done = export_catalogue(catalogue, "capture-history", tmp_path / "h.inp", occasions="year", group="side")
    assert (done.format, done.n_photos) == ("capture-history", len(ROWS))
    assert not any("read it again" in note for note in done.notes)
    with pytest.raises(InputError, match="occasions and groups of capture-history only, found them with csv"):
        export_catalogue(catalogue, "csv", tmp_path / "h.csv", group="side")
