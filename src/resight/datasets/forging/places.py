"""Where the files of a forged set lie, and what its tables say: the shape that the layout `kryptonite` reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from resight.datasets.forging.plan import PARTS, Planned, PlannedPair
from resight.datasets.generated_marks import META
from resight.datasets.written import write_table, write_text

TEST_PHOTOS = "test_public"
"""The folder of the test's pairs."""

_FILES = {"train": "train", "validation": "val", "test": "test"}
_TABLE = ("label", "path", "split", "is_query", "is_gallery")
_PAIRS = ("pair_id", "path_a", "path_b", "same", "kind", "person_a", "person_b")
_ORIGINS = ("path", "person", "kind", "source", "head")


@dataclass(frozen=True)
class Placed:
    """A pair with its name and the places of its photos.

    Args:
        pair_id: its name, unique in its part.
        pair: what is compared.
        paths: of the two photos.
    """

    pair_id: str
    pair: PlannedPair
    paths: tuple[str, str]


def label_of(person: int) -> str:
    """The name of a person in the set."""
    return f"{person:08d}"


def own_places(photos: Sequence[Planned]) -> dict[int, str]:
    """Number of a photo to its path, for all but those of the test, which lie with their pairs."""
    n_of: dict[int, int] = {}
    places = {}
    for photo in photos:
        if photo.part != "test":
            n = n_of[photo.person] = n_of.get(photo.person, -1) + 1
            places[photo.number] = f"{_FILES[photo.part]}/{label_of(photo.person)}/{n}.jpg"
    return places


def placed_pairs(pairs: Sequence[PlannedPair], places: dict[int, str], order: Sequence[int]) -> list[Placed]:
    """The pairs with their names; those of the test are numbered in a drawn order, so that a name says nothing.

    Args:
        pairs: to be compared.
        places: of the photos that do not lie with their pairs.
        order: a permutation of the numbers of the pairs.
    """
    found = []
    n_of = dict.fromkeys(PARTS, -1)
    for pair in (pairs[at] for at in order):
        n_of[pair.part] += 1
        name = f"{n_of[pair.part]:08d}"
        if pair.part == "test":
            paths = (f"{TEST_PHOTOS}/{name}/0.jpg", f"{TEST_PHOTOS}/{name}/1.jpg")
        else:
            paths = (places[pair.a], places[pair.b])
        found.append(Placed(name, pair, paths))
    return found


def every_place(pairs: Sequence[Placed], places: dict[int, str]) -> Iterator[tuple[int, str]]:
    """Number and path of each file; a photo of the test has as many files as it stands in pairs."""
    yield from places.items()
    for one in pairs:
        if one.pair.part == "test":
            yield from zip((one.pair.a, one.pair.b), one.paths, strict=True)


def write_tables(
    out: Path, photos: Sequence[Planned], pairs: Sequence[Placed], persons: Sequence[str], sources: Sequence[str]
) -> None:
    """Write everything but the photos; a table without a row is left out.

    Args:
        out: folder of the set.
        photos: that were written.
        pairs: whose photos were.
        persons: name of each person.
        sources: path of each row of the photos that the set was made from.

    Raises:
        InputError: when the disk refuses.
    """
    places = own_places(photos)
    for part in ("train", "validation"):
        own = [photo for photo in photos if photo.part == part]
        rows = [(label_of(photo.person), places[photo.number], part, None, None) for photo in own]
        _write(out / f"{_FILES[part]}.csv", _TABLE, rows)
        marks = {places[photo.number].split("/", 1)[1]: int(photo.kind is not None) for photo in own}
        if own:
            write_text(json.dumps(marks, indent=0) + "\n", out / _FILES[part] / META)
    tests = [one for one in pairs if one.pair.part == "test"]
    asked = [(one.pair_id, path, "test", at == 0, at == 1) for one in tests for at, path in enumerate(one.paths)]
    _write(out / "test.csv", _TABLE, asked)
    _write(out / "sample_submission.csv", ("pair_id", "similarity"), [(one.pair_id, 1.0) for one in tests])
    by_number = {photo.number: photo for photo in photos}
    for part in ("validation", "test"):
        said = [_said(one, by_number) for one in pairs if one.pair.part == part]
        _write(out / f"{_FILES[part]}_pairs.csv", _PAIRS, said)
    _write(out / "origins.csv", _ORIGINS, _origins(photos, pairs, places, sources))
    part_of = {photo.person: photo.part for photo in photos}
    named = [(label_of(person), persons[person], part) for person, part in sorted(part_of.items())]
    _write(out / "persons.csv", ("label", "name", "split"), named)


def _said(one: Placed, by_number: dict[int, Planned]) -> tuple[object, ...]:
    persons = (label_of(by_number[number].person) for number in (one.pair.a, one.pair.b))
    return (one.pair_id, *one.paths, int(one.pair.same), one.pair.kind, *persons)


def _origins(
    photos: Sequence[Planned], pairs: Sequence[Placed], places: dict[int, str], sources: Sequence[str]
) -> list[tuple[object, ...]]:
    """What each file was made from."""
    files: dict[int, list[str]] = {}
    for number, path in every_place(pairs, places):
        files.setdefault(number, []).append(path)
    return [
        (
            path,
            label_of(photo.person),
            photo.kind,
            sources[photo.source],
            None if photo.head is None else sources[photo.head],
        )
        for photo in photos
        for path in files.get(photo.number, ())
    ]


def _write(file: Path, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    """Write a table, unless it would have no row."""
    if not rows:
        return
    values = zip(*rows, strict=True)
    write_table(pl.DataFrame([pl.Series(name, column) for name, column in zip(columns, values, strict=True)]), file)
