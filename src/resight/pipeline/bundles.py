"""The bundle of a catalogue: kept in it, so that it answers the same after every upgrade."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from resight.datasets.precomputed import is_external
from resight.embed import Bundle, bundle_path, shipped_bundles
from resight.errors import StoreError
from resight.store import CatalogueStore

_FOLDER = "models"


def model_of(store: CatalogueStore, model: str | Path | None) -> str:
    """The fingerprint of the model asked for, as `external_model_of` or else `bundle_for` finds it.

    Raises:
        UnknownNameError: when there is no such model.
        InputError: when what lies there is not a bundle.
    """
    return external_model_of(store, model) or bundle_for(store, model).model_id


def external_model_of(store: CatalogueStore, model: str | Path | None) -> str | None:
    """The model asked for, or the first one of the catalogue, when its vectors were made elsewhere; else None."""
    known = [one.name for one in store.models()]
    asked = known[:1] if model is None else [name for name in known if str(model) in (name, name.partition("@")[0])]
    return next((name for name in asked if is_external(name)), None)


def bundle_for(store: CatalogueStore, model: str | Path | None) -> Bundle:
    """The bundle asked for, else the one that the catalogue was indexed with first, else the shipped one.

    Raises:
        UnknownNameError: when there is no such bundle.
        InputError: when what lies there is not a bundle.
    """
    return Bundle.load(bundle_place(store, model))


def keep_bundle(store: CatalogueStore, model: str | Path | None) -> Bundle:
    """The bundle as `bundle_for` gives it, and a copy of it in the catalogue.

    Raises:
        StoreError: when the disk refuses the copy.
    """
    source = bundle_place(store, model)
    bundle = Bundle.load(source)
    kept = store.folder / _FOLDER / bundle.model_id
    try:
        if not kept.exists():
            _copy(source, kept)
    except OSError as error:  # shutil.Error is one, and lists what went wrong for each file
        reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror or error
        raise StoreError(f"expected to keep a copy of the model in {kept}, found: {reason}") from error
    return bundle


def kept_bundle(store: CatalogueStore, model: str) -> Path | None:
    """The copy of a bundle in the catalogue, by its fingerprint; None where none is kept."""
    place = store.folder / _FOLDER / Path(model).name  # leads to nothing outside
    return place if place.exists() else None


def _copy(source: Path, kept: Path) -> None:
    kept.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".", ignore_cleanup_errors=True) as draft:
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, Path(draft, kept.name))
        if not kept.exists():
            Path(draft, kept.name).replace(kept)


def bundle_place(store: CatalogueStore, model: str | Path | None) -> Path:
    """Folder or zip of the bundle asked for, else of the catalogue's first one, else of the shipped one.

    A bundle that the catalogue keeps is found by its fingerprint and by its name; of several of one name
    the last. The name of a shipped bundle and a path go before.

    Raises:
        UnknownNameError: when there is no such bundle.
    """
    known = [Path(one.name).name for one in store.models() if not is_external(one.name)]  # leads to nothing outside
    kept = [store.folder / _FOLDER / name for name in known]
    if model is None:
        return next((one if one.exists() else bundle_path(one.name.partition("@")[0]) for one in kept), bundle_path())
    named = [one for one in kept if str(model) in (one.name, one.name.partition("@")[0]) and one.exists()]
    is_elsewhere = str(model) in shipped_bundles() or Path(model).exists()
    return named[-1] if named and not is_elsewhere else bundle_path(model)
