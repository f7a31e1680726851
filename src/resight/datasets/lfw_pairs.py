"""The pair lists of Labeled Faces in the Wild, `pairs.txt` and `pairsDevTrain.txt`.

The first line says how many folds there are (one where it says nothing) and how many pairs of each kind a fold has.
Then, fold after fold, come the pairs of one person, `name 1 4`, and those of two, `name 1 other 2`; a photo lies at
`name/name_0001.jpg`.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from resight.errors import CatalogueError

__all__ = ["lfw_pairs"]

_LENGTHS = {3: (0, 1, 0, 2), 4: (0, 1, 2, 3)}


def lfw_pairs(file: Path) -> pl.DataFrame:
    """The pairs of such a list: `pair_id`, `path_a`, `path_b` (without suffix), `same`, persons and `fold`.

    Raises:
        CatalogueError: when it is no such list, or has another number of pairs than its first line says; with the
            row, from 0, below the first line.
    """
    head, lines = _lines(file)
    n_folds, n_pairs = (head if len(head) == 2 else (1, *head)) if 1 <= len(head) <= 2 else (0, 0)
    if n_folds < 1 or len(lines) != 2 * n_folds * n_pairs:
        raise CatalogueError(
            f"expected a list of pairs whose first line says how many folds and pairs there are, found {len(lines):,} "
            f"pairs below {' '.join(map(str, head)) or 'nothing'}: give a table with path_a and path_b instead"
        )
    rows = [_row(line, place) for place, line in enumerate(lines)]
    folds = [f"{place // (2 * n_pairs)}" for place in range(len(rows))]
    ids = [f"{place}" for place in range(len(rows))]
    columns = ("person_a", "path_a", "person_b", "path_b")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    same = frame["person_a"] == frame["person_b"]
    return frame.with_columns(pl.Series("pair_id", ids), pl.Series("fold", folds), same.alias("same"))


def _lines(file: Path) -> tuple[tuple[int, ...], list[list[str]]]:
    try:
        lines = [line.split() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        return tuple(map(int, lines[0])) if lines else (), lines[1:]
    except (UnicodeError, ValueError) as error:
        raise CatalogueError(f"expected a list of pairs that begins with numbers, found {error}") from error


def _row(line: list[str], place: int) -> tuple[str, str, str, str]:
    if len(line) not in _LENGTHS:
        raise CatalogueError(f"expected a name and two numbers, or twice both, found {' '.join(line)!r}", row=place)
    one, number, other, last = (line[part] for part in _LENGTHS[len(line)])
    for found in (number, last):
        if not (found.isascii() and found.isdigit()):
            raise CatalogueError(f"expected the number of a photo, found {found!r}", row=place)
    return one, _path(one, number), other, _path(other, last)


def _path(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}"
