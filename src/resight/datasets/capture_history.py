"""Writing a catalogue as capture histories: which individual was met on which occasion, for mark-recapture software."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from resight.core import Catalogue
from resight.datasets.written import write_table, write_text
from resight.errors import InputError, UnknownNameError

__all__ = ["OCCASIONS", "CaptureHistoryExport"]

OCCASIONS = {"day": 10, "month": 7, "year": 4, "encounter": 0}
"""What may be an occasion; of a date, how many characters of `2024-05-31` say which one it is."""

_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?")
_MARK, _TABLE = ".inp", ".csv"
_NO_GROUP = "none"
_GROUP = "group"


@dataclass(frozen=True)
class CaptureHistoryExport:
    """Writes a row per individual and a 0 or 1 per occasion: whether it was met.

    An occasion is a date up to the day, month or year, or an encounter; one with photos of unlabelled individuals only
    counts too, as somebody looked. A file that ends in `.csv` is a table with a column per occasion, one that ends in
    `.inp` what MARK reads, after RMark's description of it (`convert.inp`): the history without blanks, a frequency
    for each group, a semicolon, and names in comments.

    Args:
        occasions: "day", "month", "year" or "encounter". Encounters stand in the order of their first date.
        group: column whose value is the individual's group, such as side or species; an individual whose photos
            have several of them has all of these, as in `left+right`.

    Raises:
        InputError: when there are no such occasions.
    """

    occasions: str = "month"
    group: str | None = None

    suffix = _TABLE

    def __post_init__(self) -> None:
        """Check the occasions."""
        if self.occasions not in OCCASIONS:
            raise UnknownNameError("kind of occasion", self.occasions, OCCASIONS)

    def write(self, catalogue: Catalogue, out: Path) -> tuple[str, ...]:
        """Write the histories; gives a sentence for each thing that is left out or that the reader should know.

        Raises:
            UnknownNameError: when there is no column of that group.
            InputError: when no labelled photo has an occasion, the file ends otherwise, or the disk refuses.
        """
        if out.suffix.lower() not in (_MARK, _TABLE):
            raise InputError(f"expected a file name that ends in {_TABLE} or {_MARK} for histories, found {out.name}")
        if self.group is not None and self.group not in catalogue.frame.columns:
            raise UnknownNameError("column", self.group, catalogue.frame.columns)
        met = self._meetings(catalogue.frame)
        known = met.filter(pl.col("occasion").is_not_null() & pl.col("identity").is_not_null())
        if not known.height:
            raise InputError(
                f"expected labelled photos with {self._asked_for}, found none: label some, or take other --occasions"
            )
        table = _histories(known, _in_order(met))
        if out.suffix.lower() == _TABLE:
            write_table(table if self.group is not None else table.drop(_GROUP), out)
        else:
            write_text(_for_mark(table), out)
        return (*self._left_out(met, table), *self._told(table))

    @property
    def _asked_for(self) -> str:
        return "an encounter" if self.occasions == "encounter" else f"a date that tells the {self.occasions}"

    def _meetings(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Per photo: identity, group, occasion (null when not known) and date."""
        n = OCCASIONS[self.occasions]
        dates = [date[:n] if date and _DATE.fullmatch(date[:n]) and len(date) >= n else None for date in frame["date"]]
        occasion = pl.Series(dates, dtype=pl.String) if n else frame["encounter"]
        group = frame[self.group].cast(pl.String) if self.group is not None else pl.lit(None, pl.String)
        return frame.select("identity", "date", occasion=occasion, group=group)

    def _left_out(self, met: pl.DataFrame, table: pl.DataFrame) -> list[str]:
        unlabelled = met["identity"].null_count()
        without = met.filter(pl.col("identity").is_not_null() & pl.col("occasion").is_null())
        never = without["identity"].n_unique() - without["identity"].unique().is_in(table["individual"].to_list()).sum()
        notes = []
        if unlabelled:
            notes.append(f"photos that show nobody known make an occasion and no capture: {unlabelled:,}")
        if without.height:
            notes.append(
                f"labelled photos left out, as they lack {self._asked_for}: {without.height:,}; "
                f"individuals that have no other photo: {never:,}"
            )
        return notes

    def _told(self, table: pl.DataFrame) -> list[str]:
        several = table[_GROUP].str.contains("+", literal=True).sum() if self.group is not None else 0
        n_occasions = table.width - 2
        notes = [
            f"{n_occasions:,} occasions, those with a photo: tell the software how long the intervals between them are"
        ]
        if several:
            notes.append(
                f"individuals of several values of '{self.group}', which make groups of their own: {several:,}"
            )
        return notes


def _in_order(met: pl.DataFrame) -> list[str]:
    """All occasions, by their first date and then by name; those without a date last."""
    first = met.drop_nulls("occasion").group_by("occasion").agg(pl.col("date").min())
    return first.sort("date", "occasion", nulls_last=True)["occasion"].to_list()


def _histories(known: pl.DataFrame, occasions: Sequence[str]) -> pl.DataFrame:
    """A row per individual: its name, its group, and 0 or 1 for each occasion."""
    met: dict[str, set[str]] = {}
    groups: dict[str, set[str]] = {}
    for row in known.sort("identity").iter_rows(named=True):
        met.setdefault(row["identity"], set()).add(row["occasion"])
        groups.setdefault(row["identity"], set()).update({row["group"]} - {None})
    told = {"individual": list(met), _GROUP: ["+".join(sorted(groups[name])) or _NO_GROUP for name in met]}
    captured = {f"\0{occasion}": [int(occasion in seen) for seen in met.values()] for occasion in occasions}
    return pl.DataFrame({**told, **captured}).rename({name: _column(name, told) for name in captured})


def _column(name: str, taken: dict[str, list[str]]) -> str:
    plain = name[1:]
    return f"{plain} (occasion)" if plain in taken else plain


def _for_mark(table: pl.DataFrame) -> str:
    groups = sorted(table[_GROUP].unique().to_list())
    lines = [f"/* occasions: {_safe(', '.join(table.columns[2:]))} */", f"/* groups: {_safe(', '.join(groups))} */"]
    for name, group, *captured in table.iter_rows():
        frequencies = " ".join("1" if one == group else "0" for one in groups)
        lines.append(f"/* {_safe(name)} */ {''.join(map(str, captured))} {frequencies};")
    return "\n".join(lines) + "\n"


def _safe(text: str) -> str:
    """A text that stands in a comment on one line."""
    return " ".join(text.replace("*/", "* /").split())
