"""Search of large galleries: codes on disk beside raw faiss, usearch and Milvus Lite, and how each grows.

    python benchmarks/large_galleries.py --sizes 10000 100000
    python benchmarks/large_galleries.py --sizes 1000000 1580000     about an hour on two cores

Vectors are drawn in blocks into a file: individuals of very different numbers of photos strewn over 48 directions,
their photos around them. Each side runs in a process of its own. Truth are the five best distinct individuals of
exact search; resight answers with those, the others with photos, of whomever they are.

- resight: `CodedSearch.build`, then in another process `CodedSearch.open` and searches, in turns with raw faiss.
- faiss: the same codes in one index in memory, asked for as many photos from as many lists. "The same job" is what a
  user would write around it: the vectors of these photos times the query in numpy, the best of each individual, five
  of them, and four times as many photos while there are fewer. Its build is its own: trained on as many vectors.
- usearch: a graph over half precision; Milvus Lite: HNSW, inserted in blocks. A build that would take longer than its
  limit, judged by the latest blocks, is not finished, and the size is left out.

The overhead is the median, over turns, of resight's time by that of the same job: by the clock, and of the processor,
which says more where others use it too. Memory is what the process holds
of its own (RssAnon, and the peak of it, looked at each 5 ms), above what it held before. Figures are written when a
side is done, with the load of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path

import numpy as np

from resight.core import Embeddings
from resight.machine import usable_cores
from resight.search import CodedSearch, ExactSearch

DIMENSION, N_DIRECTIONS, PHOTOS_EACH, K, N_QUERIES, SEED = 512, 48, 20, 5, 100, 7
N_ALONE, N_TURNS, BLOCK = 60, 5, 20_000
RESULTS = Path(__file__).parent / "results" / "large_galleries.json"


def draw(n: int, folder: Path) -> dict:
    """Vectors, individuals and queries in files, and what exact search finds for these."""
    rng = np.random.default_rng(SEED)
    n_individuals = n // PHOTOS_EACH
    share = 1 / np.arange(1, n_individuals + 1) ** 0.6
    centres = rng.standard_normal((n_individuals, N_DIRECTIONS), np.float32)
    directions = rng.standard_normal((N_DIRECTIONS, DIMENSION), np.float32) / np.sqrt(N_DIRECTIONS)

    def photos(owners: np.ndarray) -> np.ndarray:
        around = centres[owners] + 0.6 * rng.standard_normal((len(owners), N_DIRECTIONS), np.float32)
        vectors = around @ directions + 0.1 * rng.standard_normal((len(owners), DIMENSION), np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    owners = rng.choice(n_individuals, n, p=share / share.sum())
    file = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float32, (n, DIMENSION))
    for start in range(0, n, BLOCK):
        file[start : start + BLOCK] = photos(owners[start : start + BLOCK])
    file.flush()
    np.save(folder / "owners.npy", owners.astype(str))
    np.save(folder / "queries.npy", photos(rng.choice(n_individuals, N_QUERIES, p=share / share.sum())))
    gallery, names, queries = drawn(folder)
    searcher = ExactSearch(gallery, names, in_memory=False)
    batch_s, found = timed(lambda: searcher.search(queries, K))
    np.save(folder / "truth.npy", found.identities)
    ones = [queries.select(np.array([row])) for row in range(3)]
    alone_ms = 1e3 * float(np.median([timed(lambda one=one: searcher.search(one, K))[0] for one in ones]))
    most = int(np.unique(names, return_counts=True)[1].max())
    figures = {"alone_ms": alone_ms, "batch_ms": 1e3 * batch_s / N_QUERIES}
    return {"n_individuals": len(np.unique(names)), "most_photos_of_one": most, "exact": figures}


def drawn(folder: Path) -> tuple[Embeddings, np.ndarray, Embeddings]:
    vectors, owners = np.load(folder / "vectors.npy", mmap_mode="r"), np.load(folder / "owners.npy")
    gallery = Embeddings(np.char.add("g", np.arange(len(vectors)).astype(str)), vectors, "drawn")
    asked = np.load(folder / "queries.npy")
    return gallery, owners, Embeddings(np.char.add("q", np.arange(N_QUERIES).astype(str)), asked, "drawn")


def held_mb() -> float:
    return int(Path("/proc/self/status").read_text(encoding="ascii").split("RssAnon:")[1].split()[0]) / 1024


def watched(job: Callable) -> tuple[dict, object]:
    """Seconds, and MB above what was held before: what stays, and the peak."""
    before, peak, done = held_mb(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, held_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    seconds, found = timed(job)
    done.set()
    watcher.join()
    return {"s": seconds, "held_mb": held_mb() - before, "peak_mb": max(peak - before, 0.0)}, found


def timed(job: Callable) -> tuple[float, object]:
    start = time.perf_counter()
    found = job()
    return time.perf_counter() - start, found


def in_turns(jobs: dict[str, Callable], asked: list) -> dict[str, np.ndarray]:
    """(n, 2) milliseconds per query of each job for each set of queries, by the clock and of the processor."""
    names = list(jobs)
    spent: dict[str, list] = {name: [] for name in names}
    for nth, some in enumerate(asked):
        for name in (*names[nth % len(names) :], *names[: nth % len(names)]):  # who comes first changes
            before = time.process_time()
            by_clock, _ = timed(lambda job=jobs[name], some=some: job(some))
            spent[name].append([1e3 * s / len(some) for s in (by_clock, time.process_time() - before)])
    return {name: np.array(times) for name, times in spent.items()}


def latencies(jobs: dict[str, Callable], queries: Embeddings, n_alone: int = N_ALONE) -> dict[str, dict]:
    """Of each job: queries that come alone, and batches of all."""
    ones = [queries.select(np.array([row])) for row in range(n_alone)]
    in_turns(jobs, [queries])  # a mapped page costs more when it is first touched
    found: dict[str, dict] = {name: {} for name in jobs}
    for kind, spent in (("alone", in_turns(jobs, ones)), ("batch", in_turns(jobs, [queries] * N_TURNS))):
        for name, times in spent.items():
            found[name][f"{kind}_ms"], found[name][f"{kind}_cpu_ms"] = np.median(times, axis=0).tolist()
        for peer in {"same_job", "faiss"} & set(jobs):
            ratios = np.median(spent["resight"] / spent[peer], axis=0).tolist()
            found["resight"][f"{kind}_by_{peer}"], found["resight"][f"{kind}_cpu_by_{peer}"] = ratios
    return found


def recall(names: np.ndarray, truth: np.ndarray) -> float:
    pairs = zip(names, truth, strict=True)
    return float(np.mean([len(set(list(dict.fromkeys(one))[:K]) & set(best)) / K for one, best in pairs]))


def build(folder: Path, kind: str) -> dict:
    gallery, owners, _ = drawn(folder)
    figures, searcher = watched(lambda: CodedSearch.build(folder / "codes", gallery, owners, kind=kind))
    disk = sum(file.stat().st_size for file in (folder / "codes").iterdir()) / 1e6
    codes = searcher.codes
    told = {"n_lists": codes.n_lists, "n_probes": codes.n_probes, "n_proposals": codes.n_proposals}
    told |= {"n_segments": len(codes.segments), "recall_at_build": codes.recall.value, "disk_mb": disk}
    return {"build_s": figures["s"], "build_peak_mb": figures["peak_mb"], **told}


def search(folder: Path) -> dict:
    gallery, owners, queries = drawn(folder)
    truth = np.load(folder / "truth.npy")
    opened, searcher = watched(lambda: CodedSearch.open(folder / "codes", gallery, owners))
    raw = in_one_index(folder / "codes", searcher)
    n_asked, vectors = searcher.codes.n_proposals, gallery.vectors
    _, individual = np.unique(owners, return_inverse=True)

    def same_job(asked: Embeddings) -> list:
        answers, short, n = [None] * len(asked), np.arange(len(asked)), n_asked
        while len(short):
            for nth, proposed in zip(short, raw.search(asked.vectors[short], n)[1], strict=True):
                rows = proposed[proposed >= 0]
                scores = vectors[rows] @ asked.vectors[nth]
                order = np.argsort(-scores)
                _, first = np.unique(individual[rows[order]], return_index=True)
                best = order[np.sort(first)[:K]]
                answers[nth] = gallery.image_ids[rows[best]], owners[rows[best]], scores[best]
            short, n = np.array([nth for nth in short if len(answers[nth][0]) < K], np.int64), 4 * n
        return answers

    first_s, _ = timed(lambda: searcher.search(queries.select(np.array([N_QUERIES - 1])), K))
    jobs = {
        "resight": lambda asked: searcher.search(asked, K),
        "faiss": lambda asked: raw.search(asked.vectors, n_asked),
        "same_job": same_job,
    }
    found = latencies(jobs, queries)
    found["resight"]["recall"] = recall(searcher.search(queries, K).identities, truth)
    found["faiss"]["recall"] = recall(owners[raw.search(queries.vectors, n_asked)[1]], truth)
    found["same_job"]["recall"] = recall([names for _, names, _ in same_job(queries)], truth)
    found["resight"] |= {"open_s": opened["s"], "held_mb": opened["held_mb"], "open_peak_mb": opened["peak_mb"]}
    found["resight"]["first_ms"] = 1e3 * first_s
    return found


def in_one_index(folder: Path, searcher: CodedSearch):
    """The codes of all segments, in memory as raw faiss would hold them; rows are those of the gallery."""
    faiss = import_module("faiss")
    whole, *rest = [faiss.read_index(str(folder / f"codes-{one.name}.faiss")) for one in searcher.codes.segments]
    for part in rest:
        whole.merge_from(part, whole.ntotal)
    whole.nprobe = searcher.codes.n_probes
    return whole


def build_faiss(folder: Path, kind: str, n_lists: int) -> dict:
    faiss = import_module("faiss")
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    code = {"fp16": "SQfp16", "int8": "SQ8", "pq": f"PQ{DIMENSION // 4}np"}[kind]
    index = faiss.index_factory(DIMENSION, f"IVF{n_lists},{code}", faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1
    some = np.random.default_rng(0).permutation(len(vectors))[: max(16_384, 32 * n_lists)]

    def whole() -> None:
        index.train(vectors[np.sort(some)])
        for start in range(0, len(vectors), BLOCK):
            index.add(vectors[start : start + BLOCK])

    figures, _ = watched(whole)
    return {"build_s": figures["s"], "build_peak_mb": figures["peak_mb"], "held_mb": figures["held_mb"]}


def too_long(add: Callable, n: int, limit_s: float) -> float | None:
    """Add blocks; None when all are in, else the seconds that it would have taken, at the latest blocks' speed."""
    edges = [*range(0, n, BLOCK // 4), n]
    started = time.perf_counter()
    for first, last in pairwise(edges):
        spent, _ = timed(lambda first=first, last=last: add(first, last))
        expected = time.perf_counter() - started + spent * (n - last) / (last - first)
        if last >= BLOCK and expected > limit_s:
            return expected
    return None


def build_usearch(folder: Path, n_asked: int, limit_s: float) -> dict:
    gallery, owners, queries = drawn(folder)
    graph = import_module("usearch.index").Index(ndim=DIMENSION, metric="ip", dtype="f16")

    def add(first: int, last: int) -> None:
        graph.add(np.arange(first, last), np.ascontiguousarray(gallery.vectors[first:last]))

    figures, late = watched(lambda: too_long(add, len(gallery), limit_s))
    if late:
        return {"left_out": f"its build would take {late:.0f} s"}
    found = graph.search(queries.vectors, n_asked).keys.astype(np.int64)
    times = latencies({"it": lambda asked: graph.search(asked.vectors, n_asked)}, queries)["it"]
    told = {"build_s": figures["s"], "held_mb": figures["held_mb"], **times}
    return {**told, "recall": recall(owners[found], np.load(folder / "truth.npy"))}


def build_milvus(folder: Path, n_asked: int, limit_s: float) -> dict:
    milvus = import_module("pymilvus")
    gallery, owners, queries = drawn(folder)
    client = milvus.MilvusClient(str(folder / "lite.db"))
    schema = client.create_schema()
    schema.add_field("id", milvus.DataType.INT64, is_primary=True)
    schema.add_field("vector", milvus.DataType.FLOAT_VECTOR, dim=DIMENSION)
    client.create_collection("drawn", schema=schema)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="HNSW", metric_type="IP", params={"M": 32, "efConstruction": 80})

    def add(first: int, last: int) -> None:
        for start in range(first, last, 1000):
            rows = range(start, min(start + 1000, last))
            client.insert("drawn", [{"id": row, "vector": gallery.vectors[row]} for row in rows])

    def whole() -> float | None:
        late = too_long(add, len(gallery), limit_s)
        if not late:
            client.create_index("drawn", index)
            client.load_collection("drawn")
        return late

    def ask(asked: Embeddings) -> list:
        options = {"params": {"ef": 128}}
        return client.search("drawn", list(asked.vectors), limit=n_asked, search_params=options)

    figures, late = watched(whole)
    if late:
        return {"left_out": f"its insert would take {late:.0f} s"}
    found = [[owners[hit["id"]] for hit in hits] for hits in ask(queries)]
    told = {"build_s": figures["s"], "held_mb": figures["held_mb"], **latencies({"it": ask}, queries, 10)["it"]}
    return {**told, "recall": recall(found, np.load(folder / "truth.npy"))}


def in_own_process(part: str, *arguments: object) -> dict:
    command = [sys.executable, __file__, "--part", part, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return {"left_out": f"it ended with {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


PARTS: dict[str, Callable[..., dict]] = {
    "draw": lambda n, folder: draw(int(n), Path(folder)),
    "build": lambda folder, kind: build(Path(folder), kind),
    "search": lambda folder: search(Path(folder)),
    "faiss": lambda folder, kind, n_lists: build_faiss(Path(folder), kind, int(n_lists)),
    "usearch": lambda folder, n_asked, limit_s: build_usearch(Path(folder), int(n_asked), float(limit_s)),
    "milvus": lambda folder, n_asked, limit_s: build_milvus(Path(folder), int(n_asked), float(limit_s)),
}


def measure(n: int, arguments: argparse.Namespace) -> Iterator[dict]:
    """What is known of a size, after each of its parts."""
    started, told = time.perf_counter(), {"n_photos": n, "kind": arguments.kind, "n_cores": usable_cores()}
    told["load_1_min"] = {}

    def run(part: str, *given: object) -> dict:
        before = os.getloadavg()[0]
        found = in_own_process(part, *given)
        told["load_1_min"][part] = [before, os.getloadavg()[0]]
        print(f"{n:>9,} {part:8} {time.perf_counter() - started:6.0f} s  load {before:.1f}  {found}", flush=True)
        return found

    with tempfile.TemporaryDirectory() as folder:
        told |= run("draw", n, folder)
        told["resight"] = run("build", folder, arguments.kind)
        yield told
        found = run("search", folder)
        told |= found | {"resight": told["resight"] | found["resight"]}
        yield told
        told["faiss"] |= run("faiss", folder, arguments.kind, told["resight"]["n_lists"])
        yield told
        for peer, limit_s in (("usearch", arguments.usearch_limit_s), ("milvus", arguments.milvus_limit_s)):
            told[peer] = run(peer, folder, told["resight"]["n_proposals"], limit_s)
            yield told


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("resight", "faiss-cpu", "usearch", "pymilvus", "milvus-lite", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the search of large galleries.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--kind", default="int8")
    parser.add_argument("--usearch-limit-s", type=float, default=600)
    parser.add_argument("--milvus-limit-s", type=float, default=300)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--part", nargs="+", help="what one of its own processes does")
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(PARTS[arguments.part[0]](*arguments.part[1:])))
        return 0
    known = json.loads(arguments.out.read_text(encoding="utf-8"))["sizes"] if arguments.out.exists() else []
    for n in arguments.sizes:
        known = [one for one in known if (one["n_photos"], one["kind"]) != (n, arguments.kind)]
        for new in measure(n, arguments):
            sizes = sorted([*known, new], key=lambda one: (one["kind"], one["n_photos"]))
            told = {
                "benchmark": "large_galleries",
                "dimension": DIMENSION,
                "k": K,
                "n_queries": N_QUERIES,
                "seed": SEED,
            }
            text = json.dumps({**told, "versions": versions(), "sizes": sizes}, indent=2)
            arguments.out.write_text(text + "\n", encoding="utf-8")
        known.append(new)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
