"""`score_files`: every layout to its figure, every fault of a file to one sentence."""

import json
import math

import numpy as np
import pytest

from oracles import measures as oracle
from resight.core import Estimate
from resight.errors import CatalogueError, InputError, UnknownNameError
from resight.evaluate import METRICS, Score, eer, score_files


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Writes truth and prediction and gives their names, relative so that messages can be told word for word."""
    monkeypatch.chdir(tmp_path)

    def write(truth, prediction):
        for name, content in (("truth.csv", truth), ("pred.csv", prediction)):
            (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return "truth.csv", "pred.csv"

    return write


def table(header, *rows):
    return "\n".join([header, *rows]) + "\n"


WHALES = (
    table("image,individual_id", "1.jpg,w_1", "2.jpg,w_2", "3.jpg,new_individual", "4.jpg,w_1"),
    table("image,predictions", "4.jpg,a b c d w_1", "3.jpg,w_1 new_individual", "2.jpg,w_1 w_1", "1.jpg,w_1 w_1 w_2"),
)
PAIRS = (
    table("pair_id,label", "1,1", "2,1", "3,1", "4,0", "5,0", "6,0", "7,0"),
    table("pair_id,similarity", "1,.9", "2,.6", "3,.2", "4,.7", "5,.5", "6,.3", "7,.1"),
)
ANIMALS = (
    table("image_id,identity", "1,a", "2,a", "3,b", "4,new_individual", "5,new_individual"),
    table("image_id,identity", "1,a", "2,b", "3,b", "4,new_individual", "5,a"),
)
LANDMARKS = (
    table(
        "id,landmark_id",
        "001,123",
        "002,",
        "003,999",
        "004,1",
        "005,999",
        "006,2",
        "007,666",
        "008,666",
        "009,",
        "010,666",
    ),
    table(
        "id,landmarks",
        "001,123 0.15",
        "002,123 0.10",
        "003,999 0.30",
        "004,",
        "005,999 0.40",
        "006,",
        "007,555 0.60",
        "008,666 0.70",
        "009,",
        "010,666 0.99",
    ),
)
CLUSTERS = (
    table("image_id,identity", "1,a", "2,a", "3,b", "4,b", "5,c"),
    table("image_id,cluster", "1,x", "2,x", "3,x", "4,y", "5,z"),
)
EVERY = {
    "map@5": WHALES,
    "map@1": WHALES,
    "gap": LANDMARKS,
    "eer": PAIRS,
    "accuracy": ANIMALS,
    "baks-baus": ANIMALS,
    "ari": CLUSTERS,
}


class TestFigures:
    def test_map(self, files):
        score = score_files("map@5", *files(*WHALES))
        assert score.estimate.value == (1 + 0 + 1 / 2 + 1 / 5) / 4
        assert score.variants == pytest.approx({"map@1": 1 / 4, "known": 1.2 / 3, "new": 1 / 2})
        assert (score.n, score.unit, score.estimate.n) == (4, "individuals", 3)

    def test_map_of_any_k(self, files):
        assert score_files("map@1", *files(*WHALES)).to_json()["map@1"] == 0.25
        assert score_files("map@2", *files(*WHALES)).estimate.value == (1 + 0 + 1 / 2 + 0) / 4

    def test_map_of_humpbacks(self, files):
        truth = table("Image,Id", "a.jpg,new_whale", "b.jpg,w_1")
        assert (
            score_files("map@5", *files(truth, table("Image,Id", "a.jpg,new_whale w_1", "b.jpg,new_whale w_1"))).n == 2
        )

    def test_gap(self, files):
        score = score_files("gap", *files(*LANDMARKS))
        assert score.estimate.value == pytest.approx(0.5479166667, abs=1e-10)
        assert set(score.variants) == {"landmarks_only", "ties_against"}
        assert score.unit == "landmarks"

    def test_gap_of_nothing_shown_and_nothing_said_is_not_a_hit(self, files):
        found = score_files("gap", *files("id,landmark_id\n1,\n2,a\n3,\n", "id,landmarks\n1,\n2,a 0.5\n3,\n"))
        assert (found.estimate.value, found.estimate.low, found.estimate.high) == (1, 1, 1)

    def test_eer(self, files):
        score = score_files("eer", *files(*PAIRS))
        assert score.estimate.value == pytest.approx(1 / 3)
        wanted = {"sklearn": 1 / 3, "full": 1 / 3, "mean": 0.291667, "interpolated": 1 / 3}
        assert score.variants == pytest.approx(wanted, abs=1e-6)

    @pytest.mark.parametrize(
        ("column", "marks"),
        [
            ("is_synthetic", ["", "", "no", "False", "0", "yes", "TRUE"]),
            ("kind", ["", "", "x", *["real"] * 2, "fake", "synthetic"]),
        ],
    )
    def test_eer_against_people_and_against_fakes(self, files, column, marks):
        lines = PAIRS[0].split()[1:]
        truth = table(f"pair_id,label,{column}", *(f"{line},{mark}" for line, mark in zip(lines, marks, strict=True)))
        variants = score_files("eer", *files(truth, PAIRS[1])).variants
        assert variants["eer_real"] == eer([0.9, 0.6, 0.2], [0.7, 0.5])
        assert variants["eer_fake"] == eer([0.9, 0.6, 0.2], [0.3, 0.1])

    def test_eer_against_each_of_several_kinds(self, files):
        kinds = ["", "", "swap", "real", "real", "swap", "warp"]
        lines = PAIRS[0].split()[1:]
        truth = table("pair_id,label,kind", *(f"{line},{kind}" for line, kind in zip(lines, kinds, strict=True)))
        variants = score_files("eer", *files(truth, PAIRS[1])).variants
        assert variants["eer_fake"] == eer([0.9, 0.6, 0.2], [0.3, 0.1])
        assert {name for name in variants if ":" in name} == {"eer:swap", "eer:warp"}
        assert variants["eer:swap"] == eer([0.9, 0.6, 0.2], [0.3])
        assert variants["eer:warp"] == eer([0.9, 0.6, 0.2], [0.1])

    def test_eer_without_fakes_is_null(self, files):
        truth = table("pair_id,label,kind", "1,1,real", "2,0,real")
        found = score_files("eer", *files(truth, table("pair_id,similarity", "1,2", "2,1"))).to_json()
        assert (found["eer"], found["variants"]["eer_real"], found["variants"]["eer_fake"]) == (0, 0, None)

    def test_accuracy(self, files):
        score = score_files("accuracy", *files(*ANIMALS))
        assert score.estimate.value == 3 / 5
        assert score.variants == pytest.approx({"known": 2 / 3, "new": 1 / 2})
        assert score.estimate.n == 4  # a, b and two strangers, who are not one individual

    def test_baks_baus(self, files):
        score = score_files("baks-baus", *files(*ANIMALS))
        assert score.variants == {"baks": 0.75, "baus": 0.5}
        assert score.estimate.value == pytest.approx(math.sqrt(0.75 * 0.5))

    def test_baks_baus_of_named_strangers_and_data_sets(self, files):
        truth = table("image_id,identity,known,dataset", "1,a,yes,x", "2,z,no,x", "3,z,no,x", "4,y,no,x", "5,b,yes,w")
        guess = table("image_id,identity", "1,a", "2,new_individual", "3,z", "4,new_individual", "5,b")
        score = score_files("baks-baus", *files(truth, guess))
        assert score.estimate.value == pytest.approx(math.sqrt(0.75) / 2)  # data set w has no strangers: 0
        assert score.variants["baus:x"] == 0.75
        assert score.to_json()["variants"]["baus:w"] is None
        assert score_files("accuracy", *files(truth, guess)).estimate.value == 4 / 5

    def test_ari(self, files):
        score = score_files("ari", *files(*CLUSTERS))
        assert score.estimate.value == pytest.approx(oracle.adjusted_rand("aabbc", "xxxyz"))
        assert (score.variants["n_individuals"], score.variants["n_clusters"]) == (3, 3)

    def test_perfect_clusters_stay_perfect_when_resampled(self, files):
        score = score_files("ari", *files(CLUSTERS[0], CLUSTERS[0].replace("identity", "cluster")), n_resamples=50)
        assert (score.estimate.low, score.estimate.high) == (1, 1)


@pytest.mark.parametrize("metric", EVERY)
class TestEveryMetric:
    def test_interval_and_strict_json(self, files, metric):
        score = score_files(metric, *files(*EVERY[metric]), n_resamples=100)
        found = json.loads(json.dumps(score.to_json(), allow_nan=False))
        assert next(iter(found)) == metric
        low, high = found["interval"]
        assert low <= found[metric] <= high
        assert found["n"] == len(EVERY[metric][0].splitlines()) - 1
        assert found["level"] == 0.95
        assert str(score).startswith(metric)

    def test_seed_decides_the_interval_and_row_order_nothing(self, files, metric):
        truth, guess = EVERY[metric]
        header, *rows = guess.splitlines()
        found = [
            score_files(metric, *files(truth, content), n_resamples=50, seed=5).to_json()
            for content in (guess, guess, table(header, *sorted(rows, reverse=True)))
        ]
        assert found[0] == found[1] == found[2]

    def test_excel_files(self, files, metric):
        truth, guess = (b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode() for content in EVERY[metric])
        plain = score_files(metric, *files(*EVERY[metric]), n_resamples=0).to_json()
        assert score_files(metric, *files(truth + b"\r\n", guess), n_resamples=0).to_json() == plain
        tabs = [content.replace(",", "\t").replace("\n", " \n") for content in EVERY[metric]]
        assert score_files(metric, *files(*tabs), n_resamples=0).to_json() == plain

    def test_missing_extra_and_doubled_ids_are_refused(self, files, metric):
        truth, guess = EVERY[metric]
        header, *rows = guess.splitlines()
        with pytest.raises(InputError, match="found none for 1 of them"):
            score_files(metric, *files(truth, table(header, *rows[1:])))
        with pytest.raises(CatalogueError, match=r"expected only ids of truth\.csv, found 'zz' in pred\.csv"):
            score_files(metric, *files(truth, table(header, *rows, "zz" + rows[0][rows[0].index(",") :])))
        with pytest.raises(CatalogueError, match="expected each id once"):
            score_files(metric, *files(truth, table(header, *rows, rows[0])))
        with pytest.raises(CatalogueError, match="expected each id once"):
            score_files(metric, *files(truth + truth.splitlines()[1] + "\n", guess))

    def test_no_rows_and_no_column(self, files, metric):
        truth, guess = EVERY[metric]
        with pytest.raises(InputError, match=r"expected at least one row, found none in pred\.csv"):
            score_files(metric, *files(truth, table(guess.splitlines()[0])))
        with pytest.raises(InputError, match=r"found the columns a, b in pred\.csv"):
            score_files(metric, *files(truth, "a,b\n1,2\n"))


def test_table_of_metrics_is_what_the_tests_cover():
    assert set(METRICS) == set(EVERY) - {"map@1"}


def test_ids_keep_their_leading_zeros(files):
    truth = table("image_id,identity", "007,01", "7,1")
    assert score_files("accuracy", *files(truth, table("image_id,identity", "7,1", "007,1"))).estimate.value == 0.5


def test_an_individual_that_looks_like_a_number_or_null_is_a_name(files):
    truth = table("image_id,identity", "a,NaN", "b,null", "c,1e3")
    assert score_files("accuracy", *files(truth, truth)).estimate.value == 1


def test_quoted_cells(files):
    truth = table("image_id,identity", '"a, b","x ""y"" z"')
    assert score_files("accuracy", *files(truth, truth)).estimate.value == 1


def test_interval_is_over_individuals(files):
    # ten photos each of two individuals: one all right, one all wrong
    rows = [(f"{name}{i}", name) for name in "ab" for i in range(10)]
    truth = table("image_id,identity", *(f"{photo},{name}" for photo, name in rows))
    found = score_files("accuracy", *files(truth, table("image_id,identity", *(f"{photo},a" for photo, _ in rows))))
    assert (found.estimate.low, found.estimate.high, found.estimate.n) == (0, 1, 2)


def test_one_individual_has_no_interval(files):
    truth = table("image_id,identity", "1,a", "2,a")
    found = score_files("accuracy", *files(truth, truth)).to_json()
    assert (found["accuracy"], found["interval"], found["n_individuals"]) == (1, [None, None], 1)


def test_eer_interval_as_from_whole_resamples(files):
    rng = np.random.default_rng(0)
    genuine, impostor = rng.integers(3, 12, 30), rng.integers(0, 9, 40)  # with many ties
    labels, scores = [1] * 30 + [0] * 40, [*genuine.tolist(), *impostor.tolist()]
    truth = table("pair_id,label", *(f"{i},{label}" for i, label in enumerate(labels)))
    guess = table("pair_id,similarity", *(f"{i},{score}" for i, score in enumerate(scores)))
    found = score_files("eer", *files(truth, guess), n_resamples=40, seed=2).estimate
    draw, values = np.random.default_rng(2), []
    for _ in range(40):
        others, own = draw.integers(0, 40, 40), draw.integers(0, 30, 30)
        values.append(eer(genuine[own], impostor[others]))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_json_holds_no_nan():
    score = Score("gap", Estimate(math.nan, math.nan, math.nan, n=0), n=2, unit="landmarks", variants={"x": math.inf})
    assert score.to_json() == {
        "gap": None,
        "interval": [None, None],
        "level": 0.95,
        "n": 2,
        "n_landmarks": 0,
        "variants": {"x": None},
    }


def fault(metric, paths, **options):
    with pytest.raises((InputError, UnknownNameError)) as caught:
        score_files(metric, *paths, **options)
    return str(caught.value)


class TestFaults:
    def test_unknown_metric(self, files):
        paths = files(*PAIRS)
        assert fault("ear", paths) == (
            "no metric is called 'ear'. Did you mean 'eer'? Known: accuracy, ari, baks-baus, eer, gap, map@5."
        )
        assert "Did you mean 'map@5'" in fault("map5", paths)
        assert "Did you mean 'map@5'" in fault("map@-1", paths)

    def test_k_of_nothing(self, files):
        assert fault("map@0", files(*WHALES)) == "expected k of at least 1, found 0"

    def test_wrong_options(self, files):
        assert "found -1 and 0.95" in fault("eer", files(*PAIRS), n_resamples=-1)
        assert "found 1000 and 1" in fault("eer", files(*PAIRS), level=1)

    def test_no_file_and_a_folder(self, files, tmp_path):
        files(*PAIRS)
        wanted = "expected a CSV or TSV file, found none that can be read at nowhere.csv: No such file or directory"
        assert fault("eer", ("truth.csv", "nowhere.csv")) == wanted
        assert "Is a directory" in fault("eer", (tmp_path, "pred.csv"))

    @pytest.mark.parametrize(
        "content",
        [b"", "pair_id,similarity\nä,1\n".encode("utf-16"), b"pair_id,similarity\n1,2,3\n", b'pair_id,x\n"1,2\n'],
    )
    def test_no_table(self, files, content):
        assert fault("eer", files(PAIRS[0], content)).startswith(
            "expected a CSV or TSV table in UTF-8, found something else in pred.csv: "
        )

    def test_doubled_column(self, files):
        wanted = "expected each column once, found 'label' twice in truth.csv"
        assert fault("eer", files("pair_id,label,label\n1,1,0\n", PAIRS[1])) == wanted

    def test_wrong_columns(self, files):
        assert fault("eer", files(PAIRS[0], "pair,similarity\n1,2\n")) == (
            "expected a column 'pair_id', found the columns pair, similarity in pred.csv"
        )
        assert fault("map@5", files(WHALES[0], "image,labels\n1,2\n")) == (
            "expected a column 'predictions' or 'Id', found the columns image, labels in pred.csv"
        )

    def test_missing_ids(self, files):
        assert fault("eer", files(PAIRS[0], table("pair_id,similarity", "1,.9", "3,.2", "4,.7", "5,.5", "6,.3"))) == (
            "expected an answer for each of the 7 ids of truth.csv, found none for 2 of them, "
            "the first '2', in pred.csv"
        )

    def test_doubled_id(self, files):
        assert fault("eer", files(PAIRS[0], PAIRS[1] + "3,.5\n")) == (
            "row 7, column 'pair_id': expected each id once, found '3' again in pred.csv"
        )

    def test_empty_id(self, files):
        assert fault("eer", files(PAIRS[0], PAIRS[1] + ",.5\n")) == (
            "row 7, column 'pair_id': expected an id, found nothing in pred.csv"
        )

    @pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-inf", "high", "1_000", "0,5", "1e999", "٣"])
    def test_similarity_that_is_no_number(self, files, text):
        guess = PAIRS[1].replace("3,.2", f'3,"{text}"')
        wanted = f"row 2, column 'similarity': expected a finite number, found '{text}' in pred.csv"
        assert fault("eer", files(PAIRS[0], guess)) == wanted

    def test_row_is_that_of_the_file_with_blank_lines_counted(self, files):
        guess = PAIRS[1].replace("2,.6\n3,.2", "2,.6\n\n3,x")
        assert fault("eer", files(PAIRS[0], guess)).startswith("row 3, column 'similarity'")

    def test_similarity_missing(self, files):
        wanted = "row 2, column 'similarity': expected a value, found nothing in pred.csv"
        assert fault("eer", files(PAIRS[0], PAIRS[1].replace("3,.2", "3,"))) == wanted

    def test_wrong_label_and_one_kind_of_pair(self, files):
        wanted = "row 0, column 'label': expected 1 for one individual or 0 for two, found 'yes' in truth.csv"
        assert fault("eer", files(PAIRS[0].replace("1,1", "1,yes", 1), PAIRS[1])) == wanted
        wanted = "expected pairs with the labels 0 and 1, found only 1 in truth.csv"
        assert fault("eer", files(PAIRS[0].replace(",0", ",1"), PAIRS[1])) == wanted

    def test_wrong_mark_of_a_fake(self, files):
        truth = table("pair_id,label,is_synthetic", "1,1,", "2,0,maybe")
        assert fault("eer", files(truth, table("pair_id,similarity", "1,2", "2,1"))) == (
            "row 1, column 'is_synthetic': expected one of 1, true, yes, 0, false, no, found 'maybe' in truth.csv"
        )
        of_kinds = truth.replace("is_synthetic", "kind")
        for wrong, found in (("", "nothing"), ("Real", "'Real'"), ("reel", "'reel'")):
            assert fault("eer", files(of_kinds.replace("maybe", wrong), table("pair_id,similarity", "1,2", "2,1"))) == (
                f"row 1, column 'kind': expected 'real' or the kind of forgery, found {found} in truth.csv"
            )

    def test_more_labels_than_the_files_may_hold(self, files):
        guess = WHALES[1].replace("a b c d w_1", "a b c d w_1 e")
        wanted = (
            "row 0, column 'predictions': expected at most 5 labels with blanks between, "
            "found 'a b c d w_1 e' in pred.csv"
        )
        assert fault("map@5", files(WHALES[0], guess)) == wanted
        assert fault("map@1", files(WHALES[0], guess)) == wanted
        assert score_files("map@6", *files(WHALES[0], guess)).n == 4

    def test_no_labels(self, files):
        guess = WHALES[1].replace("a b c d w_1", " ")
        wanted = "row 0, column 'predictions': expected a value, found nothing in pred.csv"
        assert fault("map@5", files(WHALES[0], guess)) == wanted

    def test_two_tokens_for_new(self, files):
        guess = WHALES[1].replace("new_individual", "new_whale")
        assert fault("map@5", files(WHALES[0], guess)) == (
            "expected one token for new individuals, found 'new_individual' and 'new_whale' "
            "in truth.csv and pred.csv: write the same in both"
        )

    @pytest.mark.parametrize("text", ["123", "123 high", "123 nan", "123 0.1 999 0.2", "123 inf"])
    def test_wrong_landmark(self, files, text):
        guess = LANDMARKS[1].replace("123 0.15", text)
        assert fault("gap", files(LANDMARKS[0], guess)) == (
            "row 0, column 'landmarks': expected \"<label> <score>\" with a finite score, or nothing, "
            f"found '{text}' in pred.csv"
        )

    def test_clusters_of_nameless_strangers(self, files):
        truth = CLUSTERS[0].replace("5,c", "5,new_individual")
        assert "found 'new_individual' in truth.csv" in fault("ari", files(truth, CLUSTERS[1]))

    def test_unlabelled_truth(self, files):
        wanted = "row 4, column 'identity': expected a value, found nothing in truth.csv"
        assert fault("accuracy", files(ANIMALS[0].replace("5,new_individual", "5,"), ANIMALS[1])) == wanted
