"""What memory training and inference take: the recipe `faces` by count, 64 photos through a bundle by measure.

No GPU takes part. What a step of training holds is counted on a CPU: the tensors that torch saves for the way back (its
hooks tell them), and weights, slopes, what AdamW remembers and the running mean. What a GPU takes on top (its context,
the workspace of its kernels, gaps between tensors) is not seen by this, so it is stated as an allowance.

Inference is measured: a process that imports resight, embeds 64 photos of twelve megapixels with the bundle that ships,
and says how much it held at most (Linux tells that). It is the light install: if torch was imported, it ends with an
error.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

RESULT = Path(__file__).parent / "results" / "memory.json"
N_PERSONS, N_PHOTOS, SIDES_PX = 10_000, 64, (4000, 3000)
ALLOWANCE_MB = 1500
TARGETS_MB = {"training": 6000, "inference": 1000}

EMBEDS = """
import sys
import resight
from resight.embed import Bundle, embed_all

photos = resight.read_catalogue(sys.argv[1])
def most():  # in MB; what `getrusage` tells of a child counts its parent in
    with open("/proc/self/status") as told:
        return next(int(line.split()[1]) for line in told if line.startswith("VmHWM")) * 1024 / 1e6

before = most()
found = embed_all(photos, Bundle.load(*sys.argv[2:]), show_progress=False)
assert len(found.embeddings) == 64 and "torch" not in sys.modules
print(before, most())
"""


def training_mb(precision: str, n_photos: int | None = None) -> dict[str, float]:
    """MB of a step of the recipe `faces`, part by part."""
    import torch

    from resight.config import NetworkOptions, TrainRecipe
    from resight.train.networks.backbones import body
    from resight.train.networks.losses import Criterion
    from resight.train.networks.network import Learner, Network

    recipe = TrainRecipe.read("faces")
    options = NetworkOptions(**{**dict(recipe.network), "weights": "none"})
    side, batch = recipe.stages[-1].side_px, n_photos or recipe.sampling.n_photos_per_batch
    network = Network(body(options, side), options).to(memory_format=torch.channels_last)
    counts, weights = np.full(N_PERSONS, 4), np.ones(N_PERSONS, np.float32)
    criteria = {loss.title: Criterion(loss, counts, network.dimension, weights) for loss in recipe.losses}
    learner = Learner(network, criteria).train()
    own = {one.untyped_storage().data_ptr() for one in [*learner.parameters(), *learner.buffers()]}
    saved: dict[int, int] = {}

    def note(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    pixels = torch.randint(0, 255, (batch, 3, side, side), dtype=torch.uint8)
    classes = {name: torch.arange(batch) // 4 for name in criteria}
    is_half = precision == "bf16"
    with (
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=is_half),
    ):
        losses = learner(pixels, classes)
    total = sum(losses.values())  # holds what was saved, so that no place was taken twice
    if not torch.isfinite(total):
        raise SystemExit(f"the loss is {total}")
    of_weights = sum(one.nbytes for one in learner.parameters()) / 1e6
    parts = {
        "weights": of_weights,
        "slopes": of_weights,
        "AdamW": 2 * of_weights,
        "running mean": sum(one.nbytes for one in network.parameters()) / 1e6,
        "saved for the way back": sum(saved.values()) / 1e6,
        "allowance, not measured": ALLOWANCE_MB,
    }
    return {name: round(value) for name, value in {**parts, "all": sum(parts.values())}.items()}


def inference_mb(*bundle: str) -> dict[str, float]:
    """MB that a process held at most, before and after it embedded 64 photos."""
    from PIL import Image

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(N_PHOTOS):
            small = Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8))
            small.resize(SIDES_PX).save(Path(folder) / f"{number}.jpg")
        done = subprocess.run(
            [sys.executable, "-c", EMBEDS, folder, *bundle], check=True, capture_output=True, text=True
        )
    before, most = map(float, done.stdout.split())
    return {"imported": round(before), "most": round(most)}


def main() -> None:
    inference = inference_mb(*sys.argv[1:])
    training = {f"{of}, {n} photos": training_mb(of, n) for of in ("bf16", "full") for n in (64, 256)}
    for name, parts in training.items():
        print(f"faces, {name}: " + ", ".join(f"{part} {value}" for part, value in parts.items()) + " MB")
    print(f"{N_PHOTOS} photos of {SIDES_PX[0]} by {SIDES_PX[1]} pixels: {inference['most']} MB")
    found = {"n_persons": N_PERSONS, "training_mb": training, "inference_mb": inference, "targets_mb": TARGETS_MB}
    RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
