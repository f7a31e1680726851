"""Imports point downwards, stay light, and need nothing that is not declared."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "resight"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = ("torch", "cv2", "sklearn", "matplotlib", "faiss", "onnxruntime", "scipy", "pandas", "sqlalchemy", "openvino")

ABSENT = """
import sys, warnings
warnings.simplefilter("error")
class Without:
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {absent!r} else self.finder.find_spec(name, path, target)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""

BREACHES = {
    "core/estimate.py": ("from resight.progress import progress", "resight.core.estimate -> resight.progress (l."),
    "search/__init__.py": ("import resight.decide", "resight.search -> resight.decide (l."),
    "registry.py": ("def later():\n    import torch", "resight.registry -> torch (l."),
    "pipeline/index.py": ("from resight.train import train_head", "resight.pipeline.index -> resight.train (l."),
}
"""Lines that are to be refused, by the file that they are planted in, and what is said of each."""


def run(code: str, *, cwd: Path = ROOT, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(path)} if path else None
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True, timeout=120)


def modules_after(statement: str) -> set[str]:
    """The top-level modules that are loaded in a fresh interpreter after one statement."""
    done = run(f"{statement}\nimport sys; print(' '.join({{name.partition('.')[0] for name in sys.modules}}))")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def lint_imports(folder: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    return run(
        "import sys; sys.argv = ['lint-imports', '--no-cache']\n"
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        cwd=folder,
        path=path,
    )


def rooms() -> set[str]:
    """What stands at the top of the package; a folder counts once it holds a module."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return folders | {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}


class TestContracts:
    def test_they_hold(self):
        done = lint_imports(ROOT)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_every_room_stands_in_a_layer(self):
        layers = SETTINGS["tool"]["importlinter"]["contracts"][0]["layers"]
        named = {room.strip().removeprefix("resight.") for layer in layers for room in re.split(r"[|:]", layer)}
        assert rooms() == named

    def test_every_room_but_train_keeps_away_from_torch(self):
        contract = SETTINGS["tool"]["importlinter"]["contracts"][1]
        assert {room.removeprefix("resight.") for room in contract["source_modules"]} == rooms() - {"train"}
        assert {"torch", "pytorch_metric_learning"} <= set(contract["forbidden_modules"])

    def test_planted_breaches_are_found(self, tmp_path):
        shutil.copytree(PACKAGE, tmp_path / "src" / "resight", ignore=shutil.ignore_patterns("*.onnx", "__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        for file, (line, _) in BREACHES.items():
            with (tmp_path / "src" / "resight" / file).open("a", encoding="utf-8") as broken:
                broken.write(f"\n{line}\n")
        done = lint_imports(tmp_path, path=tmp_path / "src")
        assert done.returncode == 1
        told = " ".join(done.stdout.split())
        assert [said for _, said in BREACHES.values() if said not in told] == []
        assert "Contracts: 0 kept, 2 broken." in told


class TestLightness:
    @pytest.mark.parametrize(
        "statement",
        ["import resight", "import resight.core", "from resight import Catalogue, Verdict", "import resight.registry"],
    )
    def test_nothing_heavy_is_loaded(self, statement):
        assert modules_after(statement).isdisjoint(HEAVY)

    def test_help_loads_nothing_heavy(self):
        loaded = modules_after(
            "import sys; sys.argv = ['resight', '--help']\nfrom resight.cli import main\ntry: main()\n"
            "except SystemExit as leave: assert not leave.code\nprint()"
        )
        assert loaded.isdisjoint({*HEAVY, "numpy", "polars"})

    def test_the_errors_need_the_standard_library_only(self):
        before = modules_after("pass")
        foreign = modules_after("import resight.errors") - before - sys.stdlib_module_names
        assert foreign == {"resight"}

    def test_the_package_itself_costs_nothing(self):
        assert modules_after("import resight") - sys.stdlib_module_names - modules_after("pass") == {"resight"}


class TestDependencies:
    def test_every_module_but_those_of_networks_imports_without_torch_and_without_the_extras(self):
        absent = (
            "torch",
            "torchvision",
            "timm",
            "safetensors",
            "accelerate",
            "pytorch_metric_learning",
            "onnx",
            "onnxscript",
            "openvino",
            "pymilvus",
            "milvus_lite",
            "grpc",
            "ray",
            "pyarrow",
            "pandas",
            "efficientnet_lite_pytorch",
        )
        done = run(
            ABSENT.format(absent=absent)
            + "import importlib, pkgutil, resight\n"
            + "names = [m.name for m in pkgutil.walk_packages(resight.__path__, 'resight.')]\n"
            + "names = [name for name in names if not name.startswith('resight.train.networks.')]\n"
            + "for name in names:\n    if not name.endswith('__main__'): importlib.import_module(name)\n"
            + "for name in resight.__all__: getattr(resight, name)\n"
            + "print(len(names))"
        )
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) > 10

    def test_what_is_imported_is_declared(self):
        project = SETTINGS["project"]
        wanted = [*project["dependencies"], *(p for extra in project["optional-dependencies"].values() for p in extra)]
        declared = {canonical(re.split(r"[<>=~!\[; ]", line)[0]) for line in wanted}
        owners = packages_distributions()
        unknown = {}
        for path, names in imports_of_the_package().items():
            for name in names - sys.stdlib_module_names - {"resight"}:
                if name == "pandas":  # accepted and given back where the caller has it, and never needed
                    continue
                if not declared & {canonical(owner) for owner in owners.get(name, [name])}:
                    unknown.setdefault(path, set()).add(name)
        assert unknown == {}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def imports_of_the_package() -> dict[str, set[str]]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(str(node.module).partition(".")[0])
        found[str(path.relative_to(ROOT))] = names
    return found
