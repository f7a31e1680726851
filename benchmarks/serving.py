"""The service under load on loopback: clients that identify and review at once, and what the service adds to the work.

A gallery of made-up vectors is written behind real photos, so that the search is as large as asked for. Fifty clients
ask without a pause; errors, 95th percentiles and the memory of the service's processes are taken. After that one
client sends photos one after the other, beside the library called in a loop on the same photos.

    python benchmarks/serving.py [--n-vectors 50000] [--n-clients 50] [--seconds 60] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import numpy as np
import polars as pl

from resight.core import Catalogue, Embeddings
from resight.datasets import make_synthetic
from resight.decide.rule import GalleryGrownWarning
from resight.embed import EmbeddedBatch, FileStat
from resight.pipeline import Identifier, calibrate_catalogue, index_photos
from resight.store import CatalogueStore

TOKEN = "a-token-of-the-benchmark"  # noqa: S105  of this run alone


def made_catalogue(folder: Path, n_vectors: int) -> Path:
    """Drawn photos, and vectors of photos that are not there, of individuals of five photos each."""
    photos = folder / "photos"
    make_synthetic(photos, n_identities=20, n_encounters=3, n_photos=2, n_strangers=20, side_px=160, seed=1)
    catalogue = folder / "mine"
    model = index_photos(photos, catalogue).model
    calibrate_catalogue(catalogue, "fpir=0.1", same=["side"])
    store = CatalogueStore.open(catalogue)
    rng = np.random.default_rng(0)
    n = n_vectors - len(store.catalogue())
    ids = [f"made/{number:06d}.jpg" for number in range(n)]
    frame = pl.DataFrame(
        {
            "image_id": ids,
            "path": ids,
            "identity": [f"M{i // 5:05d}" for i in range(n)],
            "side": ["left", "right"] * (n // 2) + ["left"] * (n % 2),
        }
    )
    store.register(Catalogue(frame, folder / "made"), without_files=True)
    dimension = store.embeddings(model).dimension
    centre = store.embeddings(model).vectors.mean(axis=0)
    for start in range(0, n, 5_000):
        part = ids[start : start + 5_000]
        vectors = (centre + 0.02 * rng.standard_normal((len(part), dimension))).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        told = {i: i for i in part}
        stats = {i: FileStat(1, 1) for i in part}
        store.add(EmbeddedBatch(Embeddings(np.array(part), vectors, model), told, stats, ()))
    return catalogue


def asked(base: str, path: str, body: bytes | None = None, kind: str = "") -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {TOKEN}"} | ({"Content-Type": kind} if kind else {})
    try:
        with urlopen(Request(base + path, body, headers), timeout=120) as answer:  # noqa: S310  our own service
            return answer.status, answer.read()
    except OSError as error:
        return getattr(error, "code", 0), b""


def form_of(photo: bytes) -> tuple[bytes, str]:
    lead = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="q.jpg"\r\n\r\n'
    return lead + photo + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"


def memory_mb(pid: int) -> float:
    """The resident memory of a process and its children."""
    import psutil

    process = psutil.Process(pid)
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 2**20


def load(base: str, pid: int, ids: list[str], photos: list[bytes], n_clients: int, seconds: float) -> dict[str, object]:
    told: dict[str, list[tuple[int, float]]] = {"candidates": [], "queue": [], "identify": []}
    memory, until = [memory_mb(pid)], time.monotonic() + seconds

    def client(seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311  which photo is asked for is no secret
        while time.monotonic() < until:
            what = rng.choices(["candidates", "queue", "identify"], [8, 1, 1])[0]
            began = time.perf_counter()
            if what == "identify":
                status, _ = asked(base, "/v1/identify", *form_of(rng.choice(photos)))
            else:
                paths = {"queue": "/v1/queue?n=1", "candidates": f"/v1/candidates?image_id={quote(rng.choice(ids))}"}
                status, _ = asked(base, paths[what])
            told[what].append((status, time.perf_counter() - began))

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(n_clients)]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        time.sleep(1)
        memory.append(memory_mb(pid))
    for thread in threads:
        thread.join()
    memory.append(memory_mb(pid))
    found = {
        name: {
            "n": len(rows),
            "n_errors": sum(status != 200 for status, _ in rows),
            "p50_s": round(float(np.median([s for _, s in rows])), 4),
            "p95_s": round(float(np.quantile([s for _, s in rows], 0.95)), 4),
        }
        for name, rows in told.items()
        if rows
    }
    third = max(len(memory) // 3, 1)
    rss = {
        "start": memory[0],
        "first_third": max(memory[:third]),
        "last_third": max(memory[-third:]),
        "end": memory[-1],
    }
    return {"requests": found, "rss_mb": {name: round(value) for name, value in rss.items()}}


def overhead(base: str, catalogue: Path, paths: list[Path], n_repeats: int) -> dict[str, float]:
    """Seconds per photo of one client, beside the library in a loop; the two take turns."""
    identifier = Identifier.open(catalogue)
    ours, library = [], []
    for _ in range(n_repeats):
        for path in paths:
            began = time.perf_counter()
            asked(base, "/v1/identify", *form_of(path.read_bytes()))
            ours.append(time.perf_counter() - began)
            began = time.perf_counter()
            identifier.identify(path, top=5)
            library.append(time.perf_counter() - began)
    service_s, library_s = float(np.median(ours)), float(np.median(library))
    return {
        "service_s": round(service_s, 4),
        "library_s": round(library_s, 4),
        "ratio": round(service_s / library_s, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-vectors", type=int, default=50_000)
    parser.add_argument("--n-clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        catalogue = made_catalogue(folder, given.n_vectors)
        (folder / "tokens").write_text(f"bench:{TOKEN}\n")
        command = [sys.executable, "-m", "resight", "review", "--catalogue", str(catalogue)]
        command += ["--token-file", str(folder / "tokens"), "--rate-per-s", "100000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
            warnings.simplefilter("ignore", GalleryGrownWarning)
            base = service.stdout.readline().strip().rpartition("/")[0]
            paths = sorted((folder / "photos" / "queries").glob("*.jpg"))
            asked(base, "/v1/queue")  # ranks the photos once
            asked(base, "/v1/identify", *form_of(paths[0].read_bytes()))
            ids = CatalogueStore.open(catalogue).catalogue().image_ids.tolist()
            found = {"n_vectors": given.n_vectors, "n_clients": given.n_clients, "seconds": given.seconds}
            found["overhead"] = overhead(base, catalogue, paths[:10], 2)
            found |= load(base, service.pid, ids, [p.read_bytes() for p in paths], given.n_clients, given.seconds)
            service.terminate()
        found["exit_code"] = service.returncode
    text = json.dumps(found, indent=2)
    print(text)
    if given.out is not None:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
