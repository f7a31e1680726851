"""What the guide on scale says of machines: its table is that of the model, its compose file is one."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs" / "guides"


@pytest.fixture(scope="module")
def sizing():
    spec = importlib.util.spec_from_file_location("sizing", ROOT / "benchmarks" / "sizing.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def services() -> dict:
    return yaml.safe_load((GUIDES / "compose.yaml").read_text(encoding="utf-8"))["services"]


def test_the_table_of_sizes_is_what_the_measurements_give(sizing):
    text = (GUIDES / "scale.md").read_text(encoding="utf-8")
    assert text.partition(sizing.BEGIN)[2].partition(sizing.END)[0].strip() == sizing.table()


def test_twice_the_photos_cost_twice_as_much(sizing):
    per = sizing.rates()
    once, twice = (
        [float(cell.replace(",", "").rstrip(" *")) for cell in sizing.row(n, per)] for n in (500_000, 1_000_000)
    )
    assert all(1.8 < two / one < 2.2 for one, two in zip(once, twice, strict=True))


def test_the_compose_file_keeps_to_itself(services):
    assert set(services) == {"postgres", "milvus", "ray-head", "ray-worker"}
    assert not any("ports" in service or service.get("network_mode") for service in services.values())
    registries = [service["image"] for service in services.values() if "." in service["image"].split("/")[0]]
    assert registries == []  # a host in front of an image would be one


def test_the_compose_file_sets_what_resight_reads(services):
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "resight").rglob("*.py"))
    assert {name for name in services["ray-head"]["environment"] if name in source} >= {
        "RESIGHT_DATABASE",
        "RAY_ADDRESS",
    }
    extras = re.search(r"resight\[(.+?)\]", services["ray-head"]["build"]["dockerfile_inline"])
    assert extras is not None
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(re.search(rf"^{extra} = \[", pyproject, re.MULTILINE) for extra in extras[1].split(","))
