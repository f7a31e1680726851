"""A network with all that a network has, and photos to show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from resight.config.train_recipe import NetworkOptions
from resight.core import Catalogue
from resight.datasets import read_catalogue


@pytest.fixture(scope="session")
def photos(drawn_photos: Path) -> Catalogue:
    return read_catalogue(drawn_photos)


@pytest.fixture(scope="session")
def network_of():
    """A body with GeM, a neck, dropout and a projection; its norms have seen something."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    from resight.train.networks.backbones import body

    class Gem(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.power = torch.nn.Parameter(torch.tensor(3.0))

        def forward(self, found):
            return found.clamp(min=1e-6).pow(self.power).mean((2, 3)).pow(1 / self.power)

    class Mean(torch.nn.Module):
        def forward(self, found):
            return found.mean(1)

    def made(name: str, side_px: int, n_dimensions: int = 32):
        torch.manual_seed(0)
        one = body(NetworkOptions(backbone=name, weights="none"), side_px)
        network = torch.nn.Sequential(
            one.module,
            Gem() if one.kind == "map" else Mean(),
            torch.nn.BatchNorm1d(one.n_channels),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(one.n_channels, n_dimensions, bias=False),
        )
        network.train()
        with torch.no_grad():
            for _ in range(3):
                network(torch.randn(8, 3, side_px, side_px))
        return network

    return made


@pytest.fixture(scope="session")
def facts_of():
    pytest.importorskip("torch")
    from resight.train.networks.export import BundleFacts

    def made(side: int, **others):
        plain = {
            "name": "mine",
            "summary": "a small one",
            "resize": "pad",
            "mean": (120.0, 110.0, 100.0),
            "std": (60.0, 61.0, 62.0),
            "licence": "MIT",
            "commercial_use": True,
            "authors": "me",
            "source": "here",
            "changes": "trained",
        }
        return BundleFacts(side=side, **{**plain, **others})

    return made
