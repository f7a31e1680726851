"""What a collection costs: hours and gigabytes by the number of photos, worked out from what was measured.

    python benchmarks/sizing.py            the table, from the figures in results/
    python benchmarks/sizing.py --write    puts it into docs/guides/scale.md

The model is linear in photos, and its rates are those of two files: `embedding.json` (photos of 12 megapixels read,
made small and embedded by the shipped bundle) and the largest gallery of `large_galleries.json` (codes of one byte per
number). Cores share embedding evenly, as they were seen to do; what is built and searched was measured on two.

  embedding      photos × cores / rate              hours of one core, so that any number of cores divides it
  photos, GB     photos × the mean size of a file
  vectors, GB    photos × dimension × 4 bytes
  codes, GB      photos × bytes per photo and number of what was measured × dimension
  build, h       photos × dimension × what was measured
  memory, GB     the codes, which a search wants to find in memory, and what is held when a catalogue is opened
  query, ms      photos × dimension × what a query alone took

All beyond the largest gallery that was measured is marked as more than a measurement.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
GUIDE = HERE.parent / "docs" / "guides" / "scale.md"
BEGIN, END = "<!-- sizing: written by benchmarks/sizing.py -->", "<!-- sizing ends -->"
PHOTOS = (10_000, 100_000, 1_000_000, 1_580_000, 10_000_000)
DIMENSION = 1280
"""Of the shipped bundle."""


class Rates(NamedTuple):
    """What was measured, per photo."""

    core_s: float
    file_bytes: float
    code_bytes: float  # per number of a vector, as are the next two
    build_s: float
    query_ms: float
    held_bytes: float
    largest: int


def rates() -> Rates:
    embedding = json.loads((HERE / "results" / "embedding.json").read_text(encoding="utf-8"))
    galleries = json.loads((HERE / "results" / "large_galleries.json").read_text(encoding="utf-8"))
    largest = max(galleries["sizes"], key=lambda one: one["n_photos"])
    n, ours = largest["n_photos"], largest["resight"]
    numbers = n * galleries["dimension"]
    return Rates(
        core_s=embedding["n_cores"] / embedding["photos_per_s"]["resight"],
        file_bytes=embedding["mean_photo_bytes"],
        code_bytes=1e6 * ours["disk_mb"] / numbers,
        build_s=ours["build_s"] / numbers,
        query_ms=ours["alone_ms"] / numbers,
        held_bytes=1e6 * ours["held_mb"] / n,
        largest=n,
    )


def row(n: int, per: Rates) -> list[str]:
    numbers = n * DIMENSION
    hours = n * per.core_s / 3600
    codes = numbers * per.code_bytes / 1e9
    return [
        f"{n:,}" + (" *" if n > per.largest else ""),
        _two(n * per.file_bytes / 1e9),
        _two(hours / 2),
        _two(hours / 64),
        _two(4 * numbers / 1e9),
        _two(codes),
        _two(numbers * per.build_s / 3600),
        _two(codes + n * per.held_bytes / 1e9),
        _two(numbers * per.query_ms),
    ]


def table() -> str:
    per = rates()
    head = ["photos", "photos, GB", "embedding, h on 2 cores", "on 64 cores", "vectors, GB", "codes, GB"]
    head += ["building codes, h", "memory to search, GB", "a query alone, ms"]
    lines = [head, ["---"] * len(head), *(row(n, per) for n in PHOTOS)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _two(value: float) -> str:
    """Two digits that count."""
    return f"{float(f'{value:.2g}'):,g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into the guide")
    if parser.parse_args().write:
        text = GUIDE.read_text(encoding="utf-8")
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        GUIDE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")
    print(table())


if __name__ == "__main__":
    main()
