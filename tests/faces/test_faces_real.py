"""Real networks on real faces: found, told apart, and within a gigabyte."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from resight.core import Catalogue
from resight.embed import Bundle, embed_all

N_PAIRS = 60
MOST_BYTES = 1_000_000_000

MEASURE = """
import json, resource, sys
from pathlib import Path
from resight.pipeline import index_photos

done = index_photos(Path(sys.argv[1]), Path(sys.argv[2]), model=sys.argv[3])
# getrusage would count what the parent held when it started this process.
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
high = [line.split()[1] for line in lines if line.startswith("VmHWM")]
peak = int(high[0]) * 1024 if high else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"peak": peak, "n_embedded": done.n_embedded}))
"""


@pytest.fixture(scope="module")
def pairs(real_photos) -> pl.DataFrame:
    table = pl.read_csv(real_photos / "faces_lfw_dev" / "pairs.csv")
    both = [table.filter(pl.col("same") == same).sample(N_PAIRS, seed=0) for same in (0, 1)]
    return pl.concat(both)


@pytest.fixture(scope="module")
def photos(pairs, real_photos) -> Catalogue:
    paths = sorted({*pairs["path_a"], *pairs["path_b"]})
    return Catalogue(pl.DataFrame({"image_id": paths, "path": paths}), real_photos / "faces_lfw_dev")


def test_persons_are_told_apart(face_bundle, photos, pairs):
    found = embed_all(photos, Bundle.load(face_bundle), show_progress=False)
    assert len(found.failures) <= 0.04 * len(photos)
    assert {one.reason for one in found.failures} <= {"no face was found on it"}
    row_of = {image_id: row for row, image_id in enumerate(found.embeddings.image_ids.tolist())}
    scored = [(same, row_of.get(a), row_of.get(b)) for a, b, same, *_ in pairs.iter_rows()]
    scores = {
        wanted: np.array(
            [
                found.embeddings.vectors[a] @ found.embeddings.vectors[b]
                for same, a, b in scored
                if same == wanted and a is not None and b is not None
            ]
        )
        for wanted in (0, 1)
    }
    line = np.median(np.concatenate([scores[0], scores[1]]))
    assert (scores[1] >= line).mean() > 0.85
    assert (scores[0] < line).mean() > 0.85


def test_a_face_is_found_at_the_same_place_on_a_larger_photo(face_bundle, real_photos):
    bundle = Bundle.load(face_bundle)
    path = real_photos / "faces_lfw_dev" / "images" / "Abel_Pacheco" / "Abel_Pacheco_0001.jpg"
    face = Image.open(path).convert("RGB")
    wall = Image.new("RGB", (600, 400), (90, 110, 130))
    wall.paste(face, (60, 100))
    alone, placed = (bundle.embed(bundle.prepare(np.asarray(one))[None])[0] for one in (face, wall))
    assert float(alone @ placed) > 0.7


def test_inference_stays_below_a_gigabyte(face_bundle, tmp_path):
    """Photos of 12 megapixels; what is found on them does not matter."""
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        kind = "png" if number % 2 else "jpg"
        coarse.resize((4000, 3000), Image.Resampling.BILINEAR).save(
            tmp_path / "photos" / f"{number}.{kind}", compress_level=1
        )
    command = [sys.executable, "-c", MEASURE, tmp_path / "photos", tmp_path / "catalogue", Path(face_bundle)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["peak"] < MOST_BYTES
