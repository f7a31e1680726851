"""A forgery head on disk: what it says by plain loops, and that nothing else is taken for one."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import fields, replace

import numpy as np
import pytest

from resight.bundle_files import hash_of
from resight.errors import InputError, MismatchError
from resight.forgery import TRACES, ForgeryHead, ForgeryInfo, HeadNumbers
from resight.forgery.head import as_bytes

N_TRACES, D, E, K, H = len(TRACES), 6, 2, 3, 4


def numbers(seed: int = 0, n_axes: int = E) -> HeadNumbers:
    rng = np.random.default_rng(seed)
    return HeadNumbers(
        trace_centre=rng.normal(size=N_TRACES),
        trace_scale=rng.uniform(0.5, 2, N_TRACES),
        vector_centre=rng.normal(size=D),
        axes=rng.normal(size=(D, n_axes)),
        hidden=rng.normal(size=(K, N_TRACES + n_axes, H)),
        hidden_bias=rng.normal(size=(K, H)),
        out=rng.normal(size=(K, H)),
        out_bias=rng.normal(size=K),
        line=np.array([0.5, -1.0]),
        face_line=np.array([8.0, -2.0]),
    )


def head(**changed) -> ForgeryHead:
    held = changed.pop("numbers", numbers())
    said = {
        "model": "toy@1",
        "traces": TRACES,
        "numbers": hash_of(as_bytes(held)),
        "photos": "abc",
        "n_photos": 9,
        "n_forged": 3,
        "n_persons": 4,
        "seed": 0,
        "versions": {"resight": "0"},
        "figures": {"AUROC": {"value": 0.9, "low": None, "high": None, "n": 4, "level": 0.95}},
    }
    return ForgeryHead(ForgeryInfo(**{**said, **changed}), held)


def by_loops(held: HeadNumbers, trace: np.ndarray, vector: np.ndarray) -> float:
    seen = [min(max((t - c) / s, -5), 5) for t, c, s in zip(trace, held.trace_centre, held.trace_scale, strict=True)]
    seen += [sum((vector - held.vector_centre) * axis) for axis in held.axes.T]
    total = 0.0
    for network in range(len(held.hidden)):
        answer = float(held.out_bias[network])
        for unit in range(H):
            drive = float(held.hidden_bias[network, unit])
            drive += sum(x * w for x, w in zip(seen, held.hidden[network, :, unit], strict=True))
            answer += max(drive, 0) * float(held.out[network, unit])
        total += answer
    return 0.5 * total / len(held.hidden) - 1


def test_it_says_what_loops_say():
    rng = np.random.default_rng(5)
    traces, vectors = rng.normal(0, 4, (7, N_TRACES)), rng.normal(size=(7, D))
    found = head().log_odds(traces, vectors, "toy@1")
    wanted = [by_loops(numbers(), trace, vector) for trace, vector in zip(traces, vectors, strict=True)]
    assert found == pytest.approx(wanted, rel=1e-4, abs=1e-3)


def test_a_photo_without_traces_gets_no_answer_and_the_others_keep_theirs():
    traces = np.zeros((2, N_TRACES))
    traces[0] = np.nan
    found = head().log_odds(traces, np.zeros((2, D)), "toy@1")
    assert np.isnan(found).tolist() == [True, False]
    assert len(head().log_odds(np.zeros((0, N_TRACES)), np.zeros((0, D)), "toy@1")) == 0


def test_what_is_written_comes_back_and_says_the_same(tmp_path):
    one = head()
    one.save(tmp_path)
    back = ForgeryHead.load(tmp_path)
    assert back.info == one.info
    assert all(np.array_equal(getattr(back.numbers, f.name), getattr(one.numbers, f.name)) for f in fields(HeadNumbers))
    assert as_bytes(numbers()) == as_bytes(numbers())


def test_a_head_without_directions_of_the_vector_works():
    held = numbers(n_axes=0)
    assert np.isfinite(head(numbers=held).log_odds(np.zeros((2, N_TRACES)), np.zeros((2, D)), "toy@1")).all()


def test_vectors_of_another_model_are_refused():
    with pytest.raises(MismatchError, match=r"expected vectors of toy@1 .* found those of other@2"):
        head().log_odds(np.zeros((1, N_TRACES)), np.zeros((1, D)), "other@2")


@pytest.mark.parametrize(
    "changed",
    [
        {"out_bias": np.zeros(K + 1)},
        {"trace_scale": np.zeros(N_TRACES)},
        {"hidden": np.zeros((K, N_TRACES, H))},
        {"hidden": np.zeros((N_TRACES + E, H))},
        {"axes": np.zeros(D)},
        {"line": np.array([np.nan, 0])},
    ],
)
def test_numbers_that_do_not_belong_together_are_refused(changed):
    with pytest.raises(InputError, match="forgery head"):
        replace(numbers(), **changed)


def damaged(how: str) -> bytes:
    """The file of numbers with one member spoilt."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        array = io.BytesIO()
        np.lib.format.write_array(array, np.zeros((4, 4), np.float32))
        content = array.getvalue()
        if how == "header":
            content = content.replace(b"(4, 4), ", b"(9999999, 9999999), ", 1)
        archive.writestr("line.npy", content)
    data = bytearray(written.getvalue())
    local, central = data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")
    if how == "encrypted":
        data[local + 6] |= 1
        data[central + 8] |= 1
    if how == "method":
        data[local + 8] = data[central + 10] = 99
    if how == "deflate":
        data[local + 30 + len("line.npy")] = 0xFF
    return bytes(data)


def test_vectors_of_another_length_are_refused():
    with pytest.raises(MismatchError, match=f"expected vectors of {D} numbers for the forgery head, found {D + 1}"):
        head().log_odds(np.zeros((1, N_TRACES)), np.zeros((1, D + 1)), "toy@1")


class TestOnDisk:
    @pytest.fixture
    def folder(self, tmp_path):
        head().save(tmp_path)
        return tmp_path

    def test_nothing_there_names_the_remedy(self, tmp_path):
        with pytest.raises(InputError, match="resight train forgery"):
            ForgeryHead.load(tmp_path / "nowhere")

    @pytest.mark.parametrize("damage", ["encrypted", "method", "deflate", "header"])
    def test_damaged_numbers_under_their_own_hash_are_a_sentence(self, folder, damage):
        data = bytearray(damaged(damage))
        (folder / "forgery.npz").write_bytes(data)
        said = json.loads((folder / "forgery.json").read_text(encoding="utf-8"))
        (folder / "forgery.json").write_text(json.dumps(said | {"numbers": hash_of(bytes(data))}), encoding="utf-8")
        with pytest.raises(InputError, match="expected the numbers of a forgery head"):
            ForgeryHead.load(folder)

    def test_what_it_says_of_itself_is_one_sentence_when_wrong(self, folder):
        said = json.loads((folder / "forgery.json").read_text(encoding="utf-8"))
        (folder / "forgery.json").write_text(json.dumps(said | {"n_photos": "x", "more": 1}), encoding="utf-8")
        with pytest.raises(InputError, match="found at key 'n_photos': ") as told:
            ForgeryHead.load(folder)
        assert "\n" not in str(told.value)
        assert "://" not in str(told.value)

    def test_changed_numbers_are_told(self, folder):
        (folder / "forgery.npz").write_bytes(as_bytes(numbers(seed=1)))
        with pytest.raises(MismatchError, match="with the hash"):
            ForgeryHead.load(folder)

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"colour": "red"}, InputError),
            ({"format": 2}, InputError),
            ({"n_photos": -1}, InputError),
            ({"traces": ["spectrum 0"]}, MismatchError),
        ],
    )
    def test_what_is_said_is_checked(self, folder, change, error):
        file = folder / "forgery.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
        with pytest.raises(error, match="expected"):
            ForgeryHead.load(folder)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x93NUMPY", b"not at all"])
    def test_a_file_that_holds_no_numbers_is_refused(self, folder, content):
        self.held(folder, content)
        with pytest.raises(InputError, match="numbers of a forgery head"):
            ForgeryHead.load(folder)

    def test_a_pickle_is_never_opened(self, folder, tmp_path):
        np.savez(tmp_path / "bad.npz", **{f.name: np.array([print], object) for f in fields(HeadNumbers)})
        self.held(folder, (tmp_path / "bad.npz").read_bytes())
        with pytest.raises(InputError, match="numbers of a forgery head"):
            ForgeryHead.load(folder)

    def test_other_arrays_are_refused(self, folder, tmp_path):
        np.savez(tmp_path / "other.npz", weight=np.zeros(3, np.float32))
        self.held(folder, (tmp_path / "other.npz").read_bytes())
        with pytest.raises(InputError, match="found weight"):
            ForgeryHead.load(folder)

    def held(self, folder, content):
        (folder / "forgery.npz").write_bytes(content)
        file = folder / "forgery.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "numbers": hash_of(content)}))
