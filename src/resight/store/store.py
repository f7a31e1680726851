"""The catalogue on disk: what is known of the photos, and how it came to be known."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from resight.core import Catalogue, Embeddings, OperatingPoint
from resight.errors import MismatchError, StoreError
from resight.store import batches, embedded, intake, photos, points
from resight.store.batches import Batch
from resight.store.database import FILE, Database
from resight.store.derived_sets import DerivedSets
from resight.store.duplicate_records import DuplicateRecords
from resight.store.editable import Editable
from resight.store.embedded import FailedPhoto, KnownModel, RowMap
from resight.store.intake import Registered
from resight.store.split_records import SplitRecords

_LOG = logging.getLogger(__name__)
_FOLDERS = ("vectors", "operating_points", "reports", "models")


class CatalogueStore(Editable):
    """A catalogue on disk: a folder with `catalogue.db`, which is the truth, and what derives from it.

    Make one by `create`, `open` or `open_or_create`. Each method is one transaction: it happens
    as a whole or not at all, whatever moment the process is killed at, and any number of
    processes may work on one catalogue at once. There is nothing to close.

    Args:
        folder: the catalogue.
        database: its database.
        read_only: whether writing is refused.

    Example:
        >>> import polars as pl, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> store = CatalogueStore.create(f"{folder}/mine")
        >>> rows = pl.DataFrame({"image_id": ["a", "b"], "path": ["a.jpg", "b.jpg"], "identity": ["F042", None]})
        >>> store.register(Catalogue(rows, Path(folder))).n_added
        2
        >>> store.rename("F042", "Nala", who="anna").sentence
        "rename 'F042' to 'Nala', 1 photo"
        >>> store.catalogue().column("identity").tolist()
        ['Nala', None]
    """

    def __init__(self, folder: Path, database: Database) -> None:
        super().__init__(database)
        self.folder = folder
        self.read_only = database.read_only

    @classmethod
    def create(cls, folder: str | Path, *, url: str | None = None, timeout_s: float = 30.0) -> CatalogueStore:
        """Make a catalogue in a folder that is absent or empty.

        Args:
            folder: where to make it.
            url: a database server to keep the tables in instead of `catalogue.db`, such as
                "postgresql+psycopg://user@host/name"; one database per catalogue. None takes what the
                environment says in RESIGHT_DATABASE.
            timeout_s: how long to wait for another process that writes.

        Raises:
            StoreError: when the folder holds something, or cannot be written to.
        """
        place, url = Path(folder), _server(url)
        try:
            place.mkdir(parents=True, exist_ok=True)
            found = sorted(one.name for one in place.iterdir())
        except OSError as error:
            raise StoreError(f"expected a folder for the catalogue at {place}, found: {error.strerror}") from error
        if FILE in found:
            raise StoreError(f"expected an empty folder to make a catalogue in, found a catalogue in {place}: open it")
        if found:
            raise StoreError(
                f"expected an empty folder to make a catalogue in, found '{found[0]}' in {place}: give another folder"
            )
        return cls._connect(place, url, timeout_s)

    @classmethod
    def open(
        cls, folder: str | Path, *, url: str | None = None, timeout_s: float = 30.0, read_only: bool | None = None
    ) -> CatalogueStore:
        """Open a catalogue that is there; one of an older version is brought up to date.

        Args:
            folder: the catalogue.
            url: as for `create`.
            timeout_s: how long to wait for another process that writes.
            read_only: refuse to write, and read from media that cannot be written; None finds out.

        Raises:
            StoreError: when there is none, or it is locked, broken, or made by a newer version.
        """
        place, url = Path(folder), _server(url)
        if url is None and not (place / FILE).is_file():
            raise StoreError(
                f"expected a catalogue in {place}, found no {FILE}: make one with  "
                f"resight index PHOTOS --catalogue {place}"
            )
        fixed = not os.access(place, os.W_OK) if read_only is None else read_only
        return cls._connect(place, url, timeout_s, read_only=fixed)

    @classmethod
    def open_or_create(cls, folder: str | Path, *, url: str | None = None, timeout_s: float = 30.0) -> CatalogueStore:
        """Open a catalogue, or make one when the folder is absent or empty.

        Raises:
            StoreError: as `create` and `open`.
        """
        place, url = Path(folder), _server(url)
        if (place / FILE).is_file() or (url is not None and place.is_dir()):
            return cls.open(place, url=url, timeout_s=timeout_s)
        try:
            return cls.create(place, url=url, timeout_s=timeout_s)
        except StoreError:
            if (place / FILE).is_file():  # another process was quicker
                return cls.open(place, url=url, timeout_s=timeout_s)
            raise

    @classmethod
    def _connect(cls, place: Path, url: str | None, timeout_s: float, *, read_only: bool = False) -> CatalogueStore:
        store = cls(place, Database(place, url, timeout_s, read_only=read_only))
        if not read_only:
            store._make_folders()
            store._fix_headers()
        return store

    # Photos and labels

    def register(self, catalogue: Catalogue, *, who: str = "index", without_files: bool = False) -> Registered:
        """Bring the photos and labels of one folder into the catalogue.

        A label that the table changed since last time is taken over, with a journal row; one that
        it did not change leaves edits alone. A new photo of an individual that was renamed or
        merged gets the name that the individual has by now.

        Args:
            catalogue: the photos of one folder, all of them: those missing count as removed.
            who: name for the journal.
            without_files: a photo whose file is not there is not taken as removed: its vector was made elsewhere.

        Raises:
            CatalogueError: when an id is that of another photo in another folder, or a photo is
                known under another id already; says which.
        """
        with self._database.writing() as connection:
            return intake.register(connection, catalogue, who, without_files=without_files)

    def catalogue(self) -> Catalogue:
        """The photos that are there, with all edits, in the order in which they came.

        A further column `content` holds the fingerprint of the file that was embedded, or null.
        Its root is the folder that was indexed, or the one that all folders indexed lie in.
        """
        with self._database.reading() as connection:
            return photos.load(connection, self.folder)

    def folders(self) -> list[Path]:
        """The folders that photos were indexed from."""
        with self._database.reading() as connection:
            return photos.folders(connection)

    # Vectors

    def pending(self, model: str, *, retry_failed: bool = False) -> Catalogue:
        """The photos to embed: those without a vector of a model, and those whose file changed.

        A photo that failed waits until its file changes, unless `retry_failed`. When the vector
        file is broken or another one, a warning is logged, and all photos are to be embedded.

        Args:
            model: fingerprint of the model.
            retry_failed: give those that failed another try.
        """
        self._drop_broken_vectors(model)
        with self._database.reading() as connection:
            wanted = embedded.pending(connection, model, retry_failed=retry_failed)
            return photos.load(connection, self.folder).select(wanted)

    def add(self, batch: Batch) -> int:
        """Store a batch of photos that were just embedded; returns how many vectors were new.

        A photo that another process stored meanwhile is not stored twice.

        Raises:
            UnknownNameError: when a photo is not in the catalogue.
            InputError: when a fingerprint or a stat is missing.
            MismatchError: when the vectors have another dimension than the model's others.
            StoreError: when the vector file is not the one that the catalogue wrote.
        """
        with self._database.writing() as connection:
            return batches.add(connection, batch, self._vectors)

    def add_derived(self, embeddings: Embeddings, base: str) -> int:
        """Store vectors that were made from those of another model, without a look at any photo.

        Args:
            embeddings: the new vectors.
            base: fingerprint of the model whose vectors, as they stand here, they were made from.

        Returns:
            How many vectors were new.

        Raises:
            UnknownNameError: when a photo is not in the catalogue.
            InputError: when a photo has no vector of `base`.
            MismatchError: when the vectors have another dimension than the model's others.
            StoreError: when the vector file is not the one that the catalogue wrote.
        """
        with self._database.writing() as connection:
            return batches.add_derived(connection, embeddings, base, self._vectors)

    def embeddings(self, model: str) -> Embeddings:
        """The vectors of a model, for the photos that are there and unchanged, in the order of the file.

        They are memory-mapped as long as no row in between was given up. The checksums of up to
        50,000 rows are compared.

        Raises:
            MismatchError: when the catalogue has vectors of other models only.
            StoreError: when it has none, or the file is broken or another one.
        """
        rows = self._row_map(model)
        if rows is None:
            known = [one.name for one in self.models()]
            remedy = f"run  resight index  on its photos with that model (catalogue {self.folder})"
            if known:
                raise MismatchError(f"expected vectors of model {model}, found those of {', '.join(known)}: {remedy}")
            raise StoreError(f"expected vectors of model {model}, found none of any model: {remedy}")
        return rows.embeddings()

    def drop_vectors(self, model: str) -> None:
        """Forget the vectors and failures of a model; the photos are then to be embedded again."""
        with self._database.writing() as connection:
            batches.drop(connection, model, self._vectors)

    def failures(self, model: str | None = None) -> list[FailedPhoto]:
        """The photos that could not be embedded, with the reason: by one model, or by any."""
        with self._database.reading() as connection:
            return embedded.failed_photos(connection, model)

    def models(self) -> list[KnownModel]:
        """The models that the catalogue was indexed with, the first one first."""
        with self._database.reading() as connection:
            return embedded.known_models(connection)

    # Duplicates

    @property
    def duplicates(self) -> DuplicateRecords:
        """The hashes of the photos, and the pairs that a person told apart."""
        return DuplicateRecords(self._database, self.folder)

    # Splits

    @property
    def splits(self) -> SplitRecords:
        """The splits that are kept under a name, and every look at a holdout."""
        return SplitRecords(self._database)

    # Derived sets

    @property
    def derived_sets(self) -> DerivedSets:
        """The folders of cleaned copies that were made of the photos."""
        return DerivedSets(self._database)

    # Operating points

    def save_operating_point(self, point: OperatingPoint) -> Path:
        """Keep the operating point of a model; the one that it had before goes. Returns the file.

        Raises:
            StoreError: when the disk refuses.
        """
        return points.save(point, self.folder / "operating_points")

    def operating_point(self, model: str) -> OperatingPoint:
        """The operating point of a model.

        Raises:
            NotFittedError: when the catalogue is not calibrated for that model.
            StoreError: when the file is broken.
        """
        remedy = f"run  resight calibrate --catalogue {self.folder}"
        return points.load(model, self.folder / "operating_points", remedy)

    @property
    def _vectors(self) -> Path:
        return self.folder / "vectors"

    def _make_folders(self) -> None:
        for name in _FOLDERS:
            try:
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                found = error.strerror or error
                raise StoreError(f"expected a folder at {self.folder / name}, found: {found}") from error

    def _fix_headers(self) -> None:
        with self._database.reading() as connection:
            wrong = embedded.wrong_headers(connection, self._vectors)
        if wrong:
            with self._database.writing() as connection:  # nobody adds rows now: look again, and fix
                for file, n_rows in embedded.wrong_headers(connection, self._vectors):
                    file.fix_header(n_rows)

    def _row_map(self, model: str) -> RowMap | None:
        with self._database.reading() as connection:
            return embedded.row_map(connection, model, self._vectors)

    def _drop_broken_vectors(self, model: str) -> None:
        broken = self._row_map(model)
        if broken is None or broken.is_sound():
            return
        with self._database.writing() as connection:  # nobody makes them anew now: look again
            rows = embedded.row_map(connection, model, self._vectors)
            if rows is not None and not rows.is_sound():
                _LOG.warning("the vectors of model %s are broken or of another catalogue: made anew", model)
                batches.drop(connection, model, self._vectors)


def _server(url: str | None) -> str | None:
    """The URL of a database server that the caller or else the environment names; None for a file."""
    return os.environ.get("RESIGHT_DATABASE") or None if url is None else url
