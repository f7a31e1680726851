"""Embedding by two workers of Ray, beside the local engine: the rate on the same photos, and a worker that is killed.

    python benchmarks/ray_embedding.py            2,000 photos in three turns, then 2,000 with a kill
    python benchmarks/ray_embedding.py --quick    60 photos in one turn, then 120 with a kill

Rate: the same photos through `embed_photos` in this process (as many threads as cores) and through `RayEngine` (two
workers that share the cores), turn and turn about, since other work may run on the machine; the ratio is taken per
turn, and the median counts. Ray is started anew in each turn. Its start is what passes before the first worker begins
with a photo, told by itself; the ratio is given without it and with it.

Kill: photos are indexed by the local engine and by Ray; when the first partition has come, one worker gets SIGKILL.
Both catalogues must have the same rows, failures and file of vectors, to the last bit.

The photos are those of `wildlife_nyala_dev` of RESIGHT_DATA or ../shared/data, linked again under other names until
there are enough; else drawn ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import signal
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import polars as pl

import resight
from resight.core import Catalogue
from resight.datasets import make_synthetic
from resight.embed import DEFAULT_BUNDLE, Bundle, bundle_path, embed_photos
from resight.machine import usable_cores
from resight.pipeline import index_photos
from resight.scale import RayEngine
from resight.store import CatalogueStore

DATA = Path(os.environ.get("RESIGHT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "ray_embedding.json"
N_WORKERS = 2
TARGET = 0.8
SEED = 7


def source(folder: Path) -> tuple[str, list[Path]]:
    """What the photos are, and where."""
    real = DATA / "wildlife_nyala_dev" / "images"
    if real.is_dir():
        return "wildlife_nyala_dev", sorted(real.rglob("*.jpg"))
    made = make_synthetic(folder, n_identities=20, n_encounters=5, n_photos=4, side_px=512, seed=SEED)
    return "synthetic", [made.root / row["path"] for row in made]


def linked(photos: list[Path], n_photos: int, folder: Path) -> Catalogue:
    folder.mkdir()
    names = [f"{n:05d}.jpg" for n in range(n_photos)]
    for n, name in enumerate(names):
        (folder / name).symlink_to(photos[n % len(photos)])
    return Catalogue(pl.DataFrame({"image_id": names, "path": names}), folder)


def local_turn(photos: Catalogue) -> dict[str, float]:
    begun = time.perf_counter()
    bundle = Bundle.load(DEFAULT_BUNDLE)
    loaded = time.perf_counter()
    for _ in embed_photos(photos, bundle, show_progress=False):
        pass
    ended = time.perf_counter()
    return {"start_s": loaded - begun, "embedding_s": ended - loaded, "all_s": ended - begun}


def ray_turn(photos: Catalogue, folder: Path) -> dict[str, float]:
    """Timed by the wall: a worker notes that it begins with a partition in a file, whose time is that of the start."""
    begun, first = time.time(), float("inf")
    for _ in RayEngine(N_WORKERS).embed(photos, bundle_path(), folder):
        first = min([first, *(path.stat().st_mtime for path in folder.glob("*.tries"))])
        ended = time.time()  # the last partition is there; what follows is that Ray ends
    return {"start_s": first - begun, "embedding_s": ended - first, "all_s": time.time() - begun}


def rates(photos: Catalogue, n_turns: int, scratch: Path) -> dict[str, object]:
    turns = []
    for turn in range(n_turns):
        sides = {}
        for side in ("local", "ray") if turn % 2 == 0 else ("ray", "local"):
            sides[side] = local_turn(photos) if side == "local" else ray_turn(photos, scratch / f"parts-{turn}")
        turns.append(sides)
        print(f"turn {turn}: {json.dumps(sides)}", flush=True)
    return {
        "n_photos": len(photos),
        "turns": turns,
        "photos_per_s": {
            side: len(photos) / statistics.median(one[side]["embedding_s"] for one in turns)
            for side in ("local", "ray")
        },
        "ratio": statistics.median(one["local"]["embedding_s"] / one["ray"]["embedding_s"] for one in turns),
        "ratio_with_start": statistics.median(one["local"]["all_s"] / one["ray"]["all_s"] for one in turns),
        "ray_start_s": statistics.median(one["ray"]["start_s"] for one in turns),
    }


class Killing(RayEngine):
    def embed(self, photos, bundle, folder, *, strict=False):
        for n, batch in enumerate(super().embed(photos, bundle, folder, strict=strict)):
            if n == 0:
                pids, n_done = workers(), len(list(folder.glob("*.npz")))
                os.kill(min(pids), signal.SIGKILL)
            yield batch
        note = {"n_workers": len(pids), "n_partitions": n + 1, "n_done_at_the_kill": n_done}
        object.__setattr__(self, "note", {**note, "killed_worker_is_gone": min(pids) not in workers()})


def workers() -> set[int]:
    """The processes that embed, among those that this one started."""
    parents, titles = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            titles[int(place.name)] = (place / "cmdline").read_text()
        except (OSError, ProcessLookupError):
            continue

    def is_ours(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and is_ours(parents[pid]))

    return {pid for pid, title in titles.items() if title.startswith("ray::MapWorker") and is_ours(pid)}


def contents(folder: Path) -> tuple[object, ...]:
    store = CatalogueStore.open(folder)
    (vectors,) = (folder / "vectors").iterdir()
    rows = store.catalogue().frame.write_json()
    return rows, store.failures(), hashlib.sha256(vectors.read_bytes()).hexdigest()


def kill(photos: Catalogue, scratch: Path) -> dict[str, object]:
    index_photos(photos, scratch / "undisturbed")
    engine = Killing(N_WORKERS, partition_size=64)
    index_photos(photos, scratch / "killed", engine=engine)
    whole, found = contents(scratch / "undisturbed"), contents(scratch / "killed")
    return {"n_photos": len(photos), **engine.note, "vectors_sha256": found[2], "equal": whole == found}


def main() -> int:
    parser = argparse.ArgumentParser(description="Time embedding by Ray, and kill a worker of it.")
    parser.add_argument("--quick", action="store_true", help="few photos, one turn")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the JSON goes")
    arguments = parser.parse_args()
    n_photos, n_turns, n_kill = (60, 1, 120) if arguments.quick else (2000, 3, 2000)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        kind, photos = source(scratch / "drawn")
        measured = rates(linked(photos, n_photos, scratch / "photos"), n_turns, scratch)
        killed = kill(linked(photos, n_kill, scratch / "many"), scratch)
    result = {
        "benchmark": "ray_embedding",
        "photos": kind,
        "n_workers": N_WORKERS,
        **measured,
        "target_ratio": TARGET,
        "kill": killed,
        "load_average": os.getloadavg(),
        "n_cores": usable_cores(),
        "machine": platform.machine(),
        "versions": {"resight": resight.__version__, "ray": version("ray"), "python": platform.python_version()},
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0 if killed["equal"] and measured["ratio"] >= TARGET else 1


if __name__ == "__main__":
    raise SystemExit(main())
