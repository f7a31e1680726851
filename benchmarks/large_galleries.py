"""Search of large galleries: codes on disk beside exact search, raw faiss, and usearch and Milvus Lite where installed.

    python benchmarks/large_galleries.py --sizes 10000 100000
    python benchmarks/large_galleries.py --sizes 1000000 1580000     minutes, not hours

Vectors are drawn in blocks into a file: individuals strewn over 48 directions, their photos around them. Raw faiss is
an inverted file of the same kind of codes and lists, asked for as many photos as resight proposes; the others find
photos, of whomever they are. Recall is of the five best distinct individuals of exact search. Memory is what the
process holds of its own (RssAnon), before and after a build.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from importlib import import_module
from pathlib import Path

import faiss
import numpy as np

from resight.core import Embeddings
from resight.search import CodedSearch, ExactSearch

DIMENSION, N_DIRECTIONS, PHOTOS_EACH, K, N_QUERIES, SEED = 512, 48, 20, 5, 100, 7
RESULTS = Path(__file__).parent / "results" / "large_galleries.json"


def draw(n: int, path: Path) -> tuple[Embeddings, np.ndarray, Embeddings]:
    rng = np.random.default_rng(SEED)
    centres = rng.standard_normal((max(1, n // PHOTOS_EACH), N_DIRECTIONS), np.float32)
    directions = rng.standard_normal((N_DIRECTIONS, DIMENSION), np.float32) / np.sqrt(N_DIRECTIONS)

    def photos(owners: np.ndarray) -> np.ndarray:
        around = centres[owners] + 0.6 * rng.standard_normal((len(owners), N_DIRECTIONS), np.float32)
        vectors = around @ directions + 0.1 * rng.standard_normal((len(owners), DIMENSION), np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    owners = rng.integers(0, len(centres), n)
    file = np.lib.format.open_memmap(path, "w+", np.float32, (n, DIMENSION))
    for start in range(0, n, 20_000):
        file[start : start + 20_000] = photos(owners[start : start + 20_000])
    file.flush()
    gallery = Embeddings(np.char.add("g", np.arange(n).astype(str)), np.load(path, mmap_mode="r"), "drawn")
    asked = photos(rng.integers(0, len(centres), N_QUERIES))
    return gallery, owners.astype(str), Embeddings(np.char.add("q", np.arange(N_QUERIES).astype(str)), asked, "drawn")


def held_mb() -> float:
    return int(Path("/proc/self/status").read_text(encoding="ascii").split("RssAnon:")[1].split()[0]) / 1024


def timed(job) -> tuple[float, object]:
    start = time.perf_counter()
    found = job()
    return time.perf_counter() - start, found


def one_by_one(search, queries: np.ndarray) -> float:
    """The median of milliseconds of a query that comes alone."""
    return 1e3 * float(np.median([timed(lambda row=row: search(queries[row : row + 1]))[0] for row in range(30)]))


def recall(names: np.ndarray, truth: np.ndarray) -> float:
    pairs = zip(names, truth, strict=True)
    return float(np.mean([len(set(list(dict.fromkeys(one))[:K]) & set(best)) / K for one, best in pairs]))


def peers(gallery: Embeddings, owners, queries: Embeddings, truth, searcher: CodedSearch) -> dict:
    codes, rows = searcher.codes, {}
    raw = faiss.index_factory(DIMENSION, f"IVF{codes.n_lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    raw.cp.min_points_per_centroid, raw.nprobe = 1, codes.n_probes
    sample = np.ascontiguousarray(gallery.vectors[: max(16_384, 64 * codes.n_lists)])

    def build() -> None:
        raw.train(sample)
        for start in range(0, len(gallery), 20_000):
            raw.add(gallery.vectors[start : start + 20_000])

    build_s, _ = timed(build)
    found = raw.search(queries.vectors, codes.n_proposals)[1]
    rows["faiss"] = {
        "build_s": build_s,
        "alone_ms": one_by_one(lambda q: raw.search(q, codes.n_proposals), queries.vectors),
    }
    rows["faiss"]["recall"] = recall(owners[found], truth)
    try:
        usearch = import_module("usearch.index")
    except ImportError:
        return rows
    graph = usearch.Index(ndim=DIMENSION, metric="ip", dtype="f16")
    build_s, _ = timed(lambda: graph.add(np.arange(len(gallery)), gallery.vectors))
    found = graph.search(queries.vectors, codes.n_proposals).keys.astype(np.int64)
    rows["usearch"] = {"build_s": build_s, "recall": recall(owners[found], truth)}
    rows["usearch"]["alone_ms"] = one_by_one(lambda q: graph.search(q, codes.n_proposals), queries.vectors)
    return rows


def measure(n: int, kind: str, folder: Path) -> dict:
    gallery, owners, queries = draw(n, folder / "vectors.npy")
    truth = ExactSearch(gallery, owners, in_memory=False).search(queries, K).identities
    before = held_mb()
    build_s, searcher = timed(lambda: CodedSearch.build(folder / "codes", gallery, owners, kind=kind))
    held = held_mb() - before
    open_s, searcher = timed(lambda: CodedSearch.open(folder / "codes", gallery, owners))
    batch_s, found = timed(lambda: searcher.search(queries, K))
    rows = [queries.select(np.array([row])) for row in range(30)]
    alone = 1e3 * float(np.median([timed(lambda one=one: searcher.search(one, K))[0] for one in rows]))
    ours = {"build_s": build_s, "open_s": open_s, "alone_ms": alone, "batch_ms": 1e3 * batch_s / N_QUERIES}
    ours |= {"recall": recall(found.identities, truth), "held_mb": held, "n_lists": searcher.codes.n_lists}
    ours |= {
        "n_probes": searcher.codes.n_probes,
        "disk_mb": sum(f.stat().st_size for f in (folder / "codes").iterdir()) / 1e6,
    }
    return {"n_photos": n, "kind": kind, "resight": ours, **peers(gallery, owners, queries, truth, searcher)}


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the search of large galleries.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--kind", default="int8")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    results = []
    for n in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(n, arguments.kind, Path(folder)))
        print(json.dumps(results[-1], indent=1))
    arguments.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
