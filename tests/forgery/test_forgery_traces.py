"""The traces of forging: each number moves with what it is said to tell, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from oracles.drawn_faces import drawn_face
from resight.datasets.forging import KINDS, TwoFaces, points_in_crop
from resight.errors import InputError
from resight.forgery import TRACES, traces_of
from resight.forgery.traces import LEAST_SIDE_PX

NOISE = np.random.default_rng(0).normal(0, 6, (160, 128, 3))


def noisy(strength: float = 1.0, height: int = 160, width: int = 128) -> np.ndarray:
    return np.clip(np.rint(128 + strength * NOISE[:height, :width]), 0, 255).astype(np.uint8)


def told(photo: np.ndarray) -> dict[str, float]:
    return dict(zip(TRACES, traces_of(photo).tolist(), strict=True))


def test_each_number_has_a_name_of_its_own():
    assert len(set(TRACES)) == len(TRACES) == len(traces_of(noisy()))
    assert traces_of(noisy()).dtype == np.float32


@pytest.mark.parametrize("size", [(LEAST_SIDE_PX, LEAST_SIDE_PX), (33, 47), (150, 125), (32, 128), (160, 37)])
@pytest.mark.parametrize("strength", [0, 1])
def test_they_are_finite_for_any_size_and_for_a_flat_photo(size, strength):
    assert np.isfinite(traces_of(noisy(strength, *size))).all()
    assert np.isfinite(traces_of(np.full((*size, 3), 255, np.uint8))).all()


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((31, 64, 3), np.uint8),
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((64, 64, 3)),
        np.zeros((0, 0, 3), np.uint8),
    ],
)
def test_what_is_no_photo_is_refused(wrong):
    with pytest.raises(InputError, match="at least 32 pixels"):
        traces_of(wrong)


def test_noise_is_told_where_it_is():
    photo = noisy()
    down, across = np.mgrid[:160, :128]
    inside = np.hypot((across - 63.5) / 128, (down - 79.5) / 160) < 0.2
    photo[inside] = 128
    found, before = told(photo), told(noisy())
    for name in ("first", "second", "square", "wide"):
        assert found[f"{name} noise, zone 1"] < before[f"{name} noise, zone 1"] - 2
        assert found[f"{name} noise, zone 7"] == pytest.approx(before[f"{name} noise, zone 7"], abs=1e-5)


def test_a_zone_holds_the_mean_square_of_the_noise_there():
    photo = noisy()
    light = photo.astype(float) @ [0.299, 0.587, 0.114]
    total, n = 0.0, 0
    for y in range(160):
        for x in range(128):
            if 0.3 <= np.hypot((x + 0.5) / 128 - 0.5, (y + 0.5) / 160 - 0.5) / 0.5 < 0.4:
                # (−1, 1) with its second number on the pixel, as OpenCV lays filters
                total += (light[y, x] - light[y, x - 1]) ** 2
                n += 1
    assert told(photo)["first noise, zone 3"] == pytest.approx(np.log(total / n + 0.01), abs=1e-4)


@pytest.mark.parametrize(("name", "step"), [("across", (0, 1)), ("down", (1, 0)), ("both", (1, 1))])
def test_a_grid_of_two_pixels_is_told_by_its_direction(name, step):
    down, across = np.mgrid[:160, :128]
    photo = noisy(0.3)
    grid = (3 * (-1.0) ** (step[0] * down + step[1] * across))[..., None]
    found = told(np.clip(photo + grid, 0, 255).astype(np.uint8))
    ranked = sorted(("across", "down", "both"), key=lambda one: found[f"grid {one}"])
    assert ranked[-1] == name
    assert found[f"grid {name}"] > told(photo)[f"grid {name}"] + 2


def test_steps_on_the_grid_of_jpeg_are_told():
    blocky = np.repeat(np.random.default_rng(1).integers(100, 150, (160, 16, 1)), 8, axis=1).repeat(3, axis=2)
    found = told(blocky.astype(np.uint8))
    assert found["blocks within"] > 5
    assert abs(told(noisy())["blocks within"]) < 0.3


def test_grey_noise_is_alike_in_all_colours_and_other_noise_is_not():
    grey = np.repeat(noisy()[..., :1], 3, axis=2)
    assert told(grey)["noise of red and green alike, in"] == pytest.approx(1, abs=1e-3)
    assert abs(told(noisy())["noise of red and green alike, in"]) < 0.1
    assert told(noisy())["noise of red-yellow, in"] > told(grey)["noise of red-yellow, in"] + 3


@pytest.mark.parametrize("kind", KINDS)
def test_forging_moves_them(kind):
    photo, other = drawn_face(0, 0), drawn_face(1, 3)
    points = points_in_crop(photo)
    made = KINDS[kind](TwoFaces(photo, points, other, points), np.random.default_rng(0))
    assert np.abs(traces_of(made) - traces_of(other if kind == "swap" else photo)).max() > 0.3
