"""Codes on disk: a folder of files that one small file names, so that it changes as a whole or not at all.

`codes.json` names the files that count, with their sizes and hashes; it is written beside and renamed when all of
them are there. Other files are left-overs of a killed build and go when the next one is done. Everything here
derives from the vectors: a folder that was removed costs time and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Embeddings
from resight.errors import StoreError
from resight.search.codes import KINDS, Recall, Segment, VectorCodes, tail_to_absorb

FORMAT = 1
CONTENTS = "codes.json"
_LOCK = "writing.lock"
_HASHED_AT_ONCE = 2**22
_NAME = re.compile(r"[a-z]+-[0-9a-f]{16}\.(faiss|npy)")
_PARTS = {"codes": "faiss", "ids": "npy", "sums": "npy"}


class CodesFolder:
    """The codes of one model's vectors, in a folder.

    Args:
        path: the folder; made when something is written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def exists(self) -> bool:
        """Whether codes were ever written here to the end."""
        return (self.path / CONTENTS).is_file()

    def read(self) -> VectorCodes:
        """The codes; those of the photos stay mapped.

        A file is handed to the library that reads codes only when its size and hash are those that were written.

        Raises:
            StoreError: when there are none, or they are broken.
        """
        for is_last in (False, True):
            before = self._text()
            try:
                return self._read(before)
            except StoreError:
                if is_last or before == self._text():  # else another process just replaced them
                    raise
        raise self._broken("a folder that stays as it is")

    @contextmanager
    def writing(self) -> Iterator[Draft]:
        """A draft of new codes; without its `commit` the folder stays as it is.

        Raises:
            StoreError: when another process writes to the folder, or the disk refuses.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with _locked(self.path / _LOCK):
                draft = Draft(self)
                try:
                    yield draft
                finally:
                    self._remove_left_overs()
        except BlockingIOError as error:
            raise StoreError(
                f"expected to write codes to {self.path}, found another process that does: wait for it"
            ) from error
        except OSError as error:
            raise StoreError(f"expected to write codes to {self.path}, found: {error.strerror or error}") from error

    def append(self, gallery: Embeddings, *, memory_mb: int = 512, n_threads: int | None = None) -> int:
        """Code the photos of a gallery that have no codes yet, or another vector than the coded one.

        The quantiser stays, so it costs what the new photos cost. Small segments are joined.

        Args:
            gallery: all photos with their vectors, or only new ones.
            memory_mb: working memory.
            n_threads: by default one per core.

        Returns:
            How many photos were coded.

        Raises:
            StoreError: when there are no codes, they are broken, another process writes, or the disk refuses.
        """
        with self.writing() as draft:
            codes = self.read()
            lacking = np.flatnonzero(codes.rows_of(gallery, None) < 0)
            if len(lacking):
                options: dict[str, Any] = {"memory_mb": memory_mb, "n_threads": n_threads}
                n_kept = len(codes.segments)
                at_most = memory_mb * 2**20 // 4 // int(codes.quantiser.code_size)
                if len(lacking) <= at_most:
                    n_kept -= tail_to_absorb([len(one) for one in codes.segments], len(lacking), at_most)
                plain = replace(codes, segments=())
                keep = None if n_kept < len(codes.segments) else draft.keep
                new = plain.with_photos(gallery, lacking, **options, keep=keep).segments
                if keep is None:
                    new = (draft.keep(self._joined((*codes.segments[n_kept:], *new))),)
                draft.commit(replace(codes, segments=(*codes.segments[:n_kept], *new)))
        return len(lacking)

    def _joined(self, segments: tuple[Segment, ...]) -> Segment:
        faiss = import_module("faiss")
        whole, n = faiss.clone_index(segments[0].index) if not segments[0].name else None, 0
        for segment in segments:
            part = faiss.read_index(str(self.path / f"codes-{segment.name}.faiss")) if segment.name else segment.index
            if whole is None:
                whole = part
            elif n:
                whole.merge_from(part, n)
            n += len(segment)
        ids = np.concatenate([segment.image_ids.astype(str) for segment in segments])
        return Segment(ids, np.concatenate([segment.checksums for segment in segments]), whole)

    def contents(self) -> dict[str, Any]:
        """What `codes.json` says; whether it is true is looked at when the codes are read.

        Raises:
            StoreError: when there is none, or it is broken.
        """
        try:
            told: dict[str, Any] = json.loads(self._text())
            _ = [segment[part]["file"] for segment in told["segments"] for part in _PARTS], told["quantiser"]["file"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._broken(f"a {CONTENTS} as this version writes it") from error
        return told

    def _text(self) -> str:
        try:
            return (self.path / CONTENTS).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise StoreError(f"expected codes of a gallery in {self.path}, found none: build them first") from error
        except (OSError, UnicodeDecodeError) as error:
            raise self._broken(f"a {CONTENTS} that can be read") from error

    def _read(self, text: str) -> VectorCodes:
        try:
            told = json.loads(text)
            if told["format"] != FORMAT:
                raise StoreError(
                    f"expected codes of format {FORMAT} in {self.path}, found {told['format']!r}: "
                    "remove that folder and build them anew"
                )
            quantiser = self._index(told["quantiser"], mapped=False)
            codes = VectorCodes(
                str(told["model"]), int(told["dimension"]), str(told["kind"]), int(told["n_trained"]), quantiser
            )
            segments = tuple(self.segment(one) for one in told["segments"])
            recall = None if told["recall"] is None else Recall(**told["recall"])
            n_probes, n_proposals = int(told["n_probes"]), int(told["n_proposals"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._broken(f"a {CONTENTS} as this version writes it") from error
        indexes = [quantiser, *(segment.index for segment in segments)]
        if codes.kind not in KINDS or min(n_probes, n_proposals) < 1 or not quantiser.is_trained:
            raise self._broken(f"a {CONTENTS} as this version writes it")
        if {(one.d, one.nlist, one.code_size) for one in indexes} != {
            (codes.dimension, quantiser.nlist, quantiser.code_size)
        }:
            raise self._broken("codes of one kind in all files")
        return replace(codes, segments=segments, n_probes=n_probes, n_proposals=n_proposals, recall=recall)

    def segment(self, told: dict[str, Any]) -> Segment:
        """A segment, mapped, of the files that `codes.json` says it has.

        Raises:
            StoreError: when they are not the ones that were written.
        """
        index = self._index(told["codes"], mapped=True)
        ids, sums = (np.load(self._checked(told[part]), mmap_mode="r", allow_pickle=False) for part in ("ids", "sums"))
        if not len(ids) == len(sums) == index.ntotal or ids.dtype.kind != "U" or sums.dtype != np.int64:
            raise self._broken("one id and one checksum per code")
        return Segment(ids, sums, index, str(told["name"]))

    def _index(self, told: dict[str, Any], *, mapped: bool) -> Any:
        faiss = import_module("faiss")
        path = self._checked(told)
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY if mapped else 0)
        except RuntimeError as error:
            raise self._broken(f"codes that can be read in {path.name}") from error
        if not isinstance(index, faiss.IndexIVF):
            raise self._broken(f"codes in lists in {path.name}")
        return index

    def _checked(self, told: dict[str, Any]) -> Path:
        """The path of a file that is the one that was written."""
        name = str(told["file"])
        if not _NAME.fullmatch(name):
            raise self._broken(f"a plain file name instead of {name!r}")
        path = self.path / name
        if not path.is_file() or path.stat().st_size != told["n_bytes"] or _hash(path) != told["blake2b"]:
            raise self._broken(f"the file {path.name} that was written here")
        return path

    def _broken(self, expected: str) -> StoreError:
        return StoreError(
            f"expected {expected} in the codes in {self.path}, found otherwise: remove that folder and build them anew"
        )

    def _remove_left_overs(self) -> None:
        nothing: dict[str, Any] = {"segments": [], "quantiser": {"file": ""}}
        try:
            told = self.contents() if self.exists else nothing
        except StoreError:
            return  # nobody knows what belongs to what
        files = {segment[part]["file"] for segment in told["segments"] for part in _PARTS}
        files.add(told["quantiser"]["file"])
        for path in self.path.iterdir():
            if path.name not in files and (_NAME.fullmatch(path.name) or path.name == f"{CONTENTS}.draft"):
                with suppress(OSError):  # it may be mapped by someone where that keeps a file
                    path.unlink()


class Draft:
    """New codes of a folder, on their way.

    Args:
        folder: that they come to.
    """

    def __init__(self, folder: CodesFolder) -> None:
        self._folder = folder
        self._told: dict[str, dict[str, Any]] = {}
        with suppress(StoreError):  # there is nothing yet, or what is there is to be replaced
            self._told = {one["name"]: one for one in folder.contents()["segments"]}

    def keep(self, segment: Segment) -> Segment:
        """Write a segment; what comes back is mapped."""
        name = secrets.token_hex(8)
        path = self._folder.path
        _write_index(segment.index, path / f"codes-{name}.faiss")
        for part, values in (("ids", segment.image_ids.astype(str)), ("sums", segment.checksums)):
            _save(path / f"{part}-{name}.npy", values)
        files = {part: _file(path / f"{part}-{name}.{ending}") for part, ending in _PARTS.items()}
        self._told[name] = {"name": name, **files}
        return self._folder.segment(self._told[name])

    def commit(self, codes: VectorCodes) -> None:
        """Let the folder hold these codes, all of whose segments were kept, from now on."""
        path, name = self._folder.path, secrets.token_hex(8)
        _write_index(codes.quantiser, path / f"quantiser-{name}.faiss")
        quantiser = _file(path / f"quantiser-{name}.faiss")
        segments = [self._told[segment.name] for segment in codes.segments]
        told = {
            "format": FORMAT,
            "model": codes.model,
            "dimension": codes.dimension,
            "kind": codes.kind,
            "n_trained": codes.n_trained,
            "n_probes": codes.n_probes,
            "n_proposals": codes.n_proposals,
            "recall": None if codes.recall is None else asdict(codes.recall),
            "quantiser": quantiser,
            "segments": segments,
        }
        _wait_for_disk(path, [quantiser, *(one[part] for one in segments for part in _PARTS)])
        draft = path / f"{CONTENTS}.draft"
        with draft.open("w", encoding="utf-8") as file:
            json.dump(told, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path / CONTENTS)


def _file(path: Path) -> dict[str, Any]:
    return {"file": path.name, "n_bytes": path.stat().st_size, "blake2b": _hash(path)}


def _hash(path: Path) -> str:
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while part := file.read(_HASHED_AT_ONCE):
            digest.update(part)
    return digest.hexdigest()


def _write_index(index: Any, path: Path) -> None:
    try:
        import_module("faiss").write_index(index, str(path))
    except RuntimeError as error:
        raise OSError(f"{path.name} cannot be written") from error


def _save(path: Path, values: npt.NDArray[Any]) -> None:
    with path.open("wb") as file:
        np.save(file, values, allow_pickle=False)


def _wait_for_disk(path: Path, files: list[dict[str, Any]]) -> None:
    for told in files:
        with (path / told["file"]).open("rb") as file:
            os.fsync(file.fileno())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that a killed process lets go of, where the system has such."""
    with path.open("ab") as file:
        with suppress(ImportError):
            fcntl = import_module("fcntl")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
