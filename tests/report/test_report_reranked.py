"""The report of what was re-ranked: what scorers said, the matches, stated probabilities, and an ablation."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oracles.pages import NASTY, Page, require_self_contained, require_sound_links
from resight.core import Candidate, Decision, Estimate, Verdict
from resight.errors import InputError
from resight.evaluate.plots import score_histogram
from resight.evaluate.reliability import Stated
from resight.evaluate.report import ReportRow, ReportStep, page_order, write_report
from resight.evaluate.searches import Searches

PICTURE = '<svg viewBox="0 0 9 9"><g><line x1="1" y1="1" x2="2" y2="2"/></g></svg>'


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.jpg"
    Image.fromarray(np.full((30, 40, 3), 120, np.uint8)).save(path)
    return path


def a_row(photo, query="q.jpg", verdict=Verdict.NEW, probability=0.8, names=("Ada", "Bo"), **more) -> ReportRow:
    candidates = tuple(Candidate(name, f"{name}.jpg", -1.0 - i, 0.4) for i, name in enumerate(names))
    identity = names[0] if verdict is Verdict.KNOWN else None
    return ReportRow(Decision(query, verdict, identity, probability, candidates), photo, (photo,) * len(names), **more)


def said(scorer: str = "cosine") -> tuple[dict[str, float], ...]:
    return {scorer: 0.42, "local": math.nan, "log-odds": -1.25}, {scorer: -0.1, "local": 2.0, "log-odds": -7.0}


def made(folder: Path, **arguments) -> str:
    return write_report(folder / "report.html", **{"title": "A title", "rows": [], **arguments}).read_text("utf-8")


def some_stated(n: int = 60, means: str = "What was stated of pairs.") -> Stated:
    rng = np.random.default_rng(1)
    probabilities = rng.random(n)
    return Stated(probabilities, rng.random(n) < probabilities, np.arange(n).astype(np.str_), means)


STEPS = (
    ReportStep("embedding alone", {"top-1": Estimate(0.25, 0.2, 0.3, 40)}, 0.0),
    ReportStep("cosine", {"top-1": Estimate(0.2, math.nan, math.nan, 1), "ECE": Estimate(0.1, 0.05, 0.2, 40)}, 16.51),
    ReportStep(
        "+ local", {"top-1": Estimate(0.5, 0.4, 0.62, 40), "ECE": Estimate(*[math.nan] * 3, 0)}, 333.2, "A fit."
    ),
)


def test_what_each_scorer_said_stands_beside_its_candidate(photo, tmp_path):
    page = made(tmp_path, rows=[a_row(photo, said=said(), closer=PICTURE), a_row(photo, "other")])
    require_self_contained(page)
    text = Page(page).text
    assert "Candidate cosine local log-odds 1. Ada 0.42 – -1.25 2. Bo -0.10 2.00 -7.00" in text
    assert "A closer look opens what each scorer said" in text
    assert len(Page(page).all("details")) == 1
    assert PICTURE in page


def test_nothing_is_said_of_scorers_where_there_was_one(photo, tmp_path):
    page = made(tmp_path, rows=[a_row(photo)])
    assert not Page(page).all("details")
    assert "closer look" not in Page(page).text


def test_only_shown_candidates_have_a_line(photo, tmp_path):
    text = Page(made(tmp_path, rows=[a_row(photo, said=said())], max_candidates=1)).text
    assert "1. Ada 0.42" in text
    assert "2. Bo" not in text


def test_what_was_said_must_be_of_every_candidate(photo):
    with pytest.raises(InputError, match="what was said of each of 2 candidates, found it of 1"):
        a_row(photo, said=said()[:1])


@pytest.mark.parametrize("name", NASTY)
def test_names_of_scorers_steps_and_notes_are_text(name, photo, tmp_path):
    steps = (ReportStep(name, {name: Estimate(0.5, 0.4, 0.6, 9)}, 1.0, name),)
    arguments = {"rows": [a_row(photo, names=(name, "Bo"), said=said(name))], "notes": (name,), "steps": steps}
    page = Page(made(tmp_path, stated=some_stated(means=name), scores=some_searches(), **arguments))
    assert page.open == []
    assert not page.all("script")
    assert all(a["src"].startswith("data:image/jpeg;base64,") for a in page.all("img"))
    assert page.text.count(" ".join(name.split())) >= 8


def test_the_rows_of_the_page_are_ordered_as_told(photo):
    rows = [
        a_row(photo, "known", Verdict.KNOWN, 0.6),
        a_row(photo, "new-sure", Verdict.NEW, 0.9),
        a_row(photo, "unsure", Verdict.UNSURE, 0.5),
        a_row(photo, "new-weak", Verdict.NEW, 0.7),
    ]
    assert [rows[place].decision.query for place in page_order(rows)] == ["unsure", "new-weak", "new-sure", "known"]


def some_searches() -> Searches:
    rng = np.random.default_rng(5)
    return Searches(rng.normal(3, 2, 50), rng.normal(-4, 2, 50), rng.normal(-5, 2, 50))


def test_the_scale_stands_beside_the_scores(tmp_path):
    page = made(tmp_path, scores=some_searches(), scale="log-odds")
    assert "best score of a search (log-odds)" in page
    assert "threshold on the best score (log-odds)" in page
    assert score_histogram(some_searches(), None, "log-odds") in page


def test_stated_probabilities_are_drawn_with_their_error(tmp_path):
    stated = some_stated()
    page = made(tmp_path, stated=stated, scores=some_searches())
    require_sound_links(page)
    text = Page(page).text
    assert "Do stated probabilities come true?" in text
    assert "What was stated of pairs. On the dotted line" in text
    assert f"The expected calibration error is {stated.calibration_error:.3f}" in text


def test_few_stated_probabilities_and_none_are_left_out(tmp_path):
    for stated in (None, some_stated(0), some_stated(19)):
        assert "come true" not in made(tmp_path, stated=stated, scores=some_searches())
    assert "come true" in made(tmp_path, stated=some_stated(20), scores=some_searches())


def test_two_diagrams_share_no_id(photo, tmp_path):
    rows = [a_row(photo, f"q{i}", Verdict.KNOWN, truth="Ada") for i in range(20)]
    page = made(tmp_path, rows=rows, stated=some_stated())
    require_sound_links(page)
    assert 'id="reliability-title"' in page
    assert 'id="stated-title"' in page


def test_an_ablation_is_a_table_with_intervals_drawn(tmp_path):
    page = made(tmp_path, steps=STEPS)
    require_self_contained(page)
    require_sound_links(page)
    text = Page(page).text
    assert "Weighed top-1 ECE ms per query" in text
    assert "embedding alone 0.250 0.200–0.300 – –" in text
    assert "cosine 0.200 0.100 0.050–0.200 17" in text
    assert "+ local 0.500 0.400–0.620 – 333" in text
    assert "top-1 on a scale from 0 to 0.7" in text
    assert "+ local A fit." in text
    drawn = re.findall(r'<svg class="whisker".*?</svg>', page, re.DOTALL)
    assert len(drawn) == 3
    assert f'cx="{200 * 0.25 / 0.7:.1f}"' in drawn[0]
    assert f"M{200 * 0.4 / 0.7:.1f} 8H{200 * 0.62 / 0.7:.1f}" in drawn[2]
    assert "nan" not in page
    assert "This report shows measures and no single photos." in text


def test_notes_are_shown(photo, tmp_path):
    assert (
        "Note. The gallery has changed."
        in Page(made(tmp_path, rows=[a_row(photo)], notes=("The gallery has changed.",))).text
    )
