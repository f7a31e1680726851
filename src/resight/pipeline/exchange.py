"""Taking a catalogue out, in the format of another system."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from resight import registry
from resight.core import Catalogue
from resight.datasets.capture_history import CaptureHistoryExport
from resight.errors import InputError, UnknownNameError
from resight.protocols import Export
from resight.store import CatalogueStore

HISTORY = "capture-history"
_OF_THE_STORE = "content"


@dataclass(frozen=True)
class Exported:
    """What was taken out.

    Args:
        format: its name.
        path: the file or folder.
        n_photos: rows of the catalogue.
        n_identities: individuals with a name.
        notes: sentences on what would not come back as it is, or what the other system asks for.
    """

    format: str
    path: str
    n_photos: int
    n_identities: int
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return asdict(self)


def export_catalogue(
    catalogue: str | Path | Catalogue,
    format_name: str,
    out: str | Path,
    *,
    overwrite: bool = False,
    occasions: str | None = None,
    group: str | None = None,
) -> Exported:
    """Write a catalogue, with all edits of names, in the format of another system.

    Where a person said whom a photo does not show, of whom nobody can tell, or that it is too poor, the columns
    `rejected`, `unsure` (lists of names, as JSON) and `poor` ("true") say so. Photos are not copied: their paths are
    relative to the catalogue's root, so that the file is read again with  resight index ROOT --labels FILE.

    Args:
        catalogue: one on disk, or the rows themselves.
        format_name: "csv", "wildlife", "coco", "wildbook", "camtrap", or that of a plug-in; or "capture-history", which
            is not read again: who was met on which occasion, as `CaptureHistoryExport` says.
        out: the file, or the folder for "camtrap".
        overwrite: replace what is there.
        occasions: of capture histories: "day", "month" (as None), "year" or "encounter".
        group: of capture histories: column whose value is an individual's group.

    Raises:
        UnknownNameError: when there is no such format, kind of occasion or column.
        InputError: when the catalogue is empty, something is there already, or the disk refuses.
        StoreError: when there is no catalogue.
    """
    export = _export(format_name, occasions, group)
    rows = catalogue if isinstance(catalogue, Catalogue) else _with_judgements(CatalogueStore.open(catalogue))
    if not len(rows):
        raise InputError(f"expected photos in the catalogue {catalogue}, found none: index some first")
    place = Path(out)
    _refuse_existing(place, is_folder=not export.suffix, overwrite=overwrite)
    rows = Catalogue(rows.frame.drop(_OF_THE_STORE, strict=False), rows.root)
    notes = export.write(rows, place)
    if rows.root.is_dir() and format_name != HISTORY:
        notes = (*notes, f"read it again with  resight index {rows.root} --labels {place}")
    return Exported(format_name, str(place), len(rows), rows.n_identities, notes)


def _with_judgements(store: CatalogueStore) -> Catalogue:
    """The photos with what was said of them besides their names."""
    photos, labels = store.catalogue(), store.labels()
    of_each = [labels[image_id] for image_id in photos.frame["image_id"]]
    told = {
        "rejected": [_listed(label.rejected) for label in of_each],
        "unsure": [_listed(label.unsure) for label in of_each],
        "poor": ["true" if label.poor else None for label in of_each],
    }
    said = [pl.Series(name, texts, dtype=pl.String) for name, texts in told.items() if any(texts)]
    return Catalogue(photos.frame.with_columns(said), photos.root)


def _listed(names: Sequence[str]) -> str | None:
    return json.dumps(names, ensure_ascii=False) if names else None


def _export(format_name: str, occasions: str | None, group: str | None) -> Export:
    if format_name == HISTORY:
        return CaptureHistoryExport(occasions or "month", group)
    if occasions is not None or group is not None:
        raise InputError(f"expected occasions and groups of {HISTORY} only, found them with {format_name}")
    try:
        export: Export = registry.get("exports", format_name)()
    except UnknownNameError as error:
        raise UnknownNameError("export", format_name, [*error.known, HISTORY]) from None
    return export


def _refuse_existing(out: Path, *, is_folder: bool, overwrite: bool) -> None:
    if is_folder and out.is_file():
        raise InputError(f"expected a folder to write to, found the file {out}")
    if not is_folder and out.is_dir():
        raise InputError(f"expected the name of a file to write, found the folder {out}")
    there = any(out.iterdir()) if out.is_dir() else out.exists()
    if there and not overwrite:
        raise InputError(f"expected nothing at {out} yet, found something: give another name, or --overwrite")
