"""The files of a bundle: read from a folder or a zip, and checked, without running anything.

A bundle holds `model.onnx`, the graph, and `model.json`, what it says of itself; one that resight trained also holds
`learned_photos.txt`, the marks of the photos that it learned, and one of faces the graphs that find them. A zip is read
where it lies and never unpacked.

An ONNX graph may keep its weights in other files and name them; an engine then reads whatever
lies there, which no hash of the graph vouches for. The file is a protocol buffer message: fields
of a number, a kind and a value, messages within messages.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from resight.errors import InputError, MismatchError

__all__ = [
    "FURTHER",
    "GRAPH",
    "INFO",
    "LEARNED",
    "FurtherGraph",
    "asks_for_other_files",
    "fields",
    "hash_of",
    "keeps_learned",
    "read_graph",
    "read_info",
    "read_learned",
]

GRAPH = "model.onnx"
"""The file of a bundle with the graph and its weights."""

INFO = "model.json"
"""The file of a bundle with what it says of itself."""

LEARNED = "learned_photos.txt"
"""The file of a bundle with the marks of the photos that it learned, one a line; not every bundle has one."""

FurtherGraph = Literal["detector.onnx", "landmarks.onnx"]

FURTHER: tuple[str, ...] = get_args(FurtherGraph)
"""Files that may lie in a bundle besides; `model.json` says which of them count."""

MAX_GRAPH_BYTES = 2_000_000_000
MAX_INFO_BYTES = 1_000_000
MAX_LEARNED_BYTES = 1_000_000_000

_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_PLACE_ELSEWHERE, _LIES_ELSEWHERE = 13, 14  # fields of a tensor: where its numbers are, and whether they are elsewhere
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def read_graph(place: Path, weights: str, name: str = GRAPH) -> bytes:
    """The graph of a bundle, after a look at what it asks for.

    Args:
        place: folder or zip.
        weights: the hash that `model.json` states.
        name: of the file.

    Raises:
        InputError: when there is no graph, or its weights lie in further files.
        MismatchError: when it is not the file that `model.json` describes.
    """
    graph = _member(place, name, MAX_GRAPH_BYTES)
    if hash_of(graph) != weights:
        raise MismatchError(
            f"{place}: expected a {name} with the hash {weights[:16]}… that {INFO} states, found "
            f"{hash_of(graph)[:16]}…: one of the two was changed; fetch or make the bundle again"
        )
    try:
        elsewhere = asks_for_other_files(graph)
    except ValueError as error:
        raise InputError(f"{place}: expected an ONNX graph in {name}, found {error}") from error
    if elsewhere:
        raise InputError(
            f"{place}: expected a {name} with all its weights inside, found weights in further files: "
            "save it again as one file"
        )
    return graph


def read_info(place: Path) -> bytes:
    """What a bundle says of itself, as it stands in the file.

    Raises:
        InputError: when there is nothing readable.
    """
    return _member(place, INFO, MAX_INFO_BYTES)


def read_learned(place: Path) -> frozenset[str] | None:
    """The marks of the photos that a bundle learned; None when it keeps none.

    Raises:
        InputError: when what lies there is not a bundle, or the file is no text.
    """
    if not keeps_learned(place):
        return None
    try:
        return frozenset(_member(place, LEARNED, MAX_LEARNED_BYTES).decode("ascii").split())
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: expected the marks of photos in {LEARNED}, found no such text") from error


def hash_of(data: bytes) -> str:
    """64 hexadecimal characters: the 256-bit BLAKE2b hash of a file's content."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def asks_for_other_files(graph: bytes) -> bool:
    """Whether a tensor of an ONNX graph has its numbers in another file.

    Raises:
        ValueError: when the bytes are not such a message; what cannot be read cannot be vouched for.
    """
    left = [("model", 0, len(graph))]
    while left:
        kind, start, end = left.pop()
        for number, _, first, last in fields(graph, start, end):
            if kind == "tensor" and (number == _PLACE_ELSEWHERE or (number == _LIES_ELSEWHERE and last > 0)):
                return True
            if number in _INSIDE[kind] and first >= 0:
                left.append((_INSIDE[kind][number], first, last))
    return False


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a protocol buffer message.

    Args:
        data: holds the message.
        at: where it begins.
        end: where it ends.

    Yields:
        Number, where the field begins, and start and end of the bytes that it holds; of one that holds
        a number -1 and that number.

    Raises:
        ValueError: when it is no such message.
    """
    while at < end:
        begin = at
        key, at = _varint(data, at, end)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(data, at, end)
            yield key >> 3, begin, -1, value
        elif kind == _BYTES:
            size, at = _varint(data, at, end)
            yield key >> 3, begin, at, at + size
            at += size
        elif kind in (_FIXED_64, _FIXED_32):
            at += 8 if kind == _FIXED_64 else 4
            yield key >> 3, begin, -1, 0
        else:
            raise ValueError(f"a field of kind {kind} at byte {at}")
        if at > end:
            raise ValueError(f"the end inside a field at byte {at}")


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for place in range(_LONGEST_VARINT):
        if at + place >= end:
            break
        value |= (data[at + place] & 0x7F) << (7 * place)
        if data[at + place] < 0x80:
            return value, at + place + 1
    raise ValueError(f"no number at byte {at}")


def keeps_learned(place: Path) -> bool:
    """Whether a bundle keeps the marks of the photos that it learned."""
    if place.is_dir():
        return (place / LEARNED).is_file()
    try:
        with zipfile.ZipFile(place) as archive:
            return any(PurePosixPath(entry).name == LEARNED for entry in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _member(place: Path, name: str, max_bytes: int) -> bytes:
    """One file of a bundle. A zip is never unpacked, so nothing in it can reach out of its folder."""
    try:
        if place.is_dir():
            path = place / name
            _check_size(place, name, path.stat().st_size, max_bytes)
            return path.read_bytes()
        with zipfile.ZipFile(place) as archive:
            inside = next(entry for entry in _checked_members(archive, place) if PurePosixPath(entry).name == name)
            _check_size(place, name, archive.getinfo(inside).file_size, max_bytes)
            return archive.read(inside)
    except (OSError, StopIteration) as error:
        raise InputError(f"{place}: expected a bundle with {GRAPH} and {INFO}, found no readable {name}") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(f"{place}: expected a folder or a zip with {GRAPH} and {INFO}, found neither") from error


def _checked_members(archive: zipfile.ZipFile, place: Path) -> list[str]:
    """The files of a bundle, bare or together in one folder; anything else is refused."""
    names = [name for name in archive.namelist() if not name.endswith("/")]
    folders = {PurePosixPath(name).parent for name in names}
    bare = sorted(PurePosixPath(name).name for name in names)
    folder = next(iter(folders), PurePosixPath("."))
    needed = sorted(name for name in bare if name not in (LEARNED, *FURTHER))
    if (
        needed != [INFO, GRAPH]
        or len(set(bare)) < len(bare)
        or len(folders) != 1
        or len(folder.parts) > 1
        or folder.parts in (("..",), ("/",))
    ):
        raise InputError(
            f"{place}: expected a zip of {GRAPH} and {INFO} and nothing else, found {names[:5]} "
            f"(only {', '.join((LEARNED, *FURTHER))} may lie beside them)"
        )
    return names


def _check_size(place: Path, name: str, n_bytes: int, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise InputError(f"{place}: expected a {name} of at most {max_bytes:,} bytes, found {n_bytes:,}")
