"""Looks at photos: what follows from the seed, and that each change does what it says and nothing else."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from resight.config.augmentation import AugmentationOptions
from resight.errors import InputError
from resight.images import BACKGROUND, resize

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from resight.train.networks import augmentation as room  # noqa: E402  the room needs torch
from resight.train.networks.augmentation import Augmentation  # noqa: E402

SIDE = 48
OFF = AugmentationOptions(
    **dict.fromkeys(AugmentationOptions.model_fields, 0) | {"least_crop": 1},
)
PHOTO = np.random.default_rng(7).integers(0, 256, (60, 90, 3)).astype(np.uint8)
EVERYTHING = AugmentationOptions(
    least_crop=0.4, stretch=0.3, rotate_deg=30, shift=0.1, shear_deg=10, perspective=0.3, brightness=0.3, contrast=0.3,
    saturation=0.3, hue=0.1, grey=0.2, blur=0.5, blur_sigma=0.05, noise=0.05, occlude=0.5, occlude_share=0.2,
)  # fmt: skip


def only(**options) -> Augmentation:
    return Augmentation(OFF.model_copy(update=options), SIDE)


def constant(*colour: int) -> np.ndarray:
    return np.full((60, 90, 3), colour, np.uint8)


def dot(across: int, down: int) -> np.ndarray:
    """A white spot on the background, in a photo of the side itself."""
    photo = np.full((SIDE, SIDE, 3), BACKGROUND, np.uint8)
    photo[down - 1 : down + 2, across - 1 : across + 2] = 255
    return photo


def where(look) -> tuple[float, float]:
    """The middle of the spot, in pixels across and down."""
    bright = (look[0].double() - BACKGROUND[0]).clamp(min=20) - 20
    places = torch.arange(SIDE, dtype=torch.float64) + 0.5
    return float(bright.sum(0) @ places / bright.sum()), float(bright.sum(1) @ places / bright.sum())


@pytest.mark.parametrize("mode", ["squash", "crop", "pad"])
def test_plain_is_what_a_bundle_sees_and_so_is_a_look_with_all_left_out(mode):
    augmentation = Augmentation(OFF, SIDE, mode)
    seen = resize(PHOTO, SIDE, mode).transpose(2, 0, 1)
    for look in (augmentation.plain(PHOTO), augmentation(PHOTO, 5)):
        assert look.dtype == torch.uint8
        assert np.array_equal(look.numpy(), seen)
    assert np.array_equal(augmentation(PHOTO, 5, mirrored=True).numpy(), seen[:, :, ::-1])


def test_a_look_follows_from_its_seed_alone():
    augmentation = Augmentation(EVERYTHING, SIDE)
    first = [augmentation(PHOTO, seed) for seed in range(12)]
    torch.manual_seed(99)
    backwards = [augmentation(PHOTO, seed) for seed in reversed(range(12))][::-1]
    elsewhere = [pickle.loads(pickle.dumps(augmentation))(PHOTO, seed) for seed in range(12)]  # noqa: S301  our own
    with ThreadPoolExecutor(4) as pool:
        threads = list(pool.map(lambda seed: augmentation(PHOTO, seed), range(12)))
    for place, look in enumerate(first):
        assert all(torch.equal(look, again[place]) for again in (backwards, elsewhere, threads))
        assert not any(torch.equal(look, other) for other in first[:place])


def test_no_generator_of_others_is_touched():
    state, legacy = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002  it must stay as it is
    Augmentation(EVERYTHING, SIDE)(PHOTO, 3)
    assert torch.equal(state, torch.get_rng_state())
    assert np.array_equal(legacy[1], np.random.get_state()[1])  # noqa: NPY002


def test_the_photo_stays_as_it_was_and_may_be_read_only():
    photo = PHOTO.copy()
    photo.flags.writeable = False
    Augmentation(EVERYTHING, SIDE)(photo, 3)
    assert np.array_equal(photo, PHOTO)


def test_switching_one_change_on_leaves_the_others_as_they_were():
    alone = only(occlude=1.0, occlude_share=0.3)
    beside = only(occlude=1.0, occlude_share=0.3, brightness=0.3, least_crop=0.5, noise=0.01)
    for seed in range(10):
        holes = [(one(constant(250, 250, 250), seed) == 127).all(0) for one in (alone, beside)]
        assert torch.equal(*holes)


def test_a_crop_keeps_the_least_area_and_bends_no_more_than_asked():
    augmentation = only(least_crop=0.3, stretch=0.4)
    photo = np.zeros((400, 600, 3), np.uint8)
    cuts = [augmentation._cut(photo, room._Drawn(seed)).shape for seed in range(300)]
    areas = np.array([high * wide / 240_000 for high, wide, _ in cuts])
    bent = np.log([wide / high / 1.5 for high, wide, _ in cuts])
    assert 0.3 <= areas.min() < 0.35
    assert 0.95 < areas.max() <= 1
    assert 0.35 < np.abs(bent).max() < 0.42
    rows = np.arange(400)[:, None, None] + np.zeros((400, 600, 3), int)
    tops = [augmentation._cut(rows, room._Drawn(seed))[0, 0, 0] for seed in range(300)]
    ends = [augmentation._cut(rows, room._Drawn(seed))[-1, 0, 0] for seed in range(300)]
    assert (min(tops), max(ends)) == (0, 399)


def test_without_stretch_a_crop_keeps_the_proportions():
    for seed in range(50):
        high, wide, _ = only(least_crop=0.2)._cut(np.zeros((400, 600, 3), np.uint8), room._Drawn(seed)).shape
        assert wide / high == pytest.approx(1.5, abs=0.02)


def test_a_photo_of_one_pixel_can_be_cut():
    assert only(least_crop=0.1, stretch=1.0)(np.full((1, 1, 3), 9, np.uint8), 0).unique().tolist() == [9]


@pytest.mark.parametrize(
    "options",
    [
        {"rotate_deg": 90.0},
        {"shift": 0.2},
        {"shear_deg": 30.0},
        {"perspective": 0.4},
        {"rotate_deg": 25.0, "shift": 0.1, "shear_deg": 15.0, "perspective": 0.3},
    ],
)
def test_a_spot_goes_where_the_map_says(options):
    augmentation = only(**options)
    for seed in range(12):
        mapped = room._map(augmentation.options, room._Drawn(seed))
        for across, down in ((24, 20), (15, 28)):
            x, y, depth = mapped @ [(2 * across + 1) / SIDE - 1, (2 * down + 1) / SIDE - 1, 1]
            expected = ((x / depth + 1) * SIDE / 2, (y / depth + 1) * SIDE / 2)
            assert where(augmentation(dot(across, down), seed)) == pytest.approx(expected, abs=0.6)


def test_turning_shifting_and_corners_keep_their_limits():
    turned = [room._map(OFF.model_copy(update={"rotate_deg": 20.0}), room._Drawn(seed)) for seed in range(200)]
    angles = np.degrees([math.atan2(one[1, 0], one[0, 0]) for one in turned])
    assert -20 <= angles.min() < -18
    assert 18 < angles.max() <= 20
    shifted = [room._map(OFF.model_copy(update={"shift": 0.25}), room._Drawn(seed))[:2, 2] for seed in range(200)]
    assert 0.45 < np.abs(shifted).max() <= 0.5  # of half the side
    for seed in range(50):
        mapped = room._map(OFF.model_copy(update={"perspective": 0.4}), room._Drawn(seed))
        for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            place = mapped @ [x, y, 1]
            inwards = np.array([x, y]) * place[:2] / place[2]
            assert (inwards >= 0.6 - 1e-9).all()
            assert (inwards <= 1 + 1e-9).all()


@pytest.mark.parametrize("options", [{"rotate_deg": 45.0}, {"shift": 0.3}, {"shear_deg": 40.0}, {"perspective": 1.0}])
def test_what_comes_from_outside_is_the_background(options):
    looks = [only(**options)(constant(127, 127, 127), seed) for seed in range(20)]
    assert all((look == 127).all() for look in looks)
    light = only(**options, brightness=0.5, contrast=0.5)
    assert any((light(constant(255, 255, 255), seed)[:, 0, 0] == 127).all() for seed in range(20))
    for seed in range(20):
        mapped = [light(constant(*[grey] * 3), seed) for grey in (10, 250)]
        corner = [one[:, 0, 0].tolist() for one in mapped]
        assert (corner[0] == corner[1]) == (corner[0] == [127] * 3)  # light changes the photo alone


def test_brightness_and_contrast_keep_their_limits():
    lights = [int(only(brightness=0.3)(constant(100, 100, 100), seed)[0, 0, 0]) for seed in range(100)]
    assert 70 <= min(lights) < 76
    assert 124 < max(lights) <= 130
    photo = np.full((SIDE, SIDE, 3), 80, np.uint8)
    photo[: SIDE // 2] = 120
    for seed in range(50):
        look = only(contrast=0.5)(photo, seed).float()
        assert float(look.mean()) == pytest.approx(100, abs=1)
        assert 19 <= float(look.max() - look.min()) <= 61


def test_saturation_and_hue_leave_what_has_no_colour():
    grey = constant(90, 90, 90)
    for options in ({"saturation": 0.9}, {"hue": 0.4}):
        assert all((only(**options)(grey, seed) == 90).all() for seed in range(10))
    red = constant(200, 60, 60)
    for seed in range(20):
        pixel = only(hue=0.3)(red, seed)[:, 0, 0].tolist()
        assert (min(pixel), max(pixel)) == pytest.approx((60, 200), abs=1)
        red_, green, blue = (int(one) for one in only(saturation=0.5)(red, seed)[:, 0, 0])
        assert green == blue
        assert 69 <= red_ - green <= 211


def test_grey_takes_the_colour_of_the_share_that_is_asked_for():
    assert all((look[0] == look[1]).all() and (look[1] == look[2]).all() for look in looks_of(only(grey=1.0), 10))
    n_grey = sum(bool((look[0] == look[1]).all()) for look in looks_of(only(grey=0.3), 300))
    assert n_grey / 300 == pytest.approx(0.3, abs=0.08)
    light = PHOTO.astype(float) @ [0.299, 0.587, 0.114]
    same_side = Augmentation(OFF.model_copy(update={"grey": 1.0}), 60, "crop")(PHOTO, 0)[0].numpy()
    assert np.abs(same_side - light[:, 15:75]).max() <= 1


def looks_of(augmentation: Augmentation, n: int) -> list:
    return [augmentation(PHOTO, seed) for seed in range(n)]


def test_blur_takes_detail_and_leaves_flat_photos():
    plain = Augmentation(OFF, SIDE).plain(PHOTO).float()
    for look in looks_of(only(blur=1.0, blur_sigma=0.05), 10):
        assert float(look.float().std()) < 0.95 * float(plain.std())
        assert float(look.float().mean()) == pytest.approx(float(plain.mean()), abs=1.5)
    assert (only(blur=1.0, blur_sigma=1.0)(constant(9, 80, 200), 0) == torch.tensor([9, 80, 200])[:, None, None]).all()
    blurred = [not torch.equal(look.float(), plain) for look in looks_of(only(blur=0.3, blur_sigma=0.05), 300)]
    assert np.mean(blurred) == pytest.approx(0.3, abs=0.08)


def test_noise_has_at_most_its_spread_and_no_drift():
    spreads = [float(only(noise=0.1)(constant(127, 127, 127), seed).float().std()) for seed in range(40)]
    assert max(spreads) < 27
    assert max(spreads) > 20
    assert float(only(noise=0.1)(constant(127, 127, 127), 1).float().mean()) == pytest.approx(127, abs=1)


def test_occlusion_hides_a_rectangle_of_at_most_the_share():
    shares = []
    for seed in range(200):
        hidden = (only(occlude=1.0, occlude_share=0.2)(constant(255, 255, 255), seed) == 127).all(0)
        shares.append(float(hidden.float().mean()))
        if hidden.any():
            rows, columns = hidden.any(1), hidden.any(0)
            assert int(hidden.sum()) == int(rows.sum()) * int(columns.sum())
    assert max(shares) <= 0.2
    assert max(shares) > 0.17
    assert min(shares) > 0.01
    seen = [bool((look == 127).all(0).any()) for look in looks_of(only(occlude=0.25, occlude_share=0.3), 300)]
    assert np.mean(seen) == pytest.approx(0.25, abs=0.08)


def test_other_arrays_are_refused():
    for photo in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(InputError, match="H, W, 3"):
            Augmentation(EVERYTHING, SIDE)(photo, 0)
