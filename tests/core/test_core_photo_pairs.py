"""Pairs of photos: what is refused, who is on them, and what a column says."""

import numpy as np
import polars as pl
import pytest

from resight.core import Catalogue, PhotoPairs
from resight.errors import CatalogueError, InputError, UnknownNameError


def photos(n=6, **columns):
    names = [f"{row}.jpg" for row in range(n)]
    return Catalogue(pl.DataFrame({"image_id": names, "path": names, **columns}), ".")


def pairs(rows, n=6, **columns):
    ids = columns.pop("pair_id", [f"p{row}" for row in range(len(rows))])
    first, second = ([row[side] for row in rows] for side in (0, 1))
    given = {name: pl.Series(name, values) for name, values in columns.items()}
    schema = {"pair_id": pl.Series("pair_id", ids, dtype=pl.String), "first": pl.Series("first", first, dtype=pl.Int64)}
    return PhotoPairs(photos(n), pl.DataFrame({**schema, "second": pl.Series(second, dtype=pl.Int64), **given}))


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("rows", "columns", "message"),
        [
            (
                [(0, 1), (2, 3)],
                {"pair_id": ["a", "a"]},
                "row 0, column 'pair_id': expected each id once, found 'a' again",
            ),
            ([(0, 1)], {"pair_id": [" "]}, "row 0, column 'pair_id': expected a value, found ' '"),
            ([(0, 1)], {"pair_id": [None]}, "row 0, column 'pair_id': expected a value, found None"),
            ([(0, 1), (1, 6)], {}, "row 1, column 'second': expected the row of one of 6 photos, found 6"),
            ([(-1, 1)], {}, "row 0, column 'first': expected the row of one of 6 photos, found -1"),
            ([(0, 1), (3, 3)], {}, "row 1, column 'second': expected two photos in a pair, found one photo twice"),
            ([(0, 1)], {"kind": [""]}, "row 0, column 'kind': expected a name or null, found ''"),
            ([(0, 1)], {"same": [1]}, "column 'same': expected Boolean, found Int64"),
            (
                [(0, 1)],
                {"same": [True], "person_a": ["Ada"], "person_b": ["Bo"]},
                "row 0, column 'same': expected one person on a pair of one individual, found two",
            ),
            (
                [(0, 1)],
                {"same": [False], "person_a": ["Ada"], "person_b": ["Ada"]},
                "row 0, column 'same': expected two persons on a pair of two individuals, found one: say by a column",
            ),
            (
                [(0, 1), (2, 3), (1, 0)],
                {"same": [True, True, False]},
                "row 0, column 'same': expected one truth of two photos, found two rows that disagree",
            ),
            (
                [(0, 1), (2, 0)],
                {"person_a": ["Ada", "Cy"], "person_b": ["Bo", "Bo"]},
                "row 0, column 'person_a': expected one person on a photo, found several in the rows, here 'Ada'",
            ),
            (
                [(0, 1)],
                {"same": [True], "kind": ["swap"]},
                "row 0, column 'same': expected no forgery on a pair of one individual, found one",
            ),
        ],
    )
    def test_with_row_and_column(self, rows, columns, message):
        with pytest.raises(CatalogueError) as error:
            pairs(rows, **columns)
        assert str(error.value).startswith(message)

    def test_a_forgery_of_a_person_is_not_that_person(self):
        one = {"same": [False], "person_a": ["Ada"], "person_b": ["Ada"]}
        assert pairs([(0, 1)], **one, kind=["swap"]).kinds.tolist() == ["swap"]
        with pytest.raises(CatalogueError, match="what was forged"):
            pairs([(0, 1)], **one, kind=["real"])

    def test_a_column_that_must_be_there(self):
        with pytest.raises(CatalogueError, match="expected a column 'first', found the columns: pair_id"):
            PhotoPairs(photos(), pl.DataFrame({"pair_id": ["a"]}))


class TestPersons:
    def test_names_genuine_pairs_and_strangers(self):
        found = pairs(
            [(0, 1), (1, 2), (3, 4), (0, 5), (2, 5)],
            same=[True, True, False, None, False],
            person_a=["Ada", None, None, None, None],
            person_b=["Ada", None, None, None, None],
        )
        (ada, other), persons = found.persons[0], found.persons
        assert ada == other == persons[1, 0] == persons[1, 1] == persons[3, 0]
        assert len({ada, *persons[2], persons[3, 1]}) == 4  # 3, 4 and 5 are persons of their own
        assert persons[3, 1] == persons[4, 1]

    def test_one_name_is_one_person_wherever_it_stands(self):
        found = pairs([(0, 1), (2, 3)], same=[False, False], person_a=["Ada", "Bo"], person_b=["Bo", "Cy"])
        assert found.persons[0, 1] == found.persons[1, 0]
        assert len(np.unique(found.persons)) == 3

    def test_a_forgery_pretends_to_be_somebody(self):
        found = pairs([(0, 1)], same=[False], kind=["swap"], person_a=["Ada"], person_b=["Ada"])
        assert found.persons[0, 0] == found.persons[0, 1]

    def test_nothing_known_and_no_pair(self):
        assert len(np.unique(pairs([(0, 1), (2, 3)]).persons)) == 4
        assert pairs([]).persons.shape == (0, 2)


class TestColumns:
    def test_of_the_photos_and_of_the_pairs(self):
        frame = pl.DataFrame(
            {"pair_id": ["a", "b", "c"], "first": [0, 1, 2], "second": [1, 2, 3], "light": [1, 2, None]}
        )
        found = PhotoPairs(photos(4, side=["left", "right", "right", None]), frame)
        assert found.column("side").tolist() == ["left / right", "right", ""]
        assert found.column("light").tolist() == ["1", "2", ""]
        with pytest.raises(UnknownNameError, match="Did you mean 'side'"):
            found.column("sides")

    def test_what_cannot_be_a_text(self):
        frame = pl.DataFrame({"pair_id": ["a"], "first": [0], "second": [1], "odd": [[1, 2]]})
        with pytest.raises(InputError, match="plain values"):
            PhotoPairs(photos(), frame).column("odd")


def test_labelled_genuine_and_selected():
    found = pairs([(0, 1), (2, 3), (4, 5)], same=[True, False, None])
    assert found.is_labelled.tolist() == [True, True, False]
    assert found.is_genuine.tolist() == [True, False, False]
    assert found.select(["p2", "p0"]).pair_ids.tolist() == ["p2", "p0"]
    with pytest.raises(UnknownNameError, match="no pair is called 'p7'"):
        found.select(["p7"])


def test_photos_that_no_pair_names_are_left_out():
    found = pairs([(5, 2), (2, 4)]).only_paired()
    assert found.photos.image_ids.tolist() == ["2.jpg", "4.jpg", "5.jpg"]
    assert (found.first.tolist(), found.second.tolist()) == ([2, 0], [0, 1])
    assert found.only_paired() is found
