"""A collection of Milvus that holds a gallery: vectors, names, and the columns that rules speak of."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from resight.core import Embeddings
from resight.errors import ConfigError, InputError, MismatchError, StoreError
from resight.search.milvus_calls import MilvusConnection

Keys = npt.NDArray[np.bytes_]
Text = npt.NDArray[np.str_]
Columns = Mapping[str, npt.ArrayLike | Sequence[str | None]]

MOST_PER_CALL = 16_384
"""Milvus answers at most so many rows to one query or search."""

INDEXES: dict[str, dict[str, Any]] = {
    "HNSW": {"M": 32, "efConstruction": 80},
    "HNSW_SQ": {"M": 32, "efConstruction": 80, "sq_type": "SQ8"},
    "FLAT": {},
}
"""The indexes that a collection can have: a graph, a graph over one byte per number, or none."""

_FIELDS = ("key", "image_id", "identity", "checksum", "vector")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_LONGEST_TEXT = 4096
_BYTES_PER_CALL = 8 * 2**20
_PAGE_ROWS = 4096
_T = TypeVar("_T")


@dataclass(frozen=True)
class Written:
    """What a write did to a collection.

    Args:
        n_written: photos that were new or had changed.
        n_kept: photos that stood there already, just so.
        n_removed: photos that are in the collection no more.
    """

    n_written: int
    n_kept: int
    n_removed: int


@dataclass(frozen=True, eq=False)
class Held:
    """What a collection holds beside the vectors, in the order of the keys.

    Args:
        keys: (G,) the primary keys.
        image_ids: (G,) text.
        identities: (G,) text.
        checksums: (G,) of vector, identity and columns.
        columns: name to (G,) text, empty where unknown.
    """

    keys: Keys
    image_ids: Text
    identities: Text
    checksums: npt.NDArray[np.int64]
    columns: dict[str, Text]


class MilvusCollection:
    """A gallery in Milvus.

    A row's primary key is a hash of the image id, so a write that is made twice leaves one row, and
    whatever stands in an id needs no quoting. The model stands in the properties of the collection.

    Args:
        connection: to the server, or to Milvus Lite.
        name: of the collection: letters, digits and underscores.

    Raises:
        InputError: when the name is none that Milvus takes.
    """

    def __init__(self, connection: MilvusConnection, name: str = "resight") -> None:
        if not _NAME.fullmatch(name):
            raise InputError(f"expected a collection name of letters, digits and underscores, found '{name}'")
        self.connection = connection
        self.name = name

    def open(self) -> tuple[str, int, tuple[str, ...]]:
        """Make it ready to answer, and say what `describe` says.

        Raises:
            StoreError: when there is no such collection, or resight did not make it.
        """
        told = self.describe()
        self._ask(lambda milvus, s: milvus.load_collection(self.name, timeout=s))
        return told

    def describe(self) -> tuple[str, int, tuple[str, ...]]:
        """The model of its vectors, their dimension, and its columns.

        Raises:
            StoreError: when there is no such collection, or resight did not make it.
        """
        if not self._ask(lambda milvus, s: milvus.has_collection(self.name, timeout=s)):
            raise StoreError(
                f"expected the collection '{self.name}' in Milvus at {self.connection.uri}, found none: "
                "write the gallery to it first (resight milvus push)"
            )
        told = self._ask(lambda milvus, s: milvus.describe_collection(self.name, timeout=s))
        fields = {field["name"]: field for field in told["fields"]}
        model = told["properties"].get("resight.model")
        if model is None or not fields.keys() >= set(_FIELDS):
            raise StoreError(
                f"expected a collection that resight made, found another one called '{self.name}' in Milvus at "
                f"{self.connection.uri}: choose another name"
            )
        columns = tuple(sorted(fields.keys() - set(_FIELDS)))
        return str(model), int(fields["vector"]["params"]["dim"]), columns

    def write(
        self,
        gallery: Embeddings,
        identities: Text,
        columns: Columns | None = None,
        *,
        index: str = "HNSW",
        remove_others: bool = True,
    ) -> Written:
        """Let the collection hold these photos; what stands there already, just so, is not sent.

        A write that was cut short is finished by the same call again.

        Args:
            gallery: (G, D) one vector per photo.
            identities: (G,) the individual on each photo; empty where it has no name.
            columns: name to (G,) text or null; rules that speak of them are answered by the server.
            index: one of `INDEXES`, for a collection that is not there yet.
            remove_others: whether it shall hold no others; False when several write their parts.

        Raises:
            MismatchError: when the collection holds vectors of another model, dimension or columns.
            InputError: when a text or a column's name is none that Milvus takes.
            StoreError: when the server stays away, or refuses.
        """
        texts = checked_columns(columns or {}, len(gallery))
        for what in (gallery.image_ids, identities, *texts.values()):
            _check_lengths(what)
        self._make(gallery, tuple(sorted(texts)), index)
        missing, others = self.differences(gallery, identities, texts)
        gone = others if remove_others else others[:0]
        for rows in self._parts(missing, 4 * gallery.dimension):
            batch = _rows(gallery, identities, texts, rows)
            self._ask(partial(self._upsert, batch))
        for some in self._parts(gone, 0):
            self._ask(partial(self._delete, some))
        if remove_others:
            self._check_count(len(gallery))
        self._ask(lambda milvus, s: milvus.flush(self.name, timeout=s))
        return Written(len(missing), len(gallery) - len(missing), len(gone))

    def differences(
        self, gallery: Embeddings, identities: Text, columns: Mapping[str, Text]
    ) -> tuple[npt.NDArray[np.int64], Keys]:
        """The rows of a gallery that the collection lacks or holds otherwise, and the keys that it holds besides."""
        keys, sums = keys_of(gallery.image_ids), checksums(gallery, identities, columns)
        held = self.read(())
        there = dict(zip(held.keys.tolist(), held.checksums.tolist(), strict=True))
        pairs = zip(keys.tolist(), sums.tolist(), strict=True)
        missing = np.flatnonzero([there.get(key) != checksum for key, checksum in pairs])
        return missing, np.setdiff1d(held.keys, keys)

    def read(self, columns: Sequence[str]) -> Held:
        """What it holds beside the vectors, page by page."""
        fields = ["key", "image_id", "identity", "checksum", *columns]
        rows = [row for page in self._pages() for row in self._query(page, fields)]
        rows.sort(key=lambda row: row["key"])
        texts = {name: np.array([row[name] for row in rows], dtype=np.str_) for name in fields if name != "checksum"}
        return Held(
            texts["key"].astype("S32"),
            texts["image_id"],
            texts["identity"],
            np.array([row["checksum"] for row in rows], dtype=np.int64),
            {name: texts[name] for name in columns},
        )

    def vectors(self, keys: Keys, dimension: int) -> npt.NDArray[np.float32]:
        """(n, D) the vectors of these keys, as they were written.

        Raises:
            StoreError: when one is not there any more.
        """
        found = np.zeros((len(keys), dimension), np.float32)
        for rows in self._parts(np.arange(len(keys)), 4 * dimension):
            there = {
                row["key"]: row["vector"] for row in self._query(f"key in {_quoted(keys[rows])}", ["key", "vector"])
            }
            if len(there) < len(rows):
                raise StoreError(
                    f"expected {len(rows)} photos in the collection '{self.name}', found {len(there)}: "
                    "it was changed meanwhile; open it again"
                )
            found[rows] = [there[key.decode()] for key in keys[rows]]
        return found

    def proposals(
        self, vectors: npt.NDArray[np.float32], n: int, wish: str, breadth: int
    ) -> tuple[npt.NDArray[np.int64], Keys, npt.NDArray[np.float32]]:
        """The best `n` photos for each vector by the index: (m,) rows of the vectors, keys and its scores."""
        options = {"params": {"ef": max(breadth, n)}}
        answer = self._ask(
            lambda milvus, s: milvus.search(
                self.name,
                data=list(vectors),
                anns_field="vector",
                limit=n,
                filter=wish,
                search_params=options,
                output_fields=["key"],
                timeout=s,
            )
        )
        hits = [(row, hit["key"], hit["distance"]) for row, found in enumerate(answer) for hit in found]
        rows, keys, scores = zip(*hits, strict=True) if hits else ((), (), ())
        return np.array(rows, np.int64), np.array(keys, "S32"), np.array(scores, np.float32)

    def drop(self) -> None:
        """Let the collection be gone; nothing happens when it is not there."""
        self._ask(lambda milvus, s: milvus.drop_collection(self.name, timeout=s))

    def _make(self, gallery: Embeddings, columns: tuple[str, ...], index: str) -> None:
        """Make the collection and its index, each when it is not there; refuse another one of its name."""
        if index not in INDEXES:
            raise ConfigError(f"expected an index of {', '.join(INDEXES)}, found '{index}'.", key=index, known=INDEXES)
        self._ask(lambda milvus, s: self._create(milvus, s, gallery, columns))
        model, dimension, there = self.describe()
        for what, wanted, found in (
            ("model", gallery.model, model),
            ("dimension", gallery.dimension, dimension),
            ("columns", ", ".join(columns) or "none", ", ".join(there) or "none"),
        ):
            if wanted != found:
                raise MismatchError(
                    f"expected a collection '{self.name}' of {what} {wanted}, found {found}: "
                    "choose another collection, or drop this one first"
                )
        self._ask(lambda milvus, s: self._create_index(milvus, s, index))
        self.open()

    def _create(self, milvus: Any, seconds: float, gallery: Embeddings, columns: tuple[str, ...]) -> None:
        from pymilvus import DataType

        if milvus.has_collection(self.name, timeout=seconds):
            return
        schema = milvus.create_schema(enable_dynamic_field=False)
        schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=32)
        for name in ("image_id", "identity", *columns):
            schema.add_field(name, DataType.VARCHAR, max_length=_LONGEST_TEXT)
        schema.add_field("checksum", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=gallery.dimension)
        properties = {"resight.model": gallery.model}
        milvus.create_collection(
            self.name, schema=schema, consistency_level="Strong", properties=properties, timeout=seconds
        )

    def _create_index(self, milvus: Any, seconds: float, index: str) -> None:
        if milvus.list_indexes(self.name, field_name="vector", timeout=seconds):
            return
        wanted = milvus.prepare_index_params()
        wanted.add_index("vector", index_type=index, metric_type="IP", params=INDEXES[index])
        milvus.create_index(self.name, wanted, timeout=seconds)

    def _upsert(self, batch: list[dict[str, Any]], milvus: Any, seconds: float) -> None:
        milvus.upsert(self.name, batch, timeout=seconds)

    def _delete(self, keys: Keys, milvus: Any, seconds: float) -> None:
        milvus.delete(self.name, filter=f"key in {_quoted(keys)}", timeout=seconds)

    def _check_count(self, n: int) -> None:
        found = self._count()
        if found != n:
            raise StoreError(
                f"expected {n} photos in the collection '{self.name}' after the write, found {found}: "
                "somebody else writes to it; run the same again"
            )

    def _count(self) -> int:
        answer = self._ask(lambda milvus, s: milvus.query(self.name, filter="", output_fields=["count(*)"], timeout=s))
        return int(answer[0]["count(*)"])

    def _pages(self) -> Iterator[str]:
        """Ranges of keys that hold about `_PAGE_ROWS` rows each: keys are hashes, so they lie evenly."""
        n_pages = -(-self._count() // _PAGE_ROWS)
        edges = [f"{nth * 16**8 // n_pages:08x}" for nth in range(n_pages)] + ["g"]  # 'g' follows all hex digits
        for first, last in pairwise(edges):
            yield f'key >= "{first}" and key < "{last}"'

    def _query(self, wish: str, fields: list[str]) -> list[dict[str, Any]]:
        rows = self._ask(
            lambda milvus, s: list(
                milvus.query(self.name, filter=wish, output_fields=fields, limit=MOST_PER_CALL, timeout=s)
            )
        )
        if len(rows) >= MOST_PER_CALL:
            raise StoreError(f"expected fewer than {MOST_PER_CALL} rows in a page of '{self.name}', found {len(rows)}")
        return rows

    def _parts(self, values: npt.NDArray[Any], bytes_each: int) -> Iterator[npt.NDArray[Any]]:
        size = max(1, min(_PAGE_ROWS, _BYTES_PER_CALL // (bytes_each + 1024)))
        return (values[start : start + size] for start in range(0, len(values), size))

    def _ask(self, call: Callable[[Any, float], _T]) -> _T:
        return self.connection.ask(call)


def keys_of(image_ids: Text) -> Keys:
    """(N,) the primary key of each photo: 32 hex digits that only its id decides."""
    return np.array([hashlib.blake2b(i.encode(), digest_size=16).hexdigest() for i in image_ids.tolist()], "S32")


def checksums(
    gallery: Embeddings,
    identities: Text,
    columns: Mapping[str, Text],
    rows: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """(n,) the CRC-32 of vector, identity and columns of these photos: another one says that the row changed."""
    names = sorted(columns)
    sums = []
    for row in range(len(gallery)) if rows is None else rows:
        told = repr([str(identities[row]), *(str(columns[name][row]) for name in names)])
        sums.append(zlib.crc32(told.encode(), zlib.crc32(gallery.vectors[row].astype("<f4").tobytes())))
    return np.array(sums, np.int64)


def checked_columns(columns: Columns, n_photos: int) -> dict[str, Text]:
    """Columns as text, (N,) each, empty where a value is null.

    Raises:
        InputError: when a name is none that Milvus takes, or a length is another one.
    """
    texts = {}
    for name, values in columns.items():
        if not _NAME.fullmatch(name) or name in _FIELDS:
            raise InputError(
                f"expected a column called by letters, digits and underscores and none of {', '.join(_FIELDS)}, "
                f"found '{name}'"
            )
        told = ["" if value is None else str(value) for value in np.asarray(values, dtype=object).reshape(-1)]
        if len(told) != n_photos:
            raise InputError(f"expected {n_photos} values in column '{name}', found {len(told)}")
        texts[name] = np.array(told, dtype=np.str_)
    return texts


def _rows(
    gallery: Embeddings, identities: Text, columns: Mapping[str, Text], rows: npt.NDArray[np.int64]
) -> list[dict[str, Any]]:
    keys, sums = keys_of(gallery.image_ids[rows]), checksums(gallery, identities, columns, rows)
    return [
        {
            "key": keys[nth].decode(),
            "image_id": str(gallery.image_ids[row]),
            "identity": str(identities[row]),
            "checksum": int(sums[nth]),
            "vector": gallery.vectors[row],
            **{name: str(text[row]) for name, text in columns.items()},
        }
        for nth, row in enumerate(rows)
    ]


def _check_lengths(texts: Text) -> None:
    longest = max((len(text.encode()) for text in np.unique(texts).tolist()), default=0)
    if longest > _LONGEST_TEXT:
        raise InputError(f"expected texts of at most {_LONGEST_TEXT} bytes for Milvus, found one of {longest}")


def _quoted(keys: Keys) -> str:
    return "[" + ", ".join(f'"{key.decode()}"' for key in keys) + "]"
