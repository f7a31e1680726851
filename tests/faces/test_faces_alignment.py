"""Alignment: the similarity is the best one, and the crop is what OpenCV's own face recogniser cuts out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import toy_faces
from resight.embed import Bundle, add_bundle
from resight.errors import InputError
from resight.faces import TEMPLATE, Faces, align, similarity


def by_linear_algebra(points, target):
    """The same least squares, solved as a system of linear equations in a, b, x and y."""
    rows = []
    for x, y in points:
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
    a, b, x, y = np.linalg.lstsq(np.array(rows, float), np.asarray(target, float).ravel(), rcond=None)[0]
    return np.array([[a, -b, x], [b, a, y]])


@given(st.integers(0, 10_000))
def test_no_similarity_comes_nearer(seed):
    rng = np.random.default_rng(seed)
    points, target = rng.uniform(0, 300, (5, 2)), rng.uniform(0, 112, (5, 2))
    np.testing.assert_allclose(similarity(points, target), by_linear_algebra(points, target), atol=1e-6)


@given(st.floats(-3, 3), st.floats(0.1, 10), st.floats(-500, 500))
def test_a_face_that_was_turned_is_turned_back(angle, size, shift):
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = TEMPLATE @ turn.T + shift
    matrix = similarity(points, TEMPLATE)
    np.testing.assert_allclose(points @ matrix[:, :2].T + matrix[:, 2], TEMPLATE, atol=1e-6)


def test_a_mirrored_face_is_never_mirrored_back():
    matrix = similarity(TEMPLATE * [-1, 1], TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0


@pytest.mark.parametrize("points", [np.ones((5, 2)), np.zeros((4, 2)), np.zeros((5, 3)), np.zeros((0, 2)), 3])
def test_points_that_say_nothing_are_refused(points):
    with pytest.raises(InputError, match="expected"):
        similarity(points, TEMPLATE)


def test_five_points_are_needed():
    with pytest.raises(InputError, match=r"five points of a face, \(5, 2\), found \(4, 2\)"):
        align(np.zeros((50, 50, 3), np.uint8), TEMPLATE[:4])


def test_a_face_in_its_place_is_left_as_it_is():
    photo = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    np.testing.assert_array_equal(align(photo, TEMPLATE), photo)


def test_what_lies_beyond_the_photo_is_black():
    made = align(np.full((112, 112, 3), 200, np.uint8), TEMPLATE - [60, 0])
    assert (made[:, 62:] == 200).all()
    assert (made[:, :50] == 0).all()


@pytest.mark.parametrize("size", [3, 6.5])
def test_of_a_large_face_every_pixel_counts(size):
    side = int(112 * size)
    fine = np.random.default_rng(1).integers(0, 2, (side, side, 1), dtype=np.uint8).repeat(3, axis=2) * 255
    made = align(fine, (TEMPLATE + 0.5) * size - 0.5)
    assert made.std() < 60  # skipping pixels would leave about 100
    assert abs(made.mean() - 127.5) < 8
    smooth = np.broadcast_to(np.linspace(0, 255, side)[None, :, None], (side, side, 3)).astype(np.uint8)
    ramp = align(smooth, (TEMPLATE + 0.5) * size - 0.5)[56, 5:-5, 0].astype(float)
    np.testing.assert_allclose(
        ramp, np.linspace(0, 255, side)[((np.arange(5, 107) + 0.5) * size).astype(int)], atol=2.5
    )


def test_the_template_grows_with_the_square():
    photo = cv2.GaussianBlur(np.random.default_rng(2).integers(0, 256, (112, 112, 3), dtype=np.uint8), (0, 0), 6)
    small, large = align(photo, TEMPLATE), align(photo, TEMPLATE, 224)
    assert large.shape == (224, 224, 3)
    assert np.abs(large[::2, ::2].astype(int) - small).max() <= 6


def test_opencv_cuts_out_the_same_and_gives_the_same_vector(tmp_path, capfd):
    """SFace aligns by itself; as a bundle it is aligned here."""
    content = toy_faces.colours(112)
    (tmp_path / "sface.onnx").write_bytes(content)
    recogniser = cv2.FaceRecognizerSF.create("onnx", np.frombuffer(content, np.uint8), np.zeros(0, np.uint8))
    photo = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (300, 260, 3), dtype=np.uint8), (0, 0), 3)
    points = TEMPLATE * 1.4 @ np.array([[0.98, 0.199], [-0.199, 0.98]]) + [60, 40]
    row = np.concatenate([[0, 0, 10, 10], points.ravel(), [0.9]]).astype(np.float32)[None]
    theirs = recogniser.alignCrop(np.ascontiguousarray(photo[..., ::-1]), row)
    ours = align(photo, points)
    assert np.abs(theirs[..., ::-1].astype(int) - ours).max() <= 1
    none = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    made = add_bundle(
        tmp_path / "sface.onnx", "sface", licence="Apache-2.0", commercial_use=True, side_px=112, mean=none[0],
        std=none[1], folder=tmp_path / "models",
    )  # fmt: skip
    vector = recogniser.feature(np.ascontiguousarray(ours[..., ::-1]))[0]
    np.testing.assert_allclose(
        Bundle.load(made.bundle).embed(ours[None])[0], vector / np.linalg.norm(vector), atol=1e-5
    )
    capfd.readouterr()  # OpenCV warns of itself


def test_faces_that_cannot_be_are_refused():
    boxes, points, scores = [[0, 0, 5, 5]] * 2, np.zeros((2, 5, 2)), [0.9, 0.8]
    assert len(Faces(boxes, points, scores)) == 2
    for wrong in [
        (boxes[:1], points, scores),
        (boxes, points[:, :4], scores),
        (boxes, points * np.nan, scores),
        ([[0, 0, 5, 0]] * 2, points, scores),
        (boxes, points, scores[::-1]),
    ]:
        with pytest.raises(InputError, match="expected"):
            Faces(*wrong)


def test_faces_move_with_their_picture():
    moved = Faces([[1, 2, 3, 4]], np.full((1, 5, 2), 5), [0.5]).moved(2, 10, 20)
    assert moved.boxes.tolist() == [[12, 24, 6, 8]]
    assert moved.points[0, 0].tolist() == [20, 30]
