"""Losses: their numbers by plain loops and by another library, their slopes by small steps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from resight.config import (
    ArcFaceOptions,
    CosFaceOptions,
    ProxyAnchorOptions,
    SubCentreOptions,
    SupConOptions,
    TripletOptions,
)
from resight.train.losses import MarginSoftmax, class_margins, loss_of

torch = pytest.importorskip("torch")
functional = torch.nn.functional

N_CLASSES, DIMENSION = 5, 6
CLASSES = np.array([0, 0, 1, 1, 2, 3, 3, 4])


def unit(n: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(n, DIMENSION, generator=generator, dtype=torch.float64), dim=1)


def softmax(n_centres: int, margins: list[float], *, is_angle: bool, n_classes: int = 99, seed: int = 1):
    centres = 3 * unit(N_CLASSES * n_centres, seed)
    of = torch.tensor(margins, dtype=torch.float64)
    return MarginSoftmax(centres, n_centres, of, 8.0, is_angle, n_classes, torch.Generator().manual_seed(0))


def by_loops(loss: MarginSoftmax, vectors: np.ndarray, classes: np.ndarray) -> float:
    """The definition, photo by photo, with angles taken and not avoided."""
    centres = loss.centres.numpy().reshape(N_CLASSES, loss.n_centres, DIMENSION)
    total = 0.0
    for vector, own in zip(vectors, classes, strict=True):
        logits = []
        for one in range(N_CLASSES):
            cosine = max(float(vector @ centre / np.linalg.norm(centre)) for centre in centres[one])
            margin = float(loss.margins[one])
            if one == own and not loss.is_angle:
                cosine -= margin
            elif one == own:
                angle = math.acos(cosine)
                cosine = math.cos(angle + margin) if angle + margin <= math.pi else cosine - margin * math.sin(margin)
            logits.append(loss.scale * cosine)
        total += math.log(sum(math.exp(logit) for logit in logits)) - logits[own]
    return total / len(vectors)


class TestMarginSoftmax:
    @pytest.mark.parametrize("n_centres", [1, 3])
    @pytest.mark.parametrize("is_angle", [True, False])
    @pytest.mark.parametrize("margins", [[0.0] * 5, [0.3] * 5, [0.1, 0.5, 0.0, 1.2, 0.4]])
    def test_it_is_its_definition(self, n_centres, is_angle, margins):
        loss, vectors = softmax(n_centres, margins, is_angle=is_angle), unit(8, 2)
        expected = by_loops(loss, vectors.numpy(), CLASSES)
        assert float(loss(vectors, torch.from_numpy(CLASSES))) == pytest.approx(expected, abs=1e-9)

    def test_beyond_half_a_turn_it_goes_on_falling(self):
        loss = softmax(1, [1.2] * 5, is_angle=True)
        away = -functional.normalize(loss.centres, dim=1)[[0]]
        near = functional.normalize(away + 0.3 * unit(1, 5), dim=1)
        own = torch.tensor([0])
        for vectors in (away, near):
            assert float(loss(vectors, own)) == pytest.approx(by_loops(loss, vectors.numpy(), np.array([0])), abs=1e-9)
        assert loss(away, own) > loss(near, own)

    @pytest.mark.parametrize("n_centres", [1, 2])
    def test_it_is_that_of_another_library(self, n_centres):
        losses = pytest.importorskip("pytorch_metric_learning.losses")
        loss, vectors = softmax(n_centres, [0.3] * 5, is_angle=True), unit(8, 3)
        shape = {"num_classes": N_CLASSES, "embedding_size": DIMENSION, "margin": math.degrees(0.3), "scale": 8}
        theirs = losses.SubCenterArcFaceLoss(**shape, sub_centers=n_centres)
        theirs.W.data = loss.centres.T.clone()
        labels = torch.from_numpy(CLASSES)
        assert float(loss(vectors, labels)) == pytest.approx(theirs(vectors, labels).item(), abs=1e-9)

    def test_the_cosine_margin_is_that_of_another_library(self):
        losses = pytest.importorskip("pytorch_metric_learning.losses")
        loss, vectors, labels = softmax(1, [0.2] * 5, is_angle=False), unit(8, 4), torch.from_numpy(CLASSES)
        theirs = losses.CosFaceLoss(num_classes=N_CLASSES, embedding_size=DIMENSION, margin=0.2, scale=8)
        theirs.W.data = loss.centres.T.clone()
        assert float(loss(vectors, labels)) == pytest.approx(theirs(vectors, labels).item(), abs=1e-9)

    @pytest.mark.parametrize("is_angle", [True, False])
    def test_its_slope_is_that_of_small_steps(self, is_angle):
        loss, vectors = softmax(2, [0.1, 0.5, 0.0, 1.2, 0.4], is_angle=is_angle), unit(8, 6).requires_grad_()
        assert torch.autograd.gradcheck(lambda v: loss(v, torch.from_numpy(CLASSES)), (vectors,))

    def test_the_slope_of_the_centres_is_that_of_small_steps(self):
        loss, vectors, labels = softmax(2, [0.3] * 5, is_angle=True), unit(8, 7), torch.from_numpy(CLASSES)
        assert loss.holds_all
        loss.centres.requires_grad_()
        loss(vectors, labels).backward()
        slope = loss.centres.grad
        with torch.no_grad():
            for place in [(0, 0), (3, 2), (9, 5)]:
                kept = loss.centres[place].item()
                loss.centres[place] = kept + 1e-6
                above = float(loss(vectors, labels))
                loss.centres[place] = kept - 1e-6
                below = float(loss(vectors, labels))
                loss.centres[place] = kept
                assert float(slope[place]) == pytest.approx((above - below) / 2e-6, abs=1e-6)

    def test_a_vector_on_its_centre_has_a_slope(self):
        loss = softmax(1, [0.3] * 5, is_angle=True)
        vectors = functional.normalize(loss.centres, dim=1).detach().requires_grad_()
        loss(vectors, torch.arange(5)).backward()
        assert torch.isfinite(vectors.grad).all()

    def test_a_draw_of_the_classes_holds_those_of_the_batch(self):
        loss, labels = softmax(1, [0.3] * 5, is_angle=True, n_classes=3), torch.tensor([4, 1, 4])
        draws = [loss._drawn(labels).tolist() for _ in range(20)]
        assert all(len(one) == 3 and one == sorted(one) and {1, 4} <= set(one) for one in draws)
        assert {one for draw in draws for one in draw} == {0, 1, 2, 3, 4}
        assert softmax(1, [0.3] * 5, is_angle=True, n_classes=2)._drawn(torch.arange(4)).tolist() == [0, 1, 2, 3]

    def test_a_draw_is_the_softmax_over_the_drawn(self):
        loss, vectors, labels = softmax(2, [0.3] * 5, is_angle=True, n_classes=4), unit(3, 8), torch.tensor([4, 1, 4])
        drawn = loss._drawn(labels)
        loss.generator.manual_seed(0)
        rows = torch.cat([drawn[:, None] * 2 + torch.arange(2)]).flatten()
        few = MarginSoftmax(loss.centres[rows], 2, loss.margins[drawn], 8.0, True, 99, None)
        expected = few(vectors, torch.searchsorted(drawn, labels))
        assert float(loss(vectors, labels)) == pytest.approx(float(expected), abs=1e-12)

    def test_of_a_draw_only_the_drawn_centres_have_a_slope(self):
        loss, vectors, labels = softmax(2, [0.3] * 5, is_angle=True, n_classes=3), unit(3, 8), torch.tensor([4, 1, 4])
        drawn = set(loss._drawn(labels).tolist())
        loss.generator.manual_seed(0)
        loss.centres.requires_grad_()
        loss(vectors, labels).backward()
        assert loss.centres.grad.is_sparse
        moved = loss.centres.grad.to_dense().abs().sum(1).unflatten(0, (5, 2)).sum(1) > 0
        assert set(moved.nonzero().flatten().tolist()) == drawn


def test_the_margin_falls_with_the_number_of_photos():
    margins = class_margins(SubCentreOptions(), np.array([1, 2, 10, 100, 10_000]))
    assert (np.diff(margins) < 0).all()
    assert margins[0] == pytest.approx(0.55)
    assert margins[-1] == pytest.approx(0.05 + 0.5 / 10)
    assert class_margins(ArcFaceOptions(margin_rad=0.4), np.array([1, 9])).tolist() == pytest.approx([0.4, 0.4])
    assert class_margins(CosFaceOptions(margin=0.25), np.array([1])).tolist() == [0.25]


def similarity_loss(vectors: np.ndarray, temperature: float) -> float:
    """Supervised contrastive loss by loops (Khosla et al., 2020, the sum outside the logarithm)."""
    found = []
    for one in range(len(vectors)):
        others = [other for other in range(len(vectors)) if other != one]
        own = [other for other in others if CLASSES[other] == CLASSES[one]]
        if own:
            logits = {other: float(vectors[one] @ vectors[other]) / temperature for other in others}
            whole = math.log(sum(math.exp(logit) for logit in logits.values()))
            found.append(-sum(logits[other] - whole for other in own) / len(own))
    return sum(found) / len(found)


class TestTheLibrarysLosses:
    means = 2 * unit(N_CLASSES, 9)
    counts = np.bincount(CLASSES)

    def loss(self, options):
        return loss_of(options, self.means, self.counts, torch.Generator().manual_seed(0))

    @pytest.mark.parametrize(
        "options",
        [
            ProxyAnchorOptions(),
            SupConOptions(),
            TripletOptions(mining="all"),
            TripletOptions(mining="hard", margin=0.5),
        ],
        ids=lambda options: options.title,
    )
    def test_the_slope_is_that_of_small_steps(self, options):
        loss, vectors = self.loss(options), unit(8, 10).requires_grad_()
        assert torch.autograd.gradcheck(lambda v: loss.of(v, torch.from_numpy(CLASSES)), (vectors,))

    def test_supervised_contrastive_is_its_definition(self):
        vectors = unit(8, 11)
        found = self.loss(SupConOptions(temperature=0.2)).of(vectors, torch.from_numpy(CLASSES)).item()
        assert found == pytest.approx(similarity_loss(vectors.numpy(), 0.2), abs=1e-9)

    def test_proxy_anchor_is_its_definition(self):
        loss, vectors = self.loss(ProxyAnchorOptions(alpha=4.0, margin=0.1)), unit(8, 12)
        cosines = vectors.numpy() @ functional.normalize(self.means, dim=1).numpy().T
        pulls, pushes = [], []
        for one in range(N_CLASSES):
            pulls.append(math.log1p(sum(math.exp(-4 * (c - 0.1)) for c in cosines[one == CLASSES, one])))
            pushes.append(math.log1p(sum(math.exp(4 * (c + 0.1)) for c in cosines[one != CLASSES, one])))
        expected = sum(pulls) / N_CLASSES + sum(pushes) / N_CLASSES
        assert loss.of(vectors, torch.from_numpy(CLASSES)).item() == pytest.approx(expected, abs=1e-6)

    def test_proxies_begin_where_the_classes_are_and_leave_the_global_state_alone(self):
        state = torch.random.get_rng_state()
        loss = self.loss(ProxyAnchorOptions())
        assert torch.allclose(loss.centres, functional.normalize(self.means, dim=1))
        assert torch.equal(torch.random.get_rng_state(), state)

    def test_triplet_is_its_definition(self):
        loss, vectors = self.loss(TripletOptions(margin=0.4)), unit(8, 13)
        v, found = vectors.numpy(), []
        for anchor in range(8):
            for own in range(8):
                for other in range(8):
                    if own != anchor and CLASSES[own] == CLASSES[anchor] != CLASSES[other]:
                        apart = np.linalg.norm(v[anchor] - v[own]) - np.linalg.norm(v[anchor] - v[other]) + 0.4
                        found += [apart] if apart > 0 else []
        assert loss.of(vectors, torch.from_numpy(CLASSES)).item() == pytest.approx(np.mean(found), abs=1e-6)
