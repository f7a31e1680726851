"""`resight forge`: a set of real and forged photos, to test and train on what withstands forgery."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from resight.core import Catalogue
from resight.datasets.detect import read_catalogue
from resight.datasets.forging.faces import Landmarks, points_in_crop
from resight.datasets.forging.kinds import KINDS
from resight.datasets.forging.maker import ForgeOptions, Maker
from resight.datasets.forging.places import every_place, own_places, placed_pairs, write_tables
from resight.datasets.forging.plan import PARTS, Codes, Planned, PlannedPair, pairs_of_set, parts_of, photos_of_set
from resight.errors import InputError
from resight.images import Failure
from resight.progress import progress

__all__ = ["ForgedSet", "forge_photos"]

_PARTS, _PLAN, _PAIRS, _ORDER = range(4)
_COMPARED = ("validation", "test")
_LEAST = 2


@dataclass(frozen=True)
class ForgedSet:
    """What a forged set holds.

    Args:
        out: its folder.
        n_persons: by part.
        n_real: real photos by part.
        n_forged: forged photos by part and kind.
        n_pairs: pairs by part and by what they are: "genuine", "impostor", or a kind of forgery.
        failures: the photos that could not be read, or on which no face was seen, with the reason.
    """

    out: Path
    n_persons: Mapping[str, int]
    n_real: Mapping[str, int]
    n_forged: Mapping[str, Mapping[str, int]]
    n_pairs: Mapping[str, Mapping[str, int]]
    failures: tuple[Failure, ...] = ()

    def __str__(self) -> str:
        """A line per part."""
        lines = [f"{'part':<11} persons    real  forged"]
        for part in PARTS:
            n_forged = sum(self.n_forged[part].values())
            told = ", ".join(f"{n} {name}" for name, n in self.n_pairs[part].items())
            lines.append(f"{part:<11} {self.n_persons[part]:7} {self.n_real[part]:7} {n_forged:7}  {told}".rstrip())
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {**asdict(self), "out": str(self.out)}


def forge_photos(
    photos: str | Path | Catalogue,
    out: str | Path,
    *,
    labels: str | Path | None = None,
    layout: str = "auto",
    landmarks: Landmarks = points_in_crop,
    kinds: Sequence[str] = tuple(KINDS),
    shares: Sequence[float] = (0.5, 0.2, 0.3),
    fake_share: float = 0.5,
    n_pairs_each: int = 5,
    quality: tuple[int, int] = (75, 95),
    max_side_px: int = 512,
    seed: int = 0,
) -> ForgedSet:
    """Write a set in which some photos of each person are forged, in the shape that the layout `kryptonite` reads.

    Persons are dealt to train, validation and test; none is in two, not even as a head of a swap. `train.csv` and
    `val.csv` name photos `<part>/<person>/<n>.jpg`, whose forgeries `meta.json` marks; `test.csv` names pairs
    `test_public/<pair_id>/0.jpg` and `1.jpg`. Beside them lie the truth about pairs, `val_pairs.csv` and
    `test_pairs.csv` (`pair_id,path_a,path_b,same,kind,person_a,person_b`), a `sample_submission.csv`, and
    `origins.csv`, which says what each file was made from.

    Every photo, real or forged, goes the same last way: at most `max_side_px`, and a JPEG of a quality drawn from one
    range. So that a photo was compressed once more tells nothing.

    These forgeries are simple: see what each says of its limits. They show that a method works as intended, not that
    it withstands the forgeries of today.

    Args:
        photos: folder of photos, or a catalogue of them; those without a name are left out.
        out: a new or empty folder.
        labels: table of labels, when it does not lie in `photos`.
        layout: name of a label layout, or "auto" to recognise it by content.
        landmarks: says where the face on a photo is; default: where it is on the crops of Labeled Faces in the Wild.
        kinds: of forgery, taken in turn: "swap", "warp", "upsample".
        shares: of the persons in train, validation and test.
        fake_share: forged photos for each real one, 0 to 1; a person has one at least, unless it is 0.
        n_pairs_each: genuine pairs of a person at most.
        quality: range of the JPEGs.
        max_side_px: larger photos are made smaller first.
        seed: of everything that is drawn.

    Raises:
        ConfigError: when a number is out of range.
        UnknownNameError: when there is no such kind or layout.
        InputError: when the folder holds something, no photo has a name, fewer than two photos can be used, or the
            disk refuses; then nothing is left there.

    Example:
        >>> made = forge_photos("faces", "forged", kinds=["swap"], seed=1)  # doctest: +SKIP
        >>> print(made)  # doctest: +SKIP
    """
    options = ForgeOptions(
        tuple(kinds), tuple(shares), fake_share, n_pairs_each, (quality[0], quality[-1]), max_side_px, seed
    )
    target = Path(out).expanduser().resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"expected an absent or empty folder for the forged set, found other things in {target}")
    given = photos if isinstance(photos, Catalogue) else read_catalogue(Path(photos), labels, layout=layout)
    named = given.labelled()
    if not len(named):
        raise InputError(f"expected photos with names in {given.root}, found none: forgeries are made person by person")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
            draft = Path(folder, "set")
            draft.mkdir()
            made = _write(named, draft, Path(folder), landmarks, options)
            if target.exists():
                target.rmdir()
            draft.replace(target)
    except OSError as error:
        raise InputError(f"expected to write photos into {target}, found: {error.strerror or error}") from error
    return replace(made, out=target)


def _write(photos: Catalogue, draft: Path, folder: Path, landmarks: Landmarks, options: ForgeOptions) -> ForgedSet:
    """Make the photos one by one in a folder, and lay them out in the draft beside it."""
    names, persons = _persons(photos)
    parts = parts_of(len(names), options.shares, np.random.default_rng([options.seed, _PARTS]))
    drawn = np.random.default_rng([options.seed, _PLAN])
    planned = photos_of_set(persons, parts, options.kinds, options.fake_share, drawn)
    pairs = pairs_of_set(planned, _COMPARED, options.n_pairs_each, np.random.default_rng([options.seed, _PAIRS]))
    tested = {number for pair in pairs if pair.part == "test" for number in (pair.a, pair.b)}
    maker = Maker(photos, landmarks, options)
    made: list[Planned] = []
    with progress("forging", total=len(planned)) as done:
        for photo in planned:
            if (photo.part != "test" or photo.number in tested) and maker.make(photo, _made(folder, photo.number)):
                made.append(photo)
            done(1)
    if len(made) < _LEAST:
        raise InputError(f"expected photos of faces in {photos.root}, found {len(made)} that can be used")
    there = {photo.number for photo in made}
    whole = [pair for pair in pairs if {pair.a, pair.b} <= there]
    order = np.random.default_rng([options.seed, _ORDER]).permutation(len(whole)).tolist()
    places = own_places(made)
    placed = placed_pairs(whole, places, order)
    write_tables(draft, made, placed, names, photos.frame["path"].to_list())
    for number, path in every_place(placed, places):
        (draft / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_made(folder, number), draft / path)
    return _counted(draft, made, whole, maker.failures)


def _persons(photos: Catalogue) -> tuple[list[str], Codes]:
    """The persons by name, and the number of the one on each photo."""
    found, codes = np.unique(photos.frame["identity"].to_numpy().astype(np.str_), return_inverse=True)
    return found.tolist(), codes.astype(np.int64)


def _made(folder: Path, number: int) -> Path:
    return folder / f"{number}.jpg"


def _counted(
    out: Path, made: Sequence[Planned], pairs: Sequence[PlannedPair], failures: tuple[Failure, ...]
) -> ForgedSet:
    kinds_of = {part: [photo.kind for photo in made if photo.part == part] for part in PARTS}
    compared = {part: Counter(pair.told for pair in pairs if pair.part == part) for part in PARTS}
    return ForgedSet(
        out,
        n_persons={part: len({photo.person for photo in made if photo.part == part}) for part in PARTS},
        n_real={part: kinds.count(None) for part, kinds in kinds_of.items()},
        n_forged={part: dict(Counter(kind for kind in kinds if kind)) for part, kinds in kinds_of.items()},
        n_pairs={part: dict(counts) for part, counts in compared.items()},
        failures=failures,
    )
