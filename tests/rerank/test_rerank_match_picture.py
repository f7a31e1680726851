"""The picture of a pair's matches: all lines inside, names whole, the same bytes again."""

from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from resight.rerank.local_scorer import Seen
from resight.rerank.match_picture import ShownPhoto, match_picture

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.full((300, 600, 3), 90, np.uint8)).save(path)
    return path


def seen(first: tuple[int, int], second: tuple[int, int], n: int = 10, n_strays: int = 2) -> Seen:
    rng = np.random.default_rng(0)
    places = rng.random((n + n_strays, 2, 2)) * np.array([first, second])
    model = np.array([[1.5, -0.5, 3], [0.5, 1.5, 4], [0, 0, 1]]) if n else np.full((3, 3), np.nan)
    return Seen(places.astype(np.float32), np.arange(n + n_strays) < n, model, 1.0)


@pytest.mark.parametrize(
    ("first", "second"),
    [((400, 200), (300, 400)), ((20, 400), (400, 20)), ((1, 1), (4000, 3000)), ((400, 3), (3, 400))],
)
def test_all_lines_lie_on_their_photos_and_all_photos_on_the_picture(photo, first, second):
    drawn = match_picture(
        ShownPhoto(photo, "one", first), ShownPhoto(photo, "other", second), seen(first, second), side_px=200
    )
    root = ET.fromstring(drawn)  # noqa: S314 - our own picture
    _, _, width, height = map(float, root.get("viewBox", "").split())
    frames = [
        [float(image.get(key, "")) for key in ("x", "y", "width", "height")] for image in root.iter(f"{SVG}image")
    ]
    assert len(frames) == 2
    for (x, y, w, h), size in zip(frames, (first, second), strict=True):
        assert max(w, h) == pytest.approx(200)
        assert w / h == pytest.approx(size[0] / size[1], rel=0.1)
        assert x >= 0 <= y
        assert x + w <= width + 0.1
        assert y + h <= height
    assert frames[0][0] + frames[0][2] < frames[1][0]
    lines = list(root.iter(f"{SVG}line"))
    assert len(lines) == 2 * 10, "a pale one under each"
    for line in lines:
        for (x, y, w, h), end in zip(frames, "12", strict=True):
            assert x - 0.1 <= float(line.get(f"x{end}", "")) <= x + w + 0.1
            assert y - 0.1 <= float(line.get(f"y{end}", "")) <= y + h + 0.1


def test_the_copies_are_small_and_cut_to_the_box(photo):
    shown = ShownPhoto(photo, "one", (100, 50), (200, 100, 300, 150))
    drawn = match_picture(shown, ShownPhoto(photo, "other", (600, 300)), seen((100, 50), (600, 300)), side_px=120)
    sizes = [Image.open(io.BytesIO(base64.b64decode(data))).size for data in re.findall(r'base64,([^"]*)"', drawn)]
    assert sizes == [(120, 60), (120, 60)]


def test_long_and_hostile_names_are_cut_and_escaped(photo):
    name = '<script>alert("1")</script>' + "x" * 300
    drawn = match_picture(ShownPhoto(photo, name, (9, 9)), ShownPhoto(photo, "b&b", (9, 9)), seen((9, 9), (9, 9)))
    texts = list(ET.fromstring(drawn).iter(f"{SVG}text"))  # noqa: S314 - our own picture
    assert "<script" not in drawn
    assert texts[0].find(f"{SVG}title").text == name
    assert (texts[0].find(f"{SVG}title").tail or "").endswith("…")
    assert len(texts[0].find(f"{SVG}title").tail or "") < 70
    assert texts[1].find(f"{SVG}title").tail == "b&b"


def test_a_photo_that_cannot_be_read_leaves_a_frame_that_says_so(photo, tmp_path):
    gone = ShownPhoto(tmp_path / "gone.jpg", "gone", (40, 30))
    drawn = match_picture(gone, ShownPhoto(photo, "there", (40, 30)), seen((40, 30), (40, 30)))
    assert "cannot be read" in drawn
    assert drawn.count("<image") == 1


def test_it_says_what_was_found(photo):
    shown = ShownPhoto(photo, "one", (60, 30))
    for n, n_strays, words in (
        (10, 2, "10 of 12 matched places agree: turned by 18°, 1.58 times as large"),
        (1, 4, "5 matched places, no two of them agree"),
        (0, 0, "no place of the one is found on the other"),
    ):
        assert words in match_picture(shown, shown, seen((60, 30), (60, 30), n, n_strays))
    plane = seen((60, 30), (60, 30))
    plane.model[0, 1] = 0
    assert "10 of 12 matched places agree</desc>" in match_picture(shown, shown, plane)


def test_many_lines_are_thinned_and_the_bytes_are_the_same_again(photo):
    shown = ShownPhoto(photo, "one", (60, 30))
    many = seen((60, 30), (60, 30), 500)
    drawn = match_picture(shown, shown, many, n_lines=50)
    assert drawn.count("<line") == 2 * 50
    assert drawn == match_picture(shown, shown, many, n_lines=50)
    assert 'id="other-title"' in match_picture(shown, shown, many, id_="other")
