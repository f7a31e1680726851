"""Two reviewers x 500 random decisions at once, on SQLite and on PostgreSQL: nothing is lost; and how quick it is.

Judgements, merges, splits and undos, each held to what was seen; a conflicting one is decided anew. Needs PostgreSQL
(`make postgres`); its server here waits for the disk at each commit, as SQLite does.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from postgres_server import running_server
from resight.core import Catalogue, Judgement
from resight.store import CatalogueStore, Label, journal
from resight.store.database import Database
from store.random_reviewer import N_PHOTOS, require_nothing_lost, start_catalogue, two_at_once

RESULT = Path(__file__).parent / "results" / "reviewers.json"
N_DECISIONS = 500
MANY_PHOTOS, MANY_ROWS = 100_000, 10_000


def reviewed(url: str | None) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        store = start_catalogue(Path(folder) / "catalogue", url)
        start = time.perf_counter()
        did = two_at_once(store.folder, url, N_DECISIONS)
        wall_s = time.perf_counter() - start
        require_nothing_lost(store, did)
        n_rows = len(store.log())
    counts = {name: sum(one.get(name, 0) for one in did) for one in did for name in one if name not in ("who", "done")}
    return {"n_rows": n_rows, "wall_s": round(wall_s, 1), "decisions": counts}


def many() -> dict[str, float]:
    """Median milliseconds in a catalogue of many photos and many journal rows."""
    ids = [f"p{n}" for n in range(MANY_PHOTOS)]
    with tempfile.TemporaryDirectory() as folder:
        store = CatalogueStore.create(Path(folder) / "catalogue")
        names = [f"i{n % 5_000}" for n in range(MANY_PHOTOS)]
        frame = pl.DataFrame({"image_id": ids, "path": ids, "identity": names})
        store.register(Catalogue(frame, Path("/nowhere")))
        with Database(store.folder).writing() as connection:
            for n in range(MANY_ROWS):
                photo, name = ids[7 * n + 1], names[n]
                said, before = Judgement(photo, "unsure", name, ids[n]), Label(names[7 * n + 1])
                after = {photo: before.doubted(name)}
                journal.append(connection, "judge", "anna", said.to_json(), {photo: before}, after)
        took = {
            "versions_of_50": lambda: store.versions(ids[::2_000]),
            "versions_of_all": lambda: store.versions(ids),
            "labels_of_all": store.labels,
            "judgements": store.judgements,
            "contradictions": store.contradictions,
        }
        return {name: round(statistics.median(_ms(call) for _ in range(5)), 1) for name, call in took.items()}


def _ms(call) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    found: dict[str, object] = {"n_reviewers": 2, "n_decisions_each": N_DECISIONS, "n_photos": N_PHOTOS}
    found["sqlite"] = reviewed(None)
    with running_server(safe=True) as url:
        found["postgresql"] = reviewed(url)
    found["many"] = {"n_photos": MANY_PHOTOS, "n_rows": MANY_ROWS, "median_ms": many()}
    print(json.dumps(found, indent=1))
    RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
