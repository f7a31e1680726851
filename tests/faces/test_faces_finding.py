"""Finders and rules: what is found lies where it was drawn, and which face counts is as stated."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from oracles import toy_faces
from resight import registry
from resight.errors import ImageError, InputError, MismatchError, UnknownNameError
from resight.faces import FaceAligner, FaceInfo, Faces, chosen_face
from resight.faces.boxes68 import Boxes68
from resight.faces.yunet import Yunet
from resight.protocols import FaceFinder

TWO = [(20, 36, 1), (180, 100, 2)]


@pytest.fixture(scope="module", params=["boxes-68", "yunet"])
def finder(request) -> FaceFinder:
    return Boxes68(*toy_faces.boxes_68()) if request.param == "boxes-68" else Yunet(toy_faces.yunet())


def faces_of(boxes, scores=None) -> Faces:
    n_faces = len(boxes)
    scores = np.linspace(0.9, 0.7, n_faces) if scores is None else scores
    return Faces(np.reshape(boxes, (n_faces, 4)), np.zeros((n_faces, 5, 2)), scores)


class TestEveryFinder:
    def test_it_finds_boxes_and_points_where_they_are(self, finder):
        found = finder.find(toy_faces.photo_of(TWO))
        order = np.argsort(found.boxes[:, 0])
        corners = np.array([[x, y] for x, y, _ in TWO])
        np.testing.assert_allclose(found.boxes[order], np.hstack([corners, np.full((2, 2), 48)]), atol=0.01)
        np.testing.assert_allclose(found.points[order], corners[:, None] + toy_faces.POINTS, atol=1)

    @pytest.mark.parametrize("size", [(240, 320), (64, 64), (1, 1), (1, 500), (700, 3)])
    def test_a_photo_without_a_face_has_none(self, finder, size):
        assert len(finder.find(np.zeros((*size, 3), np.uint8))) == 0

    def test_a_photo_of_another_size_is_measured_in_its_own_pixels(self, finder):
        large = np.kron(toy_faces.photo_of(TWO[:1]), np.ones((4, 4, 1), np.uint8))
        found = finder.find(large)
        assert len(found) == 1
        x, y, width, height = found.boxes[0]  # the toy YuNet sees it at half the size, and takes a part for the face
        np.testing.assert_allclose([x + width / 2, y + height / 2], [176, 240], atol=20)

    def test_several_threads_find_the_same(self, finder):
        photos = [toy_faces.photo_of(TWO[: 1 + n % 2]) for n in range(12)]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(finder.find, photos))
        assert [len(one) for one in found] == [1, 2] * 6
        np.testing.assert_array_equal(found[0].points, found[2].points)

    def test_it_is_what_the_contract_asks_for(self, finder):
        assert isinstance(finder, FaceFinder)
        assert set(finder.files) <= {"detector.onnx", "landmarks.onnx"}

    def test_a_high_threshold_leaves_nothing(self, finder):
        files = toy_faces.boxes_68() if isinstance(finder, Boxes68) else (toy_faces.yunet(),)
        assert len(type(finder)(*files, min_score=1.0).find(toy_faces.photo_of(TWO))) == 0


def test_boxes_that_overlap_are_one_face():
    """Two bright patches side by side give two boxes that share most of their area."""
    photo = toy_faces.photo_of(TWO[:1])
    photo[56:64, 48:56] = 255  # its middle lies 8 px beside the other's
    assert len(Boxes68(*toy_faces.boxes_68()).find(photo)) == 1


def test_a_portrait_is_not_stretched():
    photo = toy_faces.photo_of([(20, 36, 1)], width=120, height=240)
    found = Boxes68(*toy_faces.boxes_68()).find(photo)
    np.testing.assert_allclose(found.boxes[0], [20, 36, 48, 48], atol=0.01)


def test_files_that_are_no_such_networks_are_refused(capfd):
    detector, landmarks = toy_faces.boxes_68()
    for files in [(landmarks, landmarks), (detector, detector), (b"", landmarks), (b"\x08\x09", landmarks)]:
        with pytest.raises(InputError, match=r"face detector|landmark network"):
            Boxes68(*files)
    for content in [b"nothing", detector]:
        with pytest.raises(InputError, match="OpenCV cannot run this file as YuNet"):
            Yunet(content)
    capfd.readouterr()


def test_a_detector_with_other_outputs_is_refused():
    other = toy_faces.colours(240)
    with pytest.raises(InputError, match="expected a face detector that takes"):
        Boxes68(other, toy_faces.boxes_68()[1])


class TestWhichCounts:
    small_in_middle, large_aside, larger_in_middle = [45, 45, 10, 10], [0, 0, 45, 45], [40, 40, 20, 20]

    @pytest.mark.parametrize(
        ("rule", "row"), [("middle", 2), ("largest", 1), ("surest", 0), ("refuse", None)]
    )  # fmt: skip
    def test_it_is_the_one_of_the_rule(self, rule, row):
        found = faces_of([self.small_in_middle, self.large_aside, self.larger_in_middle])
        assert chosen_face(found, 100, 100, rule) == row

    @pytest.mark.parametrize("rule", ["middle", "largest", "surest", "refuse"])
    def test_of_one_it_is_that_and_of_none_none(self, rule):
        assert chosen_face(faces_of([self.large_aside]), 100, 100, rule) == 0
        assert chosen_face(Faces.none(), 100, 100, rule) is None

    def test_with_none_in_the_middle_the_largest_counts(self):
        assert chosen_face(faces_of([[0, 0, 9, 9], [80, 0, 10, 10]]), 100, 100, "middle") == 1

    def test_of_equals_the_surer_counts(self):
        assert chosen_face(faces_of([[0, 0, 9, 9], [80, 0, 9, 9]]), 100, 100, "largest") == 0

    def test_a_box_that_ends_in_the_middle_holds_it(self):
        assert chosen_face(faces_of([[60, 60, 39, 39], [0, 0, 4, 4]]), 9, 9, "middle") == 1


class TestAligner:
    def aligner(self, **info) -> FaceAligner:
        detector, landmarks = toy_faces.boxes_68()
        stated = FaceInfo(finder="boxes-68", **info)
        return FaceAligner.start(
            stated, {"detector.onnx": detector, "landmarks.onnx": landmarks}, Path("toy"), "squash"
        )

    def test_the_same_face_gives_the_same_pixels_wherever_it_is(self):
        one = self.aligner().prepare(toy_faces.photo_of([(20, 36, 1)]), 112)
        other = self.aligner().prepare(toy_faces.photo_of([(180, 100, 1)]), 112)
        assert one.remark == other.remark == ""
        assert np.abs(one.pixels.astype(int) - other.pixels).max() <= 1

    def test_a_choice_is_told(self):
        two = self.aligner().prepare(toy_faces.photo_of(TWO), 112)
        assert two.remark == "2 faces were found; the largest one in the middle counts"

    def test_two_are_refused_where_one_must_be_alone(self):
        with pytest.raises(ImageError, match="2 faces were found on it, and the rule is that one must be alone"):
            self.aligner(several="refuse").prepare(toy_faces.photo_of(TWO), 112)

    def test_none_is_refused(self):
        with pytest.raises(ImageError, match="no face was found on it"):
            self.aligner().prepare(toy_faces.photo_of([]), 112)

    def test_or_the_whole_photo_is_taken_and_that_is_told(self):
        photo = toy_faces.photo_of([])
        found = self.aligner(without_face="whole").prepare(photo, 112)
        assert found.pixels.shape == (112, 112, 3)
        assert "all of the photo was taken" in found.remark

    def test_points_in_one_place_are_a_failure_of_that_photo(self):
        class Dot:
            files = ()

            def find(self, _):
                return faces_of([[0, 0, 9, 9]])

        with pytest.raises(ImageError, match="its face cannot be used"):
            FaceAligner(FaceInfo(finder="dot"), Dot()).prepare(toy_faces.photo_of([]), 112)

    def test_files_that_the_finder_does_not_have_are_refused(self):
        with pytest.raises(MismatchError, match=r"expected the files \['detector.onnx', 'landmarks.onnx'\]"):
            FaceAligner.start(FaceInfo(finder="boxes-68"), {}, Path("toy"))
        with pytest.raises(UnknownNameError, match="Did you mean 'yunet'"):
            FaceAligner.start(FaceInfo(finder="yunett"), {}, Path("toy"))

    def test_a_finder_that_breaks_is_told_as_an_input_error(self, monkeypatch):
        class Breaks:
            files = ()

            def __init__(self, **_):
                raise RuntimeError("no luck\nat all")

        monkeypatch.setattr(registry, "get", lambda *_: Breaks)
        with pytest.raises(InputError, match=r"the face finder 'x' does not start \(no luck\)"):
            FaceAligner.start(FaceInfo(finder="x"), {}, Path("toy"))


def test_the_door_is_one():
    assert registry.names("face_finders")[:2] == ["yunet", "boxes-68"]


def test_a_face_that_fills_its_photo_is_looked_for_with_a_border():
    """A detector that is blind at the edges, as real ones are."""

    class Blind(Boxes68):
        def _boxes(self, photo, border=0.0):
            corners, scores = super()._boxes(photo, border)
            return (corners, scores) if border else (corners[:0], scores[:0])

    photo = toy_faces.photo_of([])
    photo[80:120, 100:140] = 255
    seen = Blind(*toy_faces.boxes_68()).find(photo)
    assert len(seen) == 1
    x, y, width, height = seen.boxes[0]
    np.testing.assert_allclose([x + width / 2, y + height / 2], [120, 100], atol=16)
    assert width == pytest.approx(48 / 0.6, rel=0.02)
