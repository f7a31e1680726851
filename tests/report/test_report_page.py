"""The report page: what it shows, what it never does, and what it says when there is nothing."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oracles.pages import NASTY, Page, require_self_contained, require_sound_links
from resight.core import Candidate, Decision, Estimate, OperatingPoint, Verdict
from resight.errors import InputError
from resight.evaluate.report import ReportRow, write_report
from resight.evaluate.searches import Searches
from resight.pages.colours import PALETTE


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.jpg"
    pixels = np.random.default_rng(3).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def a_decision(query: str, verdict: Verdict, probability: float = 0.8, names: tuple[str, ...] = ("Ada", "Bo")):
    candidates = tuple(Candidate(name, f"{name}.jpg", 0.9 - i / 10, 0.6 / (i + 1)) for i, name in enumerate(names))
    identity = names[0] if verdict is Verdict.KNOWN else None
    return Decision(query, verdict, identity, probability, candidates)


def a_row(photo: Path, query: str = "q.jpg", verdict: Verdict = Verdict.KNOWN, truth=None, **kwargs) -> ReportRow:
    decision = a_decision(query, verdict, **kwargs)
    return ReportRow(decision, photo, (photo,) * len(decision.candidates), truth)


def a_point(**changes) -> OperatingPoint:
    point = OperatingPoint(
        threshold=0.7, new_below=0.5, slope=12.0, cut=7.0, scale="cosine", model="sha256:abc", n_gallery=40,
        n_photos=300, goal="fpir=0.01", share_new=0.165, fpir=Estimate(0.01, 0.0, 0.04, 90),
        fnir=Estimate(0.3, 0.22, 0.38, 80), n_mated=200, n_non_mated=180, fitted_on="sha256:def",
        notes=("The gallery is small.",),
    )  # fmt: skip
    return replace(point, **changes)


def some_searches(n: int = 100) -> Searches:
    rng = np.random.default_rng(5)
    return Searches(rng.normal(0.75, 0.1, n), rng.normal(0.55, 0.1, n), rng.normal(0.5, 0.1, n))


def full(photo: Path) -> dict:
    verdicts = [Verdict.KNOWN, Verdict.NEW, Verdict.UNSURE] * 10
    truths = ["Ada", Verdict.NEW, "Bo"] * 10
    rows = [a_row(photo, f"q{i}.jpg", v, t) for i, (v, t) in enumerate(zip(verdicts, truths, strict=True))]
    return {
        "title": "Nyala",
        "rows": rows,
        "point": a_point(),
        "scores": some_searches(),
        "measures": {"MAP@5": Estimate(0.6, 0.5, 0.7, 40), "BAKS": Estimate(*[float("nan")] * 3, 0)},
        "failures": [("bad.jpg", "cut short")],
        "about": {"Model": "Lite0 (Apache-2.0)", "Command": "resight identify p --catalogue c"},
    }


def made(folder: Path, **arguments) -> str:
    return write_report(folder / "report.html", **{"title": "A title", "rows": [], **arguments}).read_text("utf-8")


@pytest.fixture(scope="module")
def full_text(photo, tmp_path_factory) -> str:
    return made(tmp_path_factory.mktemp("full"), **full(photo))


def test_the_page_asks_for_nothing_from_outside(full_text):
    require_self_contained(full_text)


def test_ids_are_unique_and_every_inner_link_has_an_end(full_text):
    require_sound_links(full_text)


def test_every_picture_and_figure_has_a_name(full_text):
    page = Page(full_text)
    assert page.all("img")
    assert all(a.get("alt") for a in page.all("img"))
    drawn = [a for a in page.all("svg") if a.get("role") == "img"]
    assert len(drawn) == 3
    assert all(a.get("aria-hidden") == "true" or a.get("aria-labelledby") for a in page.all("svg"))
    for name in ("histogram", "curve", "reliability"):
        assert re.search(rf'<title id="{name}-title">[^<]+</title><desc id="{name}-desc">[^<]+</desc>', full_text)


def test_counts_sentences_and_facts_are_shown(full_text):
    text = Page(full_text).text
    for sentence in (
        "30 photos compared with the gallery; the line between known and new rests on 300 photos of 40 individuals.",
        "Of 100 photos of strangers, about 1 (0 to 4) would be called a known individual.",
        "Of 100 photos of known individuals, about 30 (22 to 38) would not be given their name.",
        "95 times out of 100",
        "The gallery is small.",
        "0.600 0.500–0.700 40",
        "BAKS not known 0",
        "bad.jpg cut short",
        "Lite0 (Apache-2.0)",
        "fpir=0.01",
        "sha256:def",
        "resight identify p --catalogue c",
    ):
        assert sentence in text
    assert [int(n) for n in re.findall(r"<li class=\"(?:known|new|unsure)\"><b>(\d+)</b>", full_text)] == [10, 10, 10]


def test_the_truth_table_counts_by_hand(photo, tmp_path):
    rows = [
        a_row(photo, "1", Verdict.KNOWN, "Ada"),
        a_row(photo, "2", Verdict.KNOWN, "Bo"),
        a_row(photo, "3", Verdict.KNOWN, Verdict.NEW),
        a_row(photo, "4", Verdict.NEW, Verdict.NEW),
        a_row(photo, "5", Verdict.NEW, "Ada"),
        a_row(photo, "6", Verdict.UNSURE, "Ada"),
        a_row(photo, "7", Verdict.UNSURE, Verdict.NEW),
        a_row(photo, "8", Verdict.UNSURE, None),
    ]
    text = Page(made(tmp_path, rows=rows)).text
    assert "Called Known (4) Strangers (3)" in text
    assert "its right name 1 – a wrong name 1 1 new 1 1 unsure 1 1" in text
    assert text.count("✓ Right.") == 2
    assert text.count("✗ Wrong.") == 3
    assert text.count("Left open.") == 2


def test_an_individual_called_new_is_no_stranger(photo, tmp_path):
    row = a_row(photo, verdict=Verdict.KNOWN, truth="new", names=("new", "Bo"))
    assert row.right is True
    stranger = a_row(photo, verdict=Verdict.KNOWN, truth=Verdict.NEW, names=("new", "Bo"))
    assert stranger.right is False
    assert "✓ truth" not in Page(made(tmp_path, rows=[stranger])).text
    text = Page(made(tmp_path, rows=[row])).text
    assert "The truth: new" in text
    assert "The truth: a stranger" not in text
    assert text.count("✓ truth") == 1


def test_a_verdict_is_a_word_and_a_shape_and_not_colour_alone(photo, tmp_path):
    shapes = {}
    for verdict in Verdict:
        page = made(tmp_path, rows=[a_row(photo, verdict=verdict)])
        badge = re.search(r'<span class="badge">(.*?)</span><span class="says">', page, re.DOTALL)
        assert Page(badge[1]).text == verdict.capitalize()
        shapes[verdict] = re.search(r"<(circle|path)[^>]*?(?= fill)", badge[1])[0]
    assert len(set(shapes.values())) == 3


@pytest.mark.parametrize("name", NASTY)
def test_names_are_text_and_never_markup(name, photo, tmp_path):
    row = a_row(photo, name, Verdict.KNOWN, truth=name, names=(name, "Bo"))
    page_text = made(
        tmp_path, title=name, rows=[row], point=a_point(notes=(name,), goal=name), failures=[(name, name)],
        measures={name: Estimate(0.5, 0.4, 0.6, 9)}, about={name: name},
    )  # fmt: skip
    page = Page(page_text)
    plain = {
        "point": a_point(),
        "failures": [("x", "x")],
        "about": {"x": "x"},
        "measures": {"x": Estimate(0.5, 0.4, 0.6, 9)},
    }
    assert page.open == []
    assert not page.all("script")
    assert all(a["src"].startswith("data:image/jpeg;base64,") for a in page.all("img"))
    harmless = made(tmp_path, title="x", rows=[a_row(photo, "x", Verdict.KNOWN, truth="x", names=("x", "Bo"))], **plain)
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in Page(harmless).elements]
    assert page.text.count(" ".join(name.split())) >= 8
    assert {"alt": f"Photo {name}"}.items() <= page.all("img")[0].items()


def test_a_file_name_that_is_not_utf8_is_written_out(photo, tmp_path):
    assert "caf\\udce9.jpg" in made(tmp_path, rows=[a_row(photo, "caf\udce9.jpg")])


def test_the_same_input_gives_the_same_bytes(photo, tmp_path):
    assert made(tmp_path / "one", **full(photo)) == made(tmp_path / "two", **full(photo))


def test_an_empty_report_says_so_and_leaves_the_rest_out(tmp_path):
    page = Page(made(tmp_path))
    for sentence in (
        "No photo was identified.",
        "There are no verdicts to count: no photo was given.",
        "There is no operating point",
    ):
        assert sentence in page.text
    assert [a["id"] for a in page.all("section")] == ["summary"]
    assert [a["href"] for a in page.all("a")] == ["#summary"]
    assert not page.all("fieldset")


def test_the_list_of_sections_is_that_of_the_page(full_text, tmp_path):
    listed = {}
    for name, text in (("full", full_text), ("thin", made(tmp_path, scores=some_searches(), notes=("A note.",)))):
        listed[name] = re.findall(r'href="#([^"]*)"', text[text.index("<nav") : text.index("</nav>")])
        assert listed[name] == [a["id"] for a in Page(text).all("section")]
    assert len(listed["full"]) == 6
    assert listed["thin"] == ["summary", "scores"]


def test_a_report_of_measures_alone_does_not_miss_the_photos(tmp_path):
    text = Page(made(tmp_path, scores=some_searches(), measures={"MAP@5": Estimate(0.6, 0.5, 0.7, 40)})).text
    assert "This report shows measures and no single photos." in text
    assert "no photo was given" not in text
    assert "No photo was identified" not in text


def test_when_every_photo_failed_the_page_says_so(tmp_path):
    text = Page(made(tmp_path, failures=[("a.jpg", "empty file"), ("b.jpg", "not an image")])).text
    assert "every photo failed to be read" in text
    assert "2 photos could not be read" in text
    assert "b.jpg not an image" in text


@pytest.mark.parametrize(
    "searches", [Searches([], [], []), Searches([-np.inf] * 3, [-np.inf] * 3, [-np.inf] * 2)], ids=["none", "no score"]
)
def test_searches_that_cannot_be_drawn_are_left_out(searches, tmp_path):
    page = Page(made(tmp_path, scores=searches, measures={"MAP@5": Estimate(0.6, 0.5, 0.7, 40)}))
    assert [a["id"] for a in page.all("section")] == ["measures"]


def test_nan_estimates_are_words(photo, tmp_path):
    nothing = Estimate(*[float("nan")] * 3, 0)
    text = Page(made(tmp_path, rows=[a_row(photo)], point=a_point(fpir=nothing), scores=some_searches())).text
    assert "It is not known how many of 100 photos of strangers would be called a known individual." in text
    assert not re.search(r"\bnan\b", text)


def test_the_unsure_come_first_and_the_least_certain_of_each(photo, tmp_path):
    rows = [
        a_row(photo, "known-sure", Verdict.KNOWN, probability=0.99),
        a_row(photo, "new-sure", Verdict.NEW, probability=0.9),
        a_row(photo, "known-weak", Verdict.KNOWN, probability=0.6),
        a_row(photo, "unsure-b", Verdict.UNSURE, probability=0.5),
        a_row(photo, "new-weak", Verdict.NEW, probability=0.7),
        a_row(photo, "unsure-a", Verdict.UNSURE, probability=0.4),
    ]
    titles = re.findall(r'<h3 class="clamp" title="([^"]*)"', made(tmp_path, rows=rows))
    assert titles == ["unsure-a", "unsure-b", "new-weak", "new-sure", "known-weak", "known-sure"]


def test_the_cap_is_stated_and_the_counts_are_of_all(photo, tmp_path):
    rows = [a_row(photo, f"q{i}", Verdict.KNOWN) for i in range(5)] + [a_row(photo, "u", Verdict.UNSURE)]
    page = Page(made(tmp_path, rows=rows, max_rows=2, max_candidates=1))
    assert "This page shows 2 photos of 6." in page.text
    assert "4 photos were left out, the last in this order: 0 unsure, 0 new, 4 known." in page.text
    assert len(page.all("article", "card")) == 2
    assert len(page.all("li", "candidate")) == 2
    assert "6 photos compared" in page.text
    assert "left out" not in Page(made(tmp_path, rows=rows, max_rows=6)).text


def test_failures_beyond_the_cap_are_counted(tmp_path):
    text = Page(made(tmp_path, failures=[(f"f{i}.jpg", "empty") for i in range(503)])).text
    assert "503 photos could not be read" in text
    assert "3 more are left out" in text


def test_a_photo_that_cannot_be_read_becomes_a_placeholder(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff not a photo")
    bad = (tmp_path / "absent.jpg", tmp_path / "broken.jpg")
    row = ReportRow(a_decision("q.jpg", Verdict.KNOWN), tmp_path, bad)
    page = Page(made(tmp_path, rows=[row]))
    assert page.text.count("photo cannot be shown") == 3
    assert [a["aria-label"] for a in page.all("span", "nophoto")][1] == "Candidate 1: Ada: cannot be shown"


def test_a_query_without_candidates_says_so(photo, tmp_path):
    row = ReportRow(Decision("q.jpg", Verdict.NEW, None, 1.0, ()), photo, ())
    assert "No candidate: no photo of the gallery could be compared" in Page(made(tmp_path, rows=[row])).text


def test_thumbnails_are_small_and_boxes_are_cut_out(tmp_path):
    big = tmp_path / "big.png"
    canvas = np.zeros((800, 1600, 3), np.uint8)
    canvas[100:300, 200:400] = 255
    Image.fromarray(canvas).save(big)
    decision = a_decision("q.jpg", Verdict.KNOWN, names=("Ada",))
    row = ReportRow(decision, big, (big,), box=[200, 100, 200, 200], candidate_boxes=(None,))
    sources = [a["src"].partition(",")[2] for a in Page(made(tmp_path, rows=[row])).all("img")]
    query, candidate = (Image.open(io.BytesIO(base64.b64decode(source))) for source in sources)
    assert query.format == candidate.format == "JPEG"
    assert max(query.size) <= 400
    assert query.size[0] == query.size[1]
    assert np.asarray(query).mean() > 240
    assert max(candidate.size) <= 220
    assert candidate.size[0] == 2 * candidate.size[1]


def test_a_report_replaces_an_older_one_and_makes_its_folder(tmp_path):
    path = tmp_path / "a" / "b" / "report.html"
    write_report(path, title="old", rows=[])
    assert write_report(str(path), title="fresh", rows=[]) == path
    assert "fresh" in path.read_text("utf-8")
    assert "old</bdi>" not in path.read_text("utf-8")


@pytest.mark.parametrize("limit", [{"max_rows": 0}, {"max_candidates": 0}])
def test_limits_below_one_are_refused(limit, tmp_path):
    with pytest.raises(InputError, match="limits of at least 1"):
        write_report(tmp_path / "r.html", title="t", rows=[], **limit)


def test_a_folder_in_the_place_of_the_file_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="expected a file to write the page to"):
        write_report(tmp_path, title="t", rows=[])


def test_rows_with_too_few_photos_or_boxes_are_refused(photo):
    decision = a_decision("q.jpg", Verdict.KNOWN)
    with pytest.raises(InputError, match=r"each of the 2 candidates of 'q\.jpg', found 1 photos"):
        ReportRow(decision, photo, (photo,))
    with pytest.raises(InputError, match="1 boxes"):
        ReportRow(decision, photo, (photo, photo), candidate_boxes=(None,))


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", ["paper", "ground", "known_tint", "new_tint", "unsure_tint"])
@pytest.mark.parametrize("ink", ["ink", "muted"])
def test_text_has_the_contrast_of_wcag_aa(ink, ground):
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast(PALETTE[ink], PALETTE[ground]) >= 4.5


@pytest.mark.parametrize("verdict", ["known", "new", "unsure"])
def test_the_outline_of_a_shape_stands_out_from_its_tint(verdict):
    assert contrast(PALETTE["ink"], PALETTE[f"{verdict}_tint"]) >= 3


def test_every_colour_of_the_page_comes_from_the_palette(full_text):
    page = re.sub(r"data:image/jpeg;base64,[\w+/=]+", "", full_text)
    used = {c.lower() for c in re.findall(r"#[0-9a-fA-F]{6}\b", page)}
    assert used <= set(PALETTE.values())
