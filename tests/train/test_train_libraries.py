"""The libraries that training needs: told when they are absent, and in which version they were there."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from resight import __version__
from resight.config import HeadRecipe
from resight.errors import MissingExtraError
from resight.train import train_head
from resight.train.libraries import require, versions_of


def test_the_first_that_is_absent_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_of_old", None)
    require("counting", "json", "math")
    with pytest.raises(MissingExtraError) as refused:
        require("counting", "json", "torch_of_old", "no_such_module")
    assert str(refused.value) == "counting needs torch-of-old: run  pip install 'resight[train]'"


@pytest.mark.parametrize("absent", ["torch", "pytorch_metric_learning"])
def test_a_head_that_needs_torch_says_what_works_without(absent, monkeypatch, tmp_path):
    pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingExtraError) as refused:
        train_head(tmp_path, recipe=HeadRecipe.parse("[[heads]]\nkind = 'arcface'"))
    assert str(refused.value) == (
        "the head 'arcface' (whitening and lda do without: --only whitening --only lda) needs "
        f"{absent.replace('_', '-')}: run  pip install 'resight[train]'"
    )


def test_versions_are_those_that_libraries_tell():
    assert versions_of("numpy", "math") == {"resight": __version__, "numpy": np.__version__}
    assert versions_of() == {"resight": __version__}
