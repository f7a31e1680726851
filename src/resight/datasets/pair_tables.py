"""Pairs of photos to verify: tables `path_a,path_b`, folders `<pair_id>/0.jpg, 1.jpg`, queries against galleries.

Who is on a photo is taken from the table, or from the labels of the photos where they agree with it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from resight.core import Catalogue, PhotoPairs
from resight.core.photo_pairs import REAL
from resight.datasets.columns import names
from resight.datasets.contest_tables import require_values, yes_or_no
from resight.datasets.detect import read_catalogue
from resight.datasets.kryptonite import PAIR_ID
from resight.datasets.labelled_rows import told_of
from resight.datasets.lfw_pairs import lfw_pairs
from resight.datasets.photo_paths import relative_to_root
from resight.datasets.table_files import is_table, read_table
from resight.errors import CatalogueError, UnknownNameError

__all__ = ["pairs_of_catalogue", "read_pairs"]

SYNTHETIC = "synthetic"
"""The kind of a pair of which a photo is marked as made, when nothing says how."""

_MEANINGS: dict[str, tuple[str, ...]] = {
    "path_a": ("path_a", "image_a", "photo_a", "path1", "image1"),
    "path_b": ("path_b", "image_b", "photo_b", "path2", "image2"),
    "same": ("same", "label", "is_same"),
    PAIR_ID: (PAIR_ID,),
    "kind": ("kind",),
    "person_a": ("person_a", "identity_a"),
    "person_b": ("person_b", "identity_b"),
    "fold": ("fold",),
}
_TAKEN = (*_MEANINGS, "first", "second")
_LIST = ".txt"
_MOST_PAIRS = 20_000_000


def read_pairs(source: Path | str, photos: Path | str | None = None, labels: Path | str | None = None) -> PhotoPairs:
    """The pairs that a table or a folder describes.

    - A table with the columns `path_a` and `path_b`; `same` (1 or 0, empty where unknown), `pair_id`, `kind`,
      `person_a`, `person_b` and `fold` are understood, further columns are kept. Without `pair_id` a pair is
      called by its row, from 0.
    - A folder of folders `<pair_id>/0.jpg, 1.jpg`, or a kryptonite table that names them.
    - A table with `pair_id` and no paths: what is known of the pairs of such a folder, which `photos` names.
    - A kryptonite table with `is_query` and `is_gallery`: every query against every photo of the gallery.
    - The lists of Labeled Faces in the Wild, `pairs.txt`.

    Args:
        source: the table or the folder.
        photos: the folder of photos; default: the one that the table lies in.
        labels: table of who is on the photos, when it does not lie in the folder of photos.

    Raises:
        CatalogueError: when there are no pairs, a value is wrong, or none of the photos is there; with the row
            and column.
    """
    at = Path(source).expanduser().absolute()
    if not at.exists():
        raise CatalogueError(f"expected pairs of photos at {source}, found nothing there")
    folder, table = Path(photos).expanduser().absolute() if photos else None, labels and Path(labels)
    if not at.is_file():
        if folder is not None:
            raise CatalogueError(f"expected a table of pairs beside the photos of {photos}, found the folder {source}")
        return pairs_of_catalogue(read_catalogue(at, table))
    if at.suffix.lower() == _LIST:
        with told_of(at):
            place = folder or at.parent
            return _of_paths(lfw_pairs(at), _labels_of(place, table or None), place, at, must_agree=False)
    if not is_table(at):
        raise CatalogueError(f"expected a table of pairs (.csv, .tsv, .parquet), pairs.txt or a folder, found {source}")
    with told_of(at):
        return _of_table(at, folder or at.parent, table or None)


def pairs_of_catalogue(catalogue: Catalogue) -> PhotoPairs:
    """The pairs that the columns of a catalogue make: `pair_id`, or else `is_query` and `is_gallery`.

    A pair of which one photo is not there stays: the other is listed when it cannot be read.

    Raises:
        CatalogueError: when there is no pair, one has more than two photos, or there are too many.
    """
    columns = catalogue.frame.columns
    if PAIR_ID in columns and catalogue.frame[PAIR_ID].count():
        return _of_pair_ids(catalogue.select(pl.col(PAIR_ID).is_not_null()))
    if {"is_query", "is_gallery"} <= {*columns}:
        return _of_marks(catalogue)
    raise CatalogueError(
        f"expected pairs of photos in {catalogue.root}, a table with the columns path_a and path_b or folders "
        f"<{PAIR_ID}>/0.jpg and 1.jpg, found neither"
    )


def _of_table(table: Path, photos: Path, labels: Path | None) -> PhotoPairs:
    raw = read_table(table)
    plain = {name.strip().lower(): name for name in reversed(raw.columns)}
    found = {meaning: plain[name] for meaning, known in _MEANINGS.items() for name in known[::-1] if name in plain}
    if {"path_a", "path_b"} <= found.keys():
        known = _labels_of(photos, labels)
        return _of_paths(_told(raw, found), known, photos, table, must_agree=labels is not None)
    if PAIR_ID in found and "path" not in plain:
        told = _told(raw, found)
        return _joined(told, pairs_of_catalogue(read_catalogue(photos, labels)))
    if {"label", "path", "split"} <= plain.keys():
        return pairs_of_catalogue(read_catalogue(photos, table))
    raise CatalogueError(f"expected the columns path_a and path_b, or {PAIR_ID}, found: {', '.join(raw.columns)}")


def _told(raw: pl.DataFrame, found: dict[str, str]) -> pl.DataFrame:
    """What a table says of its pairs, in our columns; further ones as they came."""
    for meaning in ("path_a", "path_b", PAIR_ID):
        if meaning in found:
            require_values(raw, found[meaning], "a pair of photos, each by its path and the pair by its id")
    known = {
        meaning: raw.select(names(pl.col(name).cast(pl.String)).alias(meaning)).to_series()
        for meaning, name in found.items()
    }
    if "same" in found:
        known["same"] = yes_or_no(raw, found["same"]).alias("same")
    known.setdefault(PAIR_ID, pl.Series(PAIR_ID, [f"{row}" for row in range(raw.height)], dtype=pl.String))
    marks = next((name for name in raw.columns if name.strip().lower() == "is_synthetic"), None)
    if "kind" not in known and marks is not None:
        is_made = yes_or_no(raw, marks).alias("kind")
        known["kind"] = is_made.to_frame().select(_kind(pl.col("kind")).alias("kind")).to_series()
    further = [raw[name] for name in raw.columns if name not in found.values() and name not in _TAKEN]
    return pl.DataFrame([*known.values(), *further])


def _kind(is_made: pl.Expr) -> pl.Expr:
    return pl.when(is_made).then(pl.lit(SYNTHETIC)).when(~is_made).then(pl.lit(REAL))


def _labels_of(photos: Path, labels: Path | None) -> Catalogue | None:
    """What is known of the photos, or None where nothing says anything of them."""
    if labels is not None:
        return read_catalogue(photos, labels)
    try:
        return read_catalogue(photos)
    except (CatalogueError, UnknownNameError):
        return None  # nothing is known of the photos, which the table of pairs does not need


def _of_paths(
    told: pl.DataFrame, known: Catalogue | None, photos: Path, table: Path, *, must_agree: bool
) -> PhotoPairs:
    if not photos.is_dir():
        raise CatalogueError(
            f"expected a folder of photos, found {'a file' if photos.exists() else 'nothing'} in {photos}"
        )
    paths = _places(told, photos, table)
    distinct = paths.unique(maintain_order=True)
    rows = paths.replace_strict(distinct, pl.int_range(len(distinct), eager=True), return_dtype=pl.Int64)
    sides = [rows[: told.height].alias("first"), rows[told.height :].alias("second")]
    alone = (sides[0] == sides[1]).arg_true()
    if len(alone):
        raise CatalogueError("expected two photos in a pair, found one photo twice", row=int(alone[0]), column="path_b")
    catalogue = _catalogue_of(distinct, known, photos)
    frame = told.drop("path_a", "path_b").with_columns(sides)
    return PhotoPairs(catalogue, _with_persons(_with_kind(frame, catalogue), catalogue, must_agree=must_agree))


def _places(told: pl.DataFrame, photos: Path, table: Path) -> pl.Series:
    """(2P,) where the first photos of all pairs lie, and then the second ones, relative to the folder of photos."""
    named = pl.concat([told["path_a"], told["path_b"].alias("path_a")]).alias("path_a and path_b")
    try:
        return relative_to_root(named, photos, table).alias("path")
    except CatalogueError as error:
        if error.row is None:
            raise
        side = "path_a" if error.row < told.height else "path_b"
        reason = str(error).partition(": ")[2]
        raise CatalogueError(reason, row=error.row % told.height, column=side) from error


def _catalogue_of(paths: pl.Series, known: Catalogue | None, photos: Path) -> Catalogue:
    """The photos of some paths, with what is known of those that are known once; called by their paths."""
    frame = pl.DataFrame([paths, paths.alias("image_id")])
    if known is None:
        return Catalogue(frame, photos.resolve())
    once = known.frame.filter(~pl.col("path").is_duplicated()).drop("image_id", PAIR_ID, strict=False)
    return Catalogue(frame.join(once, on="path", how="left", maintain_order="left"), photos.resolve())


def _with_kind(frame: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """The kind of each pair by the marks of its photos, where the table says nothing of kinds."""
    if "kind" in frame.columns or "is_synthetic" not in catalogue.frame.columns:
        return frame
    marks = catalogue.frame["is_synthetic"].cast(pl.Boolean, strict=False)
    first, second = (marks.gather(frame[side]) for side in ("first", "second"))
    return frame.with_columns((first | second).alias("kind")).with_columns(_kind(pl.col("kind")).alias("kind"))


def _with_persons(frame: pl.DataFrame, catalogue: Catalogue, *, must_agree: bool) -> pl.DataFrame:
    """Who is on each photo: as the table says, and then whether they are the same; or as the photos' labels say."""
    if {"person_a", "person_b"} <= {*frame.columns}:
        met = pl.col("person_a") == pl.col("person_b")
        is_real = pl.col("kind").fill_null(REAL) == REAL if "kind" in frame.columns else pl.lit(value=True)
        return frame if "same" in frame.columns else frame.with_columns((met & is_real).alias("same"))
    who = catalogue.frame["identity"]
    sides = {"person_a": who.gather(frame["first"]), "person_b": who.gather(frame["second"])}
    named = frame.with_columns(**sides)
    return named if must_agree or _agree(named) else frame


def _agree(named: pl.DataFrame) -> bool:
    """Whether labels that were found by the way say the same as the table; folders need not be persons."""
    if "same" not in named.columns:
        return True
    met = pl.col("person_a") == pl.col("person_b")
    forged = pl.col("kind").fill_null(REAL) != REAL if "kind" in named.columns else pl.lit(value=False)
    other = (pl.col("same") & ~met) | (~pl.col("same") & met & ~forged)
    return not named.select(other.fill_null(False).any()).item()


def _joined(told: pl.DataFrame, pairs: PhotoPairs) -> PhotoPairs:
    """The pairs of a folder that a table speaks of, in its order, with what it says."""
    chosen = pairs.select(told[PAIR_ID].to_list())
    sides = chosen.frame.select("first", "second", *(["kind"] if "kind" not in told.columns else []))
    frame = pl.concat([told, sides], how="horizontal")
    return PhotoPairs(pairs.photos, _with_persons(frame, pairs.photos, must_agree=False)).only_paired()


def _of_pair_ids(photos: Catalogue) -> PhotoPairs:
    sizes = photos.frame.group_by(PAIR_ID, maintain_order=True).agg(pl.len().alias("n"), pl.col("path"))
    many = sizes.filter(pl.col("n") > 2)
    if many.height:
        raise CatalogueError(f"expected two photos in the pair '{many[PAIR_ID][0]}', found {many['n'][0]}")
    alone = sizes.filter(pl.col("n") == 1)
    lacking = pl.Series("path", [_partner(found[0]) for found in alone["path"].to_list()], dtype=pl.String)
    added = pl.DataFrame([lacking, lacking.alias("image_id"), alone[PAIR_ID]])
    whole = Catalogue(pl.concat([photos.frame, added], how="diagonal"), photos.root)
    rows = whole.frame.select(PAIR_ID, "path", pl.int_range(pl.len()).alias("row")).sort(PAIR_ID, "path")
    pairs = rows.group_by(PAIR_ID, maintain_order=True).agg(
        pl.col("row").first().alias("first"), pl.col("row").last().alias("second")
    )
    return PhotoPairs(whole, _with_kind(pairs, whole))


def _partner(path: str) -> str:
    """The path that the other photo of a pair would have."""
    stem, dot, suffix = path.rpartition(".")
    start, number = (stem[:-1], stem[-1:]) if dot else (f"{path}/", "")
    return f"{start}{'1' if number == '0' else '0'}{dot}{suffix if dot else ''}"


def _of_marks(catalogue: Catalogue) -> PhotoPairs:
    """Every query against every photo of the gallery, each two photos once."""
    asked, answering = (
        np.flatnonzero(catalogue.frame[name].fill_null(False).to_numpy()) for name in ("is_query", "is_gallery")
    )
    if not len(asked) or not len(answering):
        raise CatalogueError(
            f"expected queries and a gallery to pair (is_query, is_gallery), found {len(asked)} and {len(answering)}"
        )
    if len(asked) * len(answering) > _MOST_PAIRS:
        raise CatalogueError(
            f"expected at most {_MOST_PAIRS:,} pairs of queries and gallery, found {len(asked) * len(answering):,}: "
            "write those that matter into a table path_a,path_b"
        )
    both = np.stack([np.repeat(asked, len(answering)), np.tile(answering, len(asked))], axis=1)
    both = np.unique(np.sort(both[both[:, 0] != both[:, 1]], axis=1), axis=0)
    ids, who = catalogue.frame["image_id"], catalogue.frame["identity"]
    sides = [pl.Series("first", both[:, 0]), pl.Series("second", both[:, 1])]
    (first, second) = (ids.gather(side) for side in sides)
    frame = pl.DataFrame([*sides, (first + "|" + second).alias(PAIR_ID)])
    persons = [who.gather(side).alias(name) for name, side in zip(("person_a", "person_b"), sides, strict=True)]
    return PhotoPairs(
        catalogue, _with_persons(_with_kind(frame.with_columns(persons), catalogue), catalogue, must_agree=True)
    ).only_paired()
