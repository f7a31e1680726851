"""Faces: what finding and aligning them is worth, what it costs, and how much memory it takes.

    make models                               fetches the face models, once
    python benchmarks/faces.py                the pairs of faces_lfw_dev, and pairs of faces_orl
    python benchmarks/faces.py --quick        a tenth of the pairs

The photos are those of `RESIGHT_DATA`, by default `../shared/data` beside the project. Four ways to compare the
same pairs:

- aligned: the bundle of faces as it is fetched; a pair with a photo without a face is not compared;
- aligned or whole: the same, but a photo without a face is taken whole, so every pair is compared;
- whole photo: the same model on whole photos, squashed, no face looked for;
- default bundle: the general model that ships with resight.

The figure is the equal error rate (variant "mean"); intervals by person are the business of `resight verify`.
Memory is the peak of a child process that indexes photos of twelve megapixels.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import polars as pl
from PIL import Image

import resight
from resight.core import Catalogue
from resight.embed import Bundle, describe, embed_all
from resight.evaluate.verification import eer
from resight.machine import usable_cores

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("RESIGHT_DATA", ROOT.parent / "shared" / "data"))
FACES = Path(os.environ.get("RESIGHT_FACE_BUNDLE", ROOT / "build" / "models" / "faceplugin"))
RESULTS = Path(__file__).parent / "results" / "faces.json"
SEED = 30
MOST_BYTES = 1_000_000_000
N_TIMED = 60

MEASURE = """
import resource, sys
from pathlib import Path
from resight.pipeline import index_photos

index_photos(Path(sys.argv[1]), Path(sys.argv[2]), model=sys.argv[3])
# getrusage would count what the parent held when it started this process.
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
high = [line.split()[1] for line in lines if line.startswith("VmHWM")]
peak = int(high[0]) * 1024 if high else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak)
"""


def lfw_pairs(share: float) -> tuple[Path, pl.DataFrame]:
    folder = DATA / "faces_lfw_dev"
    table = pl.read_csv(folder / "pairs.csv", columns=["path_a", "path_b", "same"])
    return folder, table.sample(fraction=share, seed=SEED)


def orl_pairs(share: float) -> tuple[Path, pl.DataFrame]:
    folder = DATA / "faces_orl"
    photos = pl.read_csv(folder / "metadata.csv", columns=["path", "identity"]).rows()
    rows = [(a, b, int(who == other)) for (a, who), (b, other) in combinations(photos, 2)]
    table = pl.DataFrame(rows, schema=["path_a", "path_b", "same"], orient="row")
    same, apart = (table.filter(pl.col("same") == kind) for kind in (1, 0))
    parts = [same.sample(fraction=share, seed=SEED), apart.sample(int(10_000 * share), seed=SEED)]
    return folder, pl.concat(parts)


def changed(folder: Path, face: dict[str, object] | None) -> Path:
    """The bundle of faces with another rule, or (None) without one."""
    shutil.copytree(FACES, folder)
    info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if face is None:
        info.pop("face")
    else:
        info["face"] |= face
    (folder / "model.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


def judged(folder: Path, pairs: pl.DataFrame, bundle: Bundle) -> dict[str, float | int]:
    paths = sorted({*pairs["path_a"], *pairs["path_b"]})
    start = time.perf_counter()
    photos = Catalogue(pl.DataFrame({"image_id": paths, "path": paths}), folder)
    found = embed_all(photos, bundle, show_progress=False)
    seconds = time.perf_counter() - start
    row_of = {image_id: row for row, image_id in enumerate(found.embeddings.image_ids.tolist())}
    scores: dict[int, list[float]] = {0: [], 1: []}
    for one, other, same in pairs.iter_rows():
        if one in row_of and other in row_of:
            vectors = found.embeddings.vectors
            scores[same].append(float(vectors[row_of[one]] @ vectors[row_of[other]]))
    return {
        "eer": eer(scores[1], scores[0], "mean"),
        "n_pairs": len(pairs),
        "n_compared": len(scores[0]) + len(scores[1]),
        "n_photos": len(paths),
        "n_without_face": len(found.failures) + sum("no face" in one.text for one in found.remarks),
        "n_several": sum("faces were found" in one.text for one in found.remarks),
        "photos_per_s": len(paths) / seconds,
    }


def step_times(folder: Path, pairs: pl.DataFrame, bundle: Bundle) -> dict[str, float]:
    """Milliseconds of one thread for a photo: finding with aligning, and the model."""
    photos = [np.asarray(Image.open(folder / path).convert("RGB")) for path in pairs["path_a"][:N_TIMED]]
    start = time.perf_counter()
    faces = []
    for photo in photos:
        try:
            faces.append(bundle.prepare(photo))
        except resight.ImageError:
            continue
    between = time.perf_counter()
    for face in faces:
        bundle.embed(face[None])
    end = time.perf_counter()
    return {"find_and_align": (between - start) / len(photos) * 1e3, "embed": (end - between) / len(faces) * 1e3}


def peak_bytes(folder: Path) -> int:
    (folder / "photos").mkdir()
    rng = np.random.default_rng(SEED)
    for number in range(8):
        coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        suffix = "png" if number % 2 else "jpg"
        large = coarse.resize((4000, 3000), Image.Resampling.BILINEAR)
        large.save(folder / "photos" / f"{number}.{suffix}", compress_level=1)
    command = [sys.executable, "-c", MEASURE, str(folder / "photos"), str(folder / "catalogue"), str(FACES)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def measure(share: float) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        ways = {
            "aligned": Bundle.load(FACES),
            "aligned or whole": Bundle.load(changed(folder / "whole", {"without_face": "whole"})),
            "whole photo": Bundle.load(changed(folder / "plain", None)),
            "default bundle": Bundle.load(),
        }
        sets = {"faces_lfw_dev": lfw_pairs(share), "faces_orl": orl_pairs(share)}
        figures = {
            name: {way: judged(photos, pairs, bundle) for way, bundle in ways.items()}
            for name, (photos, pairs) in sets.items()
        }
        times = step_times(*sets["faces_lfw_dev"], ways["aligned"])
        return {"figures": figures, "ms_per_photo_one_thread": times, "peak_bytes_12_mpx": peak_bytes(folder)}


def report(share: float) -> dict[str, object]:
    return {
        "benchmark": "faces",
        "share_of_pairs": share,
        **measure(share),
        "most_bytes": MOST_BYTES,
        "model": describe(FACES).model_id,
        "seed": SEED,
        "n_cores": usable_cores(),
        "machine": platform.machine(),
        "versions": {
            "resight": resight.__version__,
            "onnxruntime": onnxruntime.__version__,
            "opencv": cv2.__version__,
            "python": platform.python_version(),
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="What finding and aligning faces is worth, and costs.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the pairs")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the JSON goes")
    arguments = parser.parse_args()
    if not FACES.is_dir() or not DATA.is_dir():
        print(f"left out: it needs {FACES} (run  make models) and the photos in {DATA}")
        return 0
    result = report(0.1 if arguments.quick else 1.0)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for name, ways in result["figures"].items():
        for way, one in ways.items():
            print(
                f"{name:14} {way:17} EER {one['eer']:.4f} on {one['n_compared']} of {one['n_pairs']} pairs; "
                f"no face on {one['n_without_face']}, several on {one['n_several']} of {one['n_photos']} photos; "
                f"{one['photos_per_s']:.0f} photos/s"
            )
    times = result["ms_per_photo_one_thread"]
    print(f"find and align {times['find_and_align']:.1f} ms, embed {times['embed']:.1f} ms a photo, one thread")
    print(f"peak memory {result['peak_bytes_12_mpx'] / 1e6:.0f} MB (at most {MOST_BYTES / 1e6:.0f})")
    return 0 if result["peak_bytes_12_mpx"] <= MOST_BYTES else 1


if __name__ == "__main__":
    raise SystemExit(main())
