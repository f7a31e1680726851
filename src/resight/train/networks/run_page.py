"""The report of a training: what was learned from what, how it went, and what came of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.config.augmentation import AugmentationOptions
from resight.core import Estimate
from resight.pages.document import render, write_page
from resight.pages.wording import plural
from resight.train.networks.confusion import Confusion, Part
from resight.train.networks.looks_sheet import LooksRow, in_words, strips
from resight.train.networks.run_figures import FigureRow, photos_and_looks, run_figures

__all__ = ["ClassLooks", "RunFacts", "run_page"]

Counts = npt.NDArray[np.int64]

_MOST_CLASSES, _MOST_PAIRS = 40, 20
_MINUTE, _HOUR = 60, 3600

_MEANS = {
    "OSCR": "the open-set classification rate: the chance that the right individual stands first, with a score above "
    "that of a stranger",
    "top-1": "how often the right individual stands first",
    "AUROC": "the chance that a known individual scores above a stranger; by luck it is 0.5",
}


@dataclass(frozen=True, eq=False)
class ClassLooks:
    """How often the individuals of a stage are looked at.

    Args:
        stage: its name.
        photos: (C,) photos of each individual.
        looks: (C,) looks at it in an epoch.
    """

    stage: str
    photos: Counts
    looks: Counts


@dataclass(frozen=True, eq=False)
class RunFacts:
    """What is told of a training run; what is empty is left out of the page or said to be missing.

    Args:
        title: heading of the page.
        what: a sentence on what was trained, on what.
        n_photos: learned from.
        n_individuals: on them.
        n_seconds: of the run, all of its parts together.
        memory_mb: the most that was taken, of the GPU where there is one; None when it was not measured.
        about: name to text: bundle, model, hardware, versions, seed, command.
        figures: stage, epoch, step, name and value of each figure, in the order in which they came, as
            `read_figures(folder).rows()` gives them; the measures are drawn by epoch, all others by step.
        looks: of each stage.
        measures: who was judged, such as "this network" and "the backbone", to measure to figure.
        confusions: one for each loss over classes.
        sheet: photos and looks at them.
        augmentation: how these were made.
        settings: the recipe as TOML.
        notes: sentences for the reader.
    """

    title: str
    what: str = ""
    n_photos: int = 0
    n_individuals: int = 0
    n_seconds: float = 0.0
    memory_mb: float | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    figures: Sequence[FigureRow] = ()
    looks: Sequence[ClassLooks] = ()
    measures: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    confusions: Sequence[Confusion] = ()
    sheet: Sequence[LooksRow] = ()
    augmentation: AugmentationOptions | None = None
    settings: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class _Matrix:
    """A confusion matrix as the page shows it."""

    found: Confusion
    part: Part
    file: str
    n_never: int


def run_page(run: RunFacts, out: str | Path) -> Path:
    """Write the report of a run and give its path back; each whole confusion matrix is written beside it as CSV.

    Args:
        run: what there is to tell.
        out: the HTML file; files that are there are replaced.

    Raises:
        InputError: when a file cannot be written, or a picture is no (H, W, 3) uint8 array.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run_page(RunFacts("A run of nothing"), Path(folder) / "run.html").name
        'run.html'
    """
    place = Path(out)
    matrices = [_matrix(found, file) for found, file in zip(run.confusions, _files(run.confusions), strict=True)]
    page = render(
        "resight.train.networks",
        "run.html.j2",
        title=run.title,
        run=run,
        duration=duration(run.n_seconds),
        drawn=run_figures(run.figures),
        imbalance=[_spread(one, number) for number, one in enumerate(run.looks)],
        measures=_measures(run.measures),
        means=_MEANS,
        matrices=matrices,
        most_pairs=_MOST_PAIRS,
        strips=strips(run.sheet),
        words=None if run.augmentation is None else in_words(run.augmentation),
    )
    for matrix in matrices:
        write_page(place.with_name(matrix.file), matrix.found.to_csv())
    return write_page(place, page)


def duration(n_seconds: float) -> str:
    """A time in two units at most.

    Example:
        >>> duration(8.4), duration(125), duration(7265)
        ('8 s', '2 min 5 s', '2 h 1 min')
    """
    whole = round(n_seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR:,} h {whole % _HOUR // _MINUTE} min"


def _files(confusions: Sequence[Confusion]) -> list[str]:
    """A file name for each matrix."""
    if len(confusions) == 1:
        return ["confusion.csv"]
    plain = [re.sub(r"[^a-z0-9]+", "-", one.title.lower()).strip("-") for one in confusions]
    taken = Counter(plain)
    return [
        f"confusion-{name}.csv" if name and taken[name] == 1 else f"confusion-{number}.csv"
        for number, name in enumerate(plain, start=1)
    ]


def _matrix(found: Confusion, file: str) -> _Matrix:
    return _Matrix(found, found.part(_MOST_CLASSES), file, int((found.recalls == 0).sum()))


def _spread(one: ClassLooks, number: int) -> dict[str, Any]:
    """How even photos and looks are, in a figure and in numbers; who has neither takes no part."""
    counts = np.stack([one.photos, one.looks])
    photos, looks = counts[:, counts.any(axis=0)]
    return {
        "stage": one.stage,
        "svg": photos_and_looks(photos, looks, f"figure-looks-{number}") if len(photos) else "",
        "rows": [
            ("Photos", _quantiles(photos), _of_the_first_tenth(photos)),
            ("Looks in an epoch", _quantiles(looks), _of_the_first_tenth(looks)),
        ],
        "n": plural(len(photos), "individual"),
    }


def _quantiles(counts: Counts) -> list[str]:
    """Lowest, middle and highest."""
    return [f"{number:,.0f}" for number in np.quantile(counts, [0, 0.5, 1])] if len(counts) else ["–"] * 3


def _of_the_first_tenth(counts: Counts) -> float:
    """Share of those that the tenth of individuals with the most have."""
    most = np.sort(counts)[::-1][: max(1, round(len(counts) / 10))]
    return float(most.sum() / counts.sum()) if counts.sum() else float("nan")


def _measures(of: Mapping[str, Mapping[str, Estimate]]) -> dict[str, Any]:
    """As a table: names of measures, and a row for each who was judged."""
    names = list(dict.fromkeys(name for found in of.values() for name in found))
    level = next((one.level for found in of.values() for one in found.values()), 0.95)
    rows = [(who, [found.get(name) for name in names]) for who, found in of.items()]
    return {"names": names, "rows": rows, "level": round(100 * level)}
