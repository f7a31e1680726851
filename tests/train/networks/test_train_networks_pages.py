"""The sheet of looks, the report of a run, and who was taken for whom."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resight.config.augmentation import AugmentationOptions
from resight.core import Estimate
from resight.errors import InputError
from resight.train.networks.confusion import Confusion, Mistaken
from resight.train.networks.looks_sheet import in_words
from resight.train.networks.run_figures import run_figures
from resight.train.networks.run_page import ClassLooks, RunFacts, duration, run_page

NAMES = st.sampled_from(["ann", "ben", "cy", "=1+1", "a,b", 'say "x"', "two\r\nlines", "日本"])
PAIRS = st.lists(st.tuples(NAMES, NAMES), max_size=40)
PHOTO = np.random.default_rng(0).integers(0, 256, (30, 50, 3)).astype(np.uint8)
SHEET = (("a/<b>&.jpg", PHOTO, [PHOTO[:20, :20], PHOTO[5:25, :20]]),)
FIGURES = [
    (stage, epoch + (name == "OSCR"), 100 * number + 10 * epoch + 10, name, value)
    for number, stage in enumerate(("first", "日本 $x^2$"))
    for epoch in range(3)
    for name, value in (("loss arcface", 5.0 - epoch), ("learning rate", 0.001), ("OSCR", 0.1 * epoch + number / 4))
]
RUN = RunFacts(
    "A run <b>",
    "what & whom",
    n_photos=1234,
    n_individuals=56,
    n_seconds=7265,
    memory_mb=812.4,
    about={"Hardware": "2 cores", "Command": "resight train network mine"},
    figures=FIGURES,
    looks=(ClassLooks("first", np.array([9, 1, 0, 3]), np.array([9, 6, 0, 6])),),
    measures={
        "this network": {"OSCR": Estimate(0.4, 0.35, 0.46, 58), "top-1": Estimate(0.5, math.nan, math.nan, 1)},
        "the backbone": {"OSCR": Estimate(math.nan, math.nan, math.nan, 0)},
    },
    confusions=(Confusion.of(["ann", "ann", "ben"], ["ann", "ben", "ben"]),),
    sheet=SHEET,
    augmentation=AugmentationOptions(),
    settings='same = ["side"]',
    notes=("3 photos could not be read.",),
)


def page_of(run: RunFacts, tmp_path) -> str:
    return run_page(run, tmp_path / "deep" / "run.html").read_text(encoding="utf-8")


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_a_confusion_equals_plain_counting(pairs):
    found = Confusion.of([true for true, _ in pairs], [predicted for _, predicted in pairs])
    counts = Counter(pairs)
    names = sorted({name for pair in pairs for name in pair})
    assert list(found.names) == names
    triples = zip(found.true.tolist(), found.predicted.tolist(), found.counts.tolist(), strict=True)
    assert {(names[true], names[predicted]): n for true, predicted, n in triples} == counts
    assert found.n_photos == len(pairs)
    assert found.n_right == sum(true == predicted for true, predicted in pairs)
    for name, recall in zip(names, found.recalls.tolist(), strict=True):
        of_it = [predicted for true, predicted in pairs if true == name]
        expected = of_it.count(name) / len(of_it) if of_it else math.nan
        assert recall == pytest.approx(expected, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_the_most_confused_come_first_and_the_part_keeps_all_photos(pairs):
    found = Confusion.of([true for true, _ in pairs], [predicted for _, predicted in pairs])
    of_class = Counter(true for true, _ in pairs)
    wrong = Counter(pair for pair in pairs if pair[0] != pair[1])
    ordered = sorted(wrong, key=lambda pair: (-wrong[pair], -wrong[pair] / of_class[pair[0]], pair))
    assert found.most_confused(99) == [Mistaken(*pair, wrong[pair], of_class[pair[0]]) for pair in ordered]
    assert found.most_confused(2) == found.most_confused(99)[:2]
    for n in (1, 3, 99):
        part = found.part(n)
        assert len(part.names) == min(n, len(found.names))
        shown = {name: place for place, name in enumerate(part.names)}
        for true, predicted in Counter(pairs):
            if true in shown and predicted in shown:
                assert part.counts[shown[true], shown[predicted]] == Counter(pairs)[true, predicted]
        for name, place in shown.items():
            assert part.counts[place].sum() + part.elsewhere[place] == of_class[name]


@settings(max_examples=40, deadline=None)
@given(PAIRS)
def test_the_csv_holds_all_pairs_and_no_formula(pairs):
    found = Confusion.of([true for true, _ in pairs], [predicted for _, predicted in pairs])
    head, *rows = csv.reader(io.StringIO(found.to_csv(), newline=""))
    assert head == ["true", "predicted", "photos"]
    assert not any(cell.startswith("=") for row in rows for cell in row)
    assert {(a.removeprefix("'"), b.removeprefix("'")): int(n) for a, b, n in rows} == Counter(pairs)


def test_true_and_predicted_must_be_as_many():
    with pytest.raises(InputError, match="found 1 for 2 photos"):
        Confusion.of(["a", "b"], ["a"])


def test_the_classes_of_a_part_are_those_confused_most_side_by_side():
    true = ["a"] * 9 + ["b"] * 5 + ["c"] * 7 + ["d"] * 50
    predicted = ["a"] * 9 + ["c"] * 5 + ["b"] * 2 + ["c"] * 5 + ["d"] * 50
    assert Confusion.of(true, predicted).part(2).names == ("b", "c")
    assert Confusion.of(true, predicted).part(3).names == ("b", "c", "d")  # the others by their photos


def test_options_are_told_in_words_and_those_of_0_are_not():
    nothing = AugmentationOptions(**dict.fromkeys(AugmentationOptions.model_fields, 0) | {"least_crop": 1})
    assert in_words(nothing) == []
    everything = nothing.model_copy(update=dict.fromkeys(AugmentationOptions.model_fields, 0.5))
    assert len(in_words(everything)) == 13
    assert len({sentence.partition(":")[0] for sentence in in_words(everything)}) == 13
    assert in_words(AugmentationOptions(blur_sigma=0.005))[-2] == "Blurred: 10 % of looks, by up to 0.5 % of the side."


def test_the_sheet_shows_each_photo_with_its_looks(tmp_path):
    page = page_of(RunFacts("Looks", sheet=SHEET, augmentation=AugmentationOptions()), tmp_path)
    assert page.count('src="data:image/jpeg;base64,') == 3
    assert 'alt="Look 2 at a/&lt;b&gt;&amp;.jpg"' in page
    assert "<b>&" not in page
    assert all(sentence in page for sentence in in_words(AugmentationOptions()))


def test_a_sheet_of_what_is_no_photo_is_refused(tmp_path):
    with pytest.raises(InputError, match="H, W, 3"):
        page_of(RunFacts("Looks", sheet=[("a", PHOTO, [PHOTO[0]])]), tmp_path)


def test_the_report_tells_what_there_is(tmp_path):
    page = page_of(RUN, tmp_path)
    for said in (
        "A run &lt;b&gt;", "what &amp; whom", "1,234", "2 h 1 min", "812 MB", "2 cores", "3 photos could not be read.",
        "0.400", "0.350–0.460", "not known", "2 of 3", "2 classes", "confusion.csv", "ann taken for ben: 1",
        "1 first, 2 日本 $x^2$", "The highest OSCR is 0.450, after 6 epochs.", "same = [&#34;side&#34;]",
        "3 individuals",
    ):  # fmt: skip
        assert said.replace("2 of 3", "2 of 3") in page, said
    assert page.count("<figure") == 4
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    assert (tmp_path / "deep" / "confusion.csv").read_text() == RUN.confusions[0].to_csv()
    assert len(set(re.findall(r'\bid="([^"]*)"', page))) == len(re.findall(r'\bid="', page))
    assert page_of(RUN, tmp_path) == page


def test_a_run_without_anything_has_its_page(tmp_path):
    page = page_of(RunFacts("Nothing"), tmp_path)
    assert "Nobody was kept back" in page
    assert "taken for whom" not in page
    assert "<figure" not in page
    assert not list(tmp_path.glob("**/*.csv"))
    nobody = RunFacts(
        "x", confusions=(Confusion.of([], []),), looks=(ClassLooks("a", np.zeros(0, int), np.zeros(0, int)),)
    )
    assert "There was no photo to tell apart" in page_of(nobody, tmp_path)


def test_many_classes_are_shown_in_part_and_each_matrix_has_its_file(tmp_path):
    rng = np.random.default_rng(0)
    true = rng.integers(0, 60, 900).astype(str)
    predicted = np.where(rng.random(900) < 0.7, true, rng.integers(0, 60, 900).astype(str))
    many = Confusion.of(true, predicted)
    right = Confusion.of(["x", "y"], ["x", "y"], "a/b c")
    same = Confusion.of(["x", "y"], ["y", "x"], "é")
    page = page_of(replace(RUN, confusions=(many, right, same, same)), tmp_path)
    assert "the 40 classes that are confused most" in page
    assert "another</span>" in page
    assert "Nobody was taken for another" in page
    files = {path.name for path in tmp_path.glob("**/*.csv")}
    assert files == {"confusion-individual.csv", "confusion-a-b-c.csv", "confusion-3.csv", "confusion-4.csv"}


def test_figures_stand_by_epoch_or_by_step_and_odd_numbers_are_left_out():
    assert [one.title for one in run_figures(FIGURES)] == [
        "On individuals and encounters kept back", "Loss arcface", "Learning rate",
    ]  # fmt: skip
    odd = [("a", 0, 1, "loss", math.nan), ("a", 0, 2, "loss", math.inf)]
    assert run_figures(odd) == run_figures([]) == []
    assert "From 3 to 3" in run_figures([*odd, ("a", 0, 3, "loss", 3.0)])[0].caption
    negative = run_figures([("a", 0, 1, "gain", -1.0), ("a", 0, 2, "gain", -2.0)])
    assert "lowest -2, highest -1" in negative[0].caption


def test_many_steps_make_a_small_figure():
    rows = [("a", 0, step, "loss", 1 / (step + 1)) for step in range(20_000)]
    assert len(run_figures(rows)[0].svg) < 60_000


def test_durations_have_two_units():
    assert [duration(n) for n in (0, 59.6, 3599.4, 3600, 360_000)] == [
        "0 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "100 h 0 min",
    ]  # fmt: skip
