"""Bundles: a trained model with everything that is needed to use it rightly.

A bundle is a folder, or one zip, with `model.onnx` and `model.json`. The graph takes (B, 3, S, S)
float32 and gives (B, D) float32 of unit length; `model.json` says how pixels are brought there. A bundle
of faces holds what finds them as well, and takes the face that counts, upright, in place of the photo.

Photos go through the model one at a time, side by side on as many threads as there are cores. On
a CPU this is as fast as batches, and the vector of a photo is the same to the last bit whatever
stands beside it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from resight.bundle_files import GRAPH, INFO, hash_of, read_graph, read_info
from resight.embed.engines import ENGINES, Engine, Session
from resight.embed.learned import Learned
from resight.embed.places import DEFAULT_BUNDLE, bundle_path
from resight.errors import ConfigError, InputError
from resight.faces import ALIGNING, FaceAligner, FaceInfo, Faces, Prepared
from resight.images import READING, ResizeMode, resize
from resight.machine import usable_cores

UNIT_TOLERANCE = 1e-3
"""How far from 1 the length of a vector may be."""

_PREPROCESSING = ("input_side_px", "resize", "colour", "mean", "std")

Three = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
Divisor = Annotated[FiniteFloat, Field(gt=0)]
Positive = Annotated[int, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]


class BundleInfo(BaseModel):
    """What `model.json` says; an unknown key is an error.

    Args:
        format: of this file.
        name: short name, small letters, digits, `-`, `_` and `.`.
        version: of the bundle, for people.
        summary: what the model is, in a sentence.
        dimension: length D of a vector.
        input_side_px: side S of the square that the model takes.
        resize: how a photo is brought to that square.
        colour: order of the channels that the model takes.
        mean: taken off each channel, in pixel values of 0 to 255 and in the model's order.
        std: each channel is divided by it then; above 0.
        licence: of the weights, as an SPDX identifier.
        commercial_use: whether that licence allows it.
        authors: who made the weights.
        source: where the weights come from.
        changes: what was done to them.
        weights: `hash_of` the bytes of `model.onnx`.
        learned: of a bundle that resight trained: from what, how, and how good it is.
        face: of a bundle of faces: what finds them, and which of them counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    version: Text
    summary: Text
    dimension: Positive
    input_side_px: Positive
    resize: ResizeMode
    colour: Literal["RGB", "BGR"]
    mean: Three
    std: tuple[Divisor, Divisor, Divisor]
    licence: Text
    commercial_use: bool
    authors: Text
    source: Text
    changes: Text
    weights: str = Field(pattern=r"^[0-9a-f]{64}$")
    learned: Learned | None = None
    face: FaceInfo | None = None

    def to_text(self) -> str:
        """What stands in `model.json`."""
        absent = {name for name in ("learned", "face") if getattr(self, name) is None}
        return self.model_dump_json(indent=2, exclude=absent) + "\n"

    def normalised(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(B, S, S, 3) uint8 RGB → (B, 3, S, S) float32 as the graph takes it."""
        channels = pixels if self.colour == "RGB" else pixels[..., ::-1]
        values = (channels - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32)

    @cached_property
    def model_id(self) -> str:
        """The name and a hash of weights, preprocessing and the way photos are read."""
        preprocessing = self.model_dump_json(include={*_PREPROCESSING, "weights"})
        faces = "" if self.face is None else f" aligning {ALIGNING} {self.face.model_dump_json()}"
        return f"{self.name}@{hash_of(f'{preprocessing} reading {READING}{faces}'.encode())[:16]}"

    @property
    def photo_side_px(self) -> int:
        """The shorter side that a photo should have at least before it is prepared."""
        return self.input_side_px if self.face is None else max(self.input_side_px, self.face.photo_side_px)


class Bundle:
    """A model that is ready to embed photos; made by `Bundle.load`.

    Example:
        >>> bundle = Bundle.load(DEFAULT_BUNDLE)
        >>> photo = np.zeros((300, 400, 3), np.uint8)
        >>> bundle.embed(bundle.prepare(photo)[None]).shape
        (1, 1280)
    """

    def __init__(
        self, info: BundleInfo, session: Session, threads: int, engine: Engine, aligner: FaceAligner | None = None
    ) -> None:
        self._info = info
        self._session = session
        self._threads = threads
        self._engine = engine
        self._aligner = aligner

    @classmethod
    def load(
        cls, name_or_path: str | Path = DEFAULT_BUNDLE, *, engine: Engine = "onnxruntime", threads: int | None = None
    ) -> Bundle:
        """The bundle of that name (see `shipped_bundles` and `added_bundles`), or in that folder or zip.

        Args:
            name_or_path: a name wins over a folder that is called the same; write `./name` to mean
                the folder.
            engine: "onnxruntime", "openvino" with its numbers pinned to 32 bits, or "cuda", which is onnxruntime on an
                NVIDIA GPU; vectors of two engines differ in their last bits.
            threads: photos that are embedded side by side; None means one per usable core.

        Raises:
            UnknownNameError: when there is neither such a bundle nor such a path.
            ConfigError: when the engine or the number of threads is none.
            InputError: when what lies there is not a bundle, its weights lie in further files, or it
                gives vectors that are not of unit length.
            MismatchError: when `model.onnx`, or what finds faces, is not the file that `model.json` describes.
            MissingExtraError: when the engine is not installed.
        """
        if engine not in get_args(Engine):
            raise ConfigError(f"expected an engine of {get_args(Engine)}, found '{engine}'.", key="engine")
        n_threads = usable_cores() if threads is None else threads
        if n_threads < 1:
            raise ConfigError(f"expected at least 1 thread, found {threads}", key="threads")
        place = bundle_path(name_or_path)
        info = _read_info(place)
        graph = read_graph(place, info.weights)
        bundle = cls(info, ENGINES[engine](graph, info, place, n_threads), n_threads, engine, _aligner(info, place))
        bundle._refuse_odd_vectors(place)
        return bundle

    def __repr__(self) -> str:
        """The fingerprint and how it runs."""
        return f"Bundle({self.model_id!r}, engine={self._engine!r}, threads={self._threads})"

    @property
    def info(self) -> BundleInfo:
        """What `model.json` says: licence, source, preprocessing."""
        return self._info

    @property
    def model_id(self) -> str:
        """The fingerprint of weights and preprocessing: `name@hash`."""
        return self._info.model_id

    @property
    def threads(self) -> int:
        """How many photos are embedded side by side."""
        return self._threads

    def prepare(self, photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB of any size → (S, S, 3) uint8 RGB as the model takes it.

        Raises:
            ImageError: of a bundle of faces, when no face counts and the rule refuses such photos.
        """
        return self.prepared(photo).pixels

    def prepared(self, photo: npt.NDArray[np.uint8]) -> Prepared:
        """As `prepare`, with a remark where there were several faces, or none.

        Raises:
            ImageError: as `prepare`.
        """
        if self._aligner is None:
            return Prepared(resize(photo, self._info.input_side_px, self._info.resize))
        return self._aligner.prepare(photo, self._info.input_side_px)

    def find_faces(self, photo: npt.NDArray[np.uint8]) -> Faces:
        """The faces of a photo, (H, W, 3) uint8 RGB, the surest first; all of them, whatever the rule.

        Raises:
            InputError: when this is no bundle of faces.
        """
        return self._faces().find(photo)

    def face_points(self, photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32] | None:
        """(5, 2) the points of the face that counts by the bundle's rule, x and y in pixels; None when none does.

        Raises:
            InputError: when this is no bundle of faces.
        """
        return self._faces().points(photo)

    def embed(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(B, S, S, 3) uint8 RGB → (B, D) float32 of unit length; B may be 0.

        A photo's vector does not depend on the other photos of the batch, not in the last bit.

        Raises:
            InputError: when the pixels are not of that shape and kind.
        """
        side = self._info.input_side_px
        if pixels.ndim != 4 or pixels.shape[1:] != (side, side, 3) or pixels.dtype != np.uint8:
            raise InputError(f"expected (B, {side}, {side}, 3) uint8, found {pixels.shape} {pixels.dtype}")
        if len(pixels) == 1:
            return self._session(self._info.normalised(pixels[:1]))
        vectors = np.empty((len(pixels), self._info.dimension), np.float32)
        with ThreadPoolExecutor(self._threads) as pool:
            for row, vector in enumerate(pool.map(lambda one: self._session(self._info.normalised(one[None])), pixels)):
                vectors[row] = vector[0]
        return vectors

    def _faces(self) -> FaceAligner:
        if self._aligner is None:
            raise _no_faces(self._info)
        return self._aligner

    def _refuse_odd_vectors(self, place: Path) -> None:
        """Try one picture, so that a model that fits no photo is told once and not for each."""
        side = self._info.input_side_px
        picture = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
        try:
            (vector,) = self.embed(picture)
            length = float(np.linalg.norm(vector)) if vector.shape == (self._info.dimension,) else np.nan
        except Exception as error:  # engines raise what they like
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{place}: this {GRAPH} does not run ({reason})") from error
        if not abs(length - 1) <= UNIT_TOLERANCE:  # holds for NaN too
            raise InputError(
                f"{place}: expected vectors of unit length from {GRAPH}, found one of length {length:.4g}: "
                "let the graph end with a normalisation"
            )


def describe(name_or_path: str | Path = DEFAULT_BUNDLE) -> BundleInfo:
    """What a bundle says of itself, licence and source among it, without starting the model.

    Raises:
        UnknownNameError: when there is neither such a bundle nor such a path.
        InputError: when what lies there is not a bundle.

    Example:
        >>> describe("efficientnet-lite0").licence
        'Apache-2.0'
    """
    return _read_info(bundle_path(name_or_path))


def face_aligner(name_or_path: str | Path, resize: ResizeMode | None = None) -> FaceAligner:
    """What finds faces for a bundle and turns them upright, without starting the model.

    Args:
        name_or_path: of a bundle of faces.
        resize: how a photo without a face is brought to a square, where the rule takes the whole of it; by default
            as the bundle does.

    Raises:
        UnknownNameError: when there is neither such a bundle nor such a path.
        InputError: when what lies there is not a bundle, or one for whole photos.
    """
    place = bundle_path(name_or_path)
    info = _read_info(place)
    aligner = _aligner(info if resize is None else info.model_copy(update={"resize": resize}), place)
    if aligner is None:
        raise _no_faces(info)
    return aligner


def _no_faces(info: BundleInfo) -> InputError:
    return InputError(f"expected a bundle of faces to find some, found {info.model_id}, which is for whole photos")


def _read_info(place: Path) -> BundleInfo:
    try:
        return BundleInfo.model_validate_json(read_info(place))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(file)"
        raise ConfigError(f"{place / INFO}: key '{key}': {first['msg']}.", key=key, known=_known_keys(key)) from error


def _aligner(info: BundleInfo, place: Path) -> FaceAligner | None:
    if info.face is None:
        return None
    files: dict[str, bytes] = {name: read_graph(place, weights, name) for name, weights in info.face.files.items()}
    return FaceAligner.start(info.face, files, place, info.resize)


def _known_keys(key: str) -> list[str]:
    model: type[BaseModel] = FaceInfo if key.startswith("face.") else BundleInfo
    last = key.rpartition(".")[2]
    return [] if last in model.model_fields else list(model.model_fields)
