"""A forgery head: how likely a photo is forged, from its traces and its vector; kept as numbers, without code.

The head is a few small networks of one hidden layer, whose mean counts. A folder holds it: `forgery.json` says
what it is and what it was learned from, `forgery.npz` holds its numbers.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resight.bundle_files import hash_of
from resight.errors import InputError, MismatchError
from resight.forgery.traces import TRACES

__all__ = ["FILES", "ForgeryHead", "ForgeryInfo", "HeadNumbers"]

FILES = ("forgery.json", "forgery.npz")
"""What a head says of itself, and its numbers."""

_MOST_BYTES = 64_000_000
_CLIP = 5.0  # traces further from the mean than so many standard deviations count as that far

Floats = npt.NDArray[np.float32]
Count = Annotated[int, Field(ge=0)]
Figure = dict[str, float | int | None]


@dataclass(frozen=True, eq=False)
class HeadNumbers:
    """The numbers of a head, with T traces, D numbers of a vector, E kept directions, K networks of H hidden units.

    Args:
        trace_centre: (T,) mean of the traces.
        trace_scale: (T,) their standard deviation, above 0.
        vector_centre: (D,) mean of the vectors.
        axes: (D, E) directions of the vectors, each scaled to a variance of 1; E may be 0.
        hidden: (K, T + E, H) weights of the hidden units.
        hidden_bias: (K, H).
        out: (K, H) weights of the answer.
        out_bias: (K,).
        line: (2,) slope and height that make the mean of the networks log-odds.
        face_line: (2,) slope and height that make log-odds of the cosine of two real photos: that they show one person,
            where as many pairs do as not.
    """

    trace_centre: Floats
    trace_scale: Floats
    vector_centre: Floats
    axes: Floats
    hidden: Floats
    hidden_bias: Floats
    out: Floats
    out_bias: Floats
    line: Floats
    face_line: Floats

    def __post_init__(self) -> None:
        """Check that shapes belong together and all is finite; freeze the arrays."""
        for field in fields(self):
            array = np.array(getattr(self, field.name), np.float32)
            if not np.isfinite(array).all():
                raise InputError(f"expected finite numbers in a forgery head, found others in '{field.name}'")
            array.setflags(write=False)
            object.__setattr__(self, field.name, array)
        sizes = (len(TRACES), *self.axes.shape, *self.hidden.shape)
        if self.axes.ndim != 2 or self.hidden.ndim != 3 or (self.trace_scale <= 0).any():
            raise InputError("expected the numbers of a forgery head, found arrays of another kind")
        n_traces, n_vector, n_axes, n_networks, _, n_hidden = sizes
        expected = {
            "trace_centre": (n_traces,),
            "trace_scale": (n_traces,),
            "vector_centre": (n_vector,),
            "hidden": (n_networks, n_traces + n_axes, n_hidden),
            "hidden_bias": (n_networks, n_hidden),
            "out": (n_networks, n_hidden),
            "out_bias": (n_networks,),
            "line": (2,),
            "face_line": (2,),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise InputError(
                    f"expected '{name}' of shape {shape} in a forgery head, found {getattr(self, name).shape}"
                )

    def inputs(self, traces: npt.ArrayLike, vectors: npt.ArrayLike) -> Floats:
        """(N, T + E) what the networks look at."""
        seen = (np.asarray(traces, np.float32) - self.trace_centre) / self.trace_scale
        turned = (np.asarray(vectors, np.float32) - self.vector_centre) @ self.axes
        return np.concatenate([seen.clip(-_CLIP, _CLIP), turned], axis=1)

    def raw(self, inputs: Floats) -> npt.NDArray[np.float64]:
        """(N,) the mean of the networks, before the line makes log-odds of it."""
        found = np.zeros(len(inputs))
        for weight, bias, out, last in zip(self.hidden, self.hidden_bias, self.out, self.out_bias, strict=True):
            found += np.maximum(inputs @ weight + bias, 0) @ out + last
        return found / max(len(self.hidden), 1)


class ForgeryInfo(BaseModel):
    """What `forgery.json` says; an unknown key is an error.

    Args:
        format: of the two files.
        model: fingerprint of the bundle whose vectors the head takes.
        traces: the traces that it takes, by name and in order.
        numbers: `hash_of` the bytes of `forgery.npz`.
        photos: fingerprint of the photos that it was learned from.
        n_photos: that it was learned from.
        n_forged: of these.
        n_persons: on them.
        seed: of all that was drawn.
        versions: of the programs that took part, by name.
        figures: cross-validated, on persons that took no part: name to value, low, high, n, level.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    model: str = Field(min_length=1)
    traces: tuple[str, ...]
    numbers: str = Field(pattern=r"^[0-9a-f]{64}$")
    photos: str
    n_photos: Count
    n_forged: Count
    n_persons: Count
    seed: int
    versions: dict[str, str]
    figures: dict[str, Figure]


@dataclass(frozen=True, eq=False)
class ForgeryHead:
    """How likely a photo is forged; made by `resight.train.train_forgery`, read by `ForgeryHead.load`.

    Args:
        info: what it was learned from.
        numbers: its weights.
    """

    info: ForgeryInfo
    numbers: HeadNumbers

    @classmethod
    def load(cls, folder: str | Path) -> ForgeryHead:
        """The head in a folder.

        Raises:
            InputError: when there is none, or a file is damaged.
            MismatchError: when the numbers are not those that `forgery.json` describes, or this version looks
                at other traces.
        """
        place = Path(folder)
        said, data = (_content(place / name) for name in FILES)
        try:
            info = ForgeryInfo.model_validate_json(said)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "(file)"
            raise InputError(
                f"expected what a forgery head says of itself in {place / FILES[0]}, found at key '{key}': "
                f"{first['msg']}; make the head anew"
            ) from error
        if hash_of(data) != info.numbers:
            raise MismatchError(
                f"{place}: expected {FILES[1]} with the hash {info.numbers[:16]}… that {FILES[0]} states, found another"
            )
        if info.traces != TRACES:
            raise MismatchError(f"{place}: expected a head of the traces of this version, found others: learn it anew")
        return cls(info, _numbers(data, place / FILES[1]))

    def save(self, folder: Path) -> None:
        """Write the two files into a folder that is there.

        Raises:
            InputError: when the disk refuses.
        """
        try:
            (folder / FILES[0]).write_text(self.info.model_dump_json(indent=2) + "\n", encoding="utf-8")
            (folder / FILES[1]).write_bytes(as_bytes(self.numbers))
        except OSError as error:
            raise InputError(f"expected to write the head into {folder}, found: {error.strerror or error}") from error

    def log_odds(self, traces: npt.ArrayLike, vectors: npt.ArrayLike, model: str) -> npt.NDArray[np.float64]:
        """(N,) how much more likely each photo is forged than not, as the logarithm of the odds.

        Where as many photos are forged as not. With another share add `log(share / (1 − share))`.

        Args:
            traces: (N, T) as `traces_of` gives them.
            vectors: (N, D) of the photos.
            model: the fingerprint of the bundle that made these.

        Raises:
            MismatchError: when the vectors are of another model.
        """
        self.require_model(model)
        n_needed, n_given = len(self.numbers.vector_centre), np.shape(vectors)[1]
        if n_needed != n_given:
            raise MismatchError(
                f"expected vectors of {n_needed} numbers for the forgery head, found {n_given}: make it anew"
            )
        slope, height = self.numbers.line.astype(np.float64)
        return np.asarray(slope * self.numbers.raw(self.numbers.inputs(traces, vectors)) + height)

    def require_model(self, model: str) -> None:
        """Refuse vectors of another model than the head was learned on.

        Raises:
            MismatchError: when they are.
        """
        if model != self.info.model:
            raise MismatchError(
                f"expected vectors of {self.info.model} for the forgery head, found those of {model}: name that bundle "
                "with --model, or train a head on this one"
            )


def as_bytes(numbers: HeadNumbers) -> bytes:
    """The content of `forgery.npz`: the same bytes for the same numbers."""
    written = io.BytesIO()
    np.savez(written, **{field.name: getattr(numbers, field.name) for field in fields(numbers)})
    return written.getvalue()


def _content(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise InputError(f"expected at most {_MOST_BYTES:,} bytes in {file}, found more")
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"expected a forgery head in {file.parent}, found no {file.name}: make one with resight train forgery"
        ) from error


def _numbers(data: bytes, file: Path) -> HeadNumbers:
    names = {field.name for field in fields(HeadNumbers)}
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as held:
            found: dict[str, Any] = {name: held[name] for name in held.files}
    except (OSError, ValueError, RuntimeError, MemoryError, BadZipFile, KeyError, EOFError, zlib.error) as error:
        raise InputError(f"expected the numbers of a forgery head in {file}, found something else") from error
    if set(found) != names or any(array.dtype != np.float32 for array in found.values()):
        raise InputError(f"expected the arrays {', '.join(sorted(names))} in {file}, found {', '.join(sorted(found))}")
    return HeadNumbers(**found)
