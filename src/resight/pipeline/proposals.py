"""What grouping proposes, and how it is shown, handed in, and written into the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core import Answer, Catalogue, Estimate, Verdict
from resight.datasets.submissions import write_rows
from resight.decide.grouping import Groups
from resight.errors import InputError
from resight.pages.wording import plural
from resight.pipeline.forms import Form
from resight.pipeline.group_page import write_groups
from resight.store import CatalogueStore, JournalEntry

_SHOWN_MEMBERS = 6


@dataclass(frozen=True, eq=False)
class Grouping:
    """What `group_catalogue` proposes; nothing is written into the catalogue but by `apply`.

    Args:
        folder: the catalogue.
        photos: the photos that have a vector, labelled ones too.
        groups: which of them show one individual, in the order of `photos`.
        n_new: how many individuals that nobody has named the photos show, with an interval.
        min_probability: the mean probability down to which two groups were joined.
        calibrated: whether that line, the confidence and the interval were learned from labelled photos.
        left_out: image ids of unlabelled photos without a vector.
        model: fingerprint of the model.
        notes: sentences for the user.
    """

    folder: Path
    photos: Catalogue
    groups: Groups
    n_new: Estimate
    min_probability: float
    calibrated: bool
    left_out: tuple[str, ...]
    model: str
    notes: tuple[str, ...]

    @property
    def unlabelled(self) -> npt.NDArray[np.bool_]:
        """(N,) whether a photo came without a name."""
        return self.photos.frame["identity"].is_null().to_numpy()

    @property
    def n_individuals(self) -> Estimate:
        """How many individuals the photos show in all: the named ones, and the new ones."""
        n, new = self.photos.n_identities, self.n_new
        return replace(new, value=n + new.value, low=n + new.low, high=n + new.high)

    def proposals(self) -> list[tuple[str, bool, npt.NDArray[np.int64]]]:
        """Per group with unlabelled photos: its name, whether it is a known individual's, and the rows of these."""
        rows = np.flatnonzero(self.unlabelled)
        order = rows[np.argsort(self.groups.clusters[rows], kind="stable")]
        parts = np.split(order, np.flatnonzero(np.diff(self.groups.clusters[order])) + 1) if len(order) else []
        clusters = [int(self.groups.clusters[part[0]]) for part in parts]
        names = self.groups.names
        return [(names[c], c < self.groups.n_known, part) for c, part in zip(clusters, parts, strict=True)]

    def table(self) -> pl.DataFrame:
        """One row per unlabelled photo: image_id, cluster (its name), known, confidence."""
        return self.groups.table().filter(pl.Series(self.unlabelled))

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        ids, sure = self.groups.image_ids, self.groups.confidence
        return {
            "model": self.model,
            "n_photos": int(self.unlabelled.sum()),
            "n_named": self.photos.n_identities,
            "n_new": self.n_new.to_json(),
            "n_individuals": self.n_individuals.to_json(),
            "min_probability": self.min_probability,
            "calibrated": self.calibrated,
            "groups": [
                {
                    "name": name,
                    "known": known,
                    "photos": [{"image_id": str(ids[row]), "confidence": float(sure[row])} for row in rows],
                }
                for name, known, rows in self.proposals()
            ],
            "left_out": list(self.left_out),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """The number of individuals, and a line per group of two or more photos and per photo of a known one."""
        found = self.proposals()
        n_photos, n_alone = int(self.unlabelled.sum()), sum(not known and len(rows) == 1 for _, known, rows in found)
        count, n_named = self.n_new, self.photos.n_identities
        promise = f"{count.level:.0%} interval" if self.calibrated else "unchecked"
        new_ones = f"{count.value:.0f} new ({count.low:.0f} to {count.high:.0f}, {promise})"
        lines = [
            f"{plural(n_photos, 'unlabelled photo')} in {plural(len(found), 'group')}, {n_alone} of them of one photo",
            f"individuals: {n_named} named, and about {new_ones}",
        ]
        for name, known, rows in found:
            if known or len(rows) > 1:
                lines.append(f"{name:<20} {'known' if known else 'new':<6} {len(rows):>5}  {self._listed(rows)}")
        return "\n".join(lines)

    def apply(self, *, who: str) -> list[JournalEntry]:
        """Write the names of known individuals, and of proposed ones with two photos or more, into the catalogue.

        Each group is one journal row, which `resight catalogue undo` takes back. A photo alone keeps no name. A photo
        that someone named meanwhile stays as it is.

        Raises:
            InputError: when nobody is named, or another individual has a proposed name by now.
        """
        store = CatalogueStore.open(self.folder)
        now = store.catalogue()
        free = set(now.frame.filter(pl.col("identity").is_null())["image_id"])
        taken = set(now.frame["identity"].drop_nulls())
        wanted = [one for one in self.proposals() if one[1] or len(one[2]) > 1]
        doubled = next((name for name, known, _ in wanted if not known and name in taken), None)
        if doubled is not None:
            raise InputError(f"expected '{doubled}' to be a new name, found an individual of that name: group again")
        entries = []
        for name, _, rows in wanted:
            ids = [image_id for image_id in self.groups.image_ids[rows].tolist() if image_id in free]
            if ids:
                entries.append(store.assign(ids, name, who=who))
        return entries

    def write_submission(self, form: Form, out: str | Path) -> int:
        """Write the group of each unlabelled photo as a submission; gives the number of rows.

        A photo without a vector, and one that the sample asks about and that is not there, has a group of its own.

        Raises:
            InputError: when the format is about pairs, or the disk refuses.
        """
        if form.of.of_pairs:
            raise InputError(f"expected a format about single photos, found {form.of.name}")
        rows = np.flatnonzero(self.unlabelled)
        names = form.names(self.photos.select(rows))
        cluster = dict(zip(self.groups.image_ids[rows].tolist(), self.groups.identities[rows].tolist(), strict=True))
        label = {name: (cluster[image_id],) for name, image_id in names.items()} | dict.fromkeys(self.left_out, ())
        asked = sorted(label) if form.asked is None else form.asked
        answers = (Answer(name, label.get(name, ()), 1.0, Verdict.KNOWN) for name in asked)
        cells = [(answer.about, form.of.cell(answer)) for answer in answers]
        write_rows(cells, form.of.columns, Path(out))
        return len(cells)

    def write_page(self, out: str | Path) -> Path:
        """Write an HTML page with the photos of each group side by side; gives its path back."""
        return write_groups(self, out)

    def _listed(self, rows: npt.NDArray[np.int64]) -> str:
        shown = self.groups.image_ids[rows[:_SHOWN_MEMBERS]].tolist()
        more = len(rows) - len(shown)
        return ", ".join(shown) + (f" and {more:,} more" if more else "")
