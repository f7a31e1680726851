"""What verifying pairs of photos gave: a table, measures with intervals, and files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core import PhotoPairs
from resight.core.estimate import Estimate
from resight.datasets.written import write_table, write_text
from resight.embed import Failure
from resight.evaluate import JudgedPairs, PairMeasures
from resight.pages.wording import plural
from resight.pipeline.forms import Form
from resight.pipeline.pair_calibration import PairCalibration
from resight.pipeline.pairs import PairScores
from resight.pipeline.submit import Submitted, write_submission

__all__ = ["WRITTEN", "Verification", "judged_pairs"]

WRITTEN = ("submission.csv", "pairs.csv", "verification.json", "report.html")
"""The files of a verification."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Verification:
    """What verifying pairs of photos gave.

    Args:
        pairs: the pairs, and what is known of them.
        model: fingerprint of the model.
        columns: "cosine" and further evidence, (P,) float32 each; NaN where there is none.
        scores: (P,) float64, higher is more alike: the cosine, or with evidence the probability; NaN for a pair of
            which a photo could not be embedded.
        scale: "cosine" or "probability".
        probabilities: (P,) that both photos show the same individual and nothing forged; NaN where not known.
        calibration: how they were fitted; None when they were not.
        measures: None without labelled pairs of both kinds.
        failures: the photos that could not be embedded, with the reason.
        notes: what should be known before the figures are trusted.
        n_embedded: vectors that were made in this run.
    """

    pairs: PhotoPairs
    model: str
    columns: Mapping[str, npt.NDArray[np.float32]]
    scores: Floats
    scale: str
    probabilities: Floats
    calibration: PairCalibration | None
    measures: PairMeasures | None
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    n_embedded: int

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.pairs)

    def __str__(self) -> str:
        """The counts, and the measures where there are any, each in a line."""
        photos = plural(len(self.pairs.photos), "photo")
        made = f"{self.n_embedded:,} embedded now, {len(self.failures):,} could not be"
        lines = [f"{plural(len(self), 'pair')} of {photos} ({made})"]
        return "\n".join([*lines, *(() if self.measures is None else measure_lines(self.measures))])

    @property
    def judged(self) -> JudgedPairs:
        """The labelled pairs with their scores."""
        return judged_pairs(self.pairs, self.scores)

    def table(self) -> pl.DataFrame:
        """One row per pair, in their order: ids, paths, what is known, every column, `score` and `probability`."""
        paths, frame = self.pairs.photos.frame["path"], self.pairs.frame
        told = [frame[name] for name in ("same", "kind", "person_a", "person_b", "fold") if frame[name].count()]
        places = [paths.gather(frame[side]).alias(name) for side, name in (("first", "path_a"), ("second", "path_b"))]
        said: dict[str, npt.NDArray[Any]] = {**self.columns, "score": self.scores, "probability": self.probabilities}
        numbers = [pl.Series(name, values).fill_nan(None) for name, values in said.items()]
        return pl.DataFrame([frame["pair_id"], *places, *told, *numbers])

    def to_json(self, *, with_pairs: bool = True) -> dict[str, Any]:
        """A mapping that JSON can hold; NaN becomes null."""
        rows = {"pairs": self.table().to_dicts()} if with_pairs else {}
        return {
            "model": self.model,
            "scale": self.scale,
            "n_pairs": len(self),
            "n_photos": len(self.pairs.photos),
            "n_embedded": self.n_embedded,
            "calibration": self.calibration and self.calibration.to_json(),
            "measures": self.measures and self.measures.to_json(),
            "notes": list(self.notes),
            "failures": [asdict(failure) for failure in self.failures],
            **rows,
        }

    def write_submission(self, out: str | Path, sample: str | Path | None = None) -> Submitted:
        """Write `pair_id,similarity`; with a sample only its ids are answered, in its order.

        Raises:
            InputError: when the sample is wrong, or the disk refuses.
        """
        found = PairScores(tuple(self.pairs.pair_ids.tolist()), self.scores, self.failures)
        return write_submission(found, Form.of_file("kryptonite", sample), out)

    def write_page(self, out: str | Path) -> Path:
        """Write the page of measures, figures and hardest errors, and give its path back.

        Raises:
            InputError: when the file cannot be written.
        """
        from resight.pipeline.verification_page import write_verification_page

        return write_verification_page(self, out)

    def write(self, folder: str | Path, sample: str | Path | None = None) -> Verification:
        """Write `submission.csv`, `pairs.csv`, `verification.json` and `report.html` into a folder.

        Returns:
            The same, with a note on each kind of row of the submission that has no answer.

        Raises:
            InputError: when the sample is wrong, or the disk refuses.
        """
        place = Path(folder)
        submitted = self.write_submission(place / "submission.csv", sample)
        found = replace(self, notes=(*self.notes, *submitted.notes))
        write_table(found.table(), place / "pairs.csv")
        document = json.dumps(found.to_json(with_pairs=False), indent=2, allow_nan=False)
        write_text(document + "\n", place / "verification.json")
        found.write_page(place / "report.html")
        return found


def judged_pairs(pairs: PhotoPairs, scores: Floats) -> JudgedPairs:
    """The labelled pairs with their scores."""
    known = pairs.is_labelled
    return JudgedPairs(scores[known], pairs.is_genuine[known], pairs.persons[known], pairs.kinds[known])


def measure_lines(found: PairMeasures) -> list[str]:
    """The measures as lines of text."""
    counts = f"{found.n_genuine:,} genuine and {found.n_impostor:,} impostor pairs of {found.n_persons:,} persons"
    lines = [f"{counts}, {found.n_not_compared:,} not compared"]
    lines += [f"EER ({name})  {_said(one)}" for name, one in found.eer.items()]
    parts = {"EER real": found.eer_real, "EER fake": found.eer_fake}
    parts |= {f"EER {kind}": one for kind, one in found.kinds.items()}
    lines += [f"{name}  {_said(one)}" for name, one in parts.items() if one is not None]
    for tar in found.tar:
        said = tar.at.note or f"{_said(tar.estimate)} (achieved {tar.at.achieved:.4g})"
        lines.append(f"TAR at FAR {tar.at.target:g}  {said}")
    if found.folds is not None:
        lines.append(f"accuracy over {len(found.folds.folds)} folds  {_said(found.folds.estimate)}")
    for group in found.groups:
        rates = {"EER": group.eer, "FNMR": group.fnmr, "FMR": group.fmr}
        known = (f"{name} {_said(one)}" for name, one in rates.items() if not math.isnan(one.value))
        lines.append(f"{group.column} {group.value}  {', '.join(known)}")
    return lines


def _said(one: Estimate) -> str:
    """A figure with its interval, as far as either is known."""
    if math.isnan(one.value):
        return "insufficient data"
    return f"{one.value:.3f}" if math.isnan(one.low) else str(one)
