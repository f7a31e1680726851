"""The losses of a network against plain loops, and what of them learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from resight.config import (
    ArcFaceLoss,
    ContrastiveLoss,
    CosFaceLoss,
    ProxyAnchorLoss,
    SoftmaxLoss,
    SubCentreLoss,
    SupConLoss,
    TripletLoss,
)
from resight.train.networks.losses import Criterion

ALL = (
    ArcFaceLoss,
    ContrastiveLoss,
    CosFaceLoss,
    ProxyAnchorLoss,
    SoftmaxLoss,
    SubCentreLoss,
    SupConLoss,
    TripletLoss,
)
COUNTS = np.array([4, 2, 1])


def criterion(options, weights=(1.0, 1.0, 1.0)) -> Criterion:
    torch.manual_seed(0)
    return Criterion(options, COUNTS, 5, np.array(weights, np.float32))


def batch(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(n, 5, requires_grad=True), torch.tensor([0, 0, 1, 1, 2, 0][:n])


@pytest.mark.parametrize("kind", ALL)
def test_every_loss_is_a_number_with_a_slope(kind):
    vectors, classes = batch()
    loss = criterion(kind())(vectors, classes)
    loss.backward()
    assert loss.ndim == 0
    assert loss.item() > 0
    assert torch.isfinite(vectors.grad).all()
    assert vectors.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ALL)
def test_a_network_in_16_bits_gets_the_loss_of_32(kind):
    vectors, classes = batch()
    vectors = vectors.detach().bfloat16().requires_grad_()
    one = criterion(kind())
    expected = one(vectors.float(), classes)
    with torch.autocast("cpu", torch.bfloat16):
        loss = one(vectors, classes)
        none = one(vectors, torch.full((6,), -1))
    (loss + none).backward()
    assert loss.dtype == none.dtype == torch.float32
    torch.testing.assert_close(loss, expected)
    assert torch.isfinite(vectors.grad).all()


@pytest.mark.parametrize("kind", ALL)
def test_a_photo_of_no_known_class_says_nothing(kind):
    vectors, classes = batch()
    one = criterion(kind())
    unknown = torch.cat([classes, torch.tensor([-1, -1])])
    more = torch.cat([vectors, torch.ones(2, 5)])
    torch.testing.assert_close(one(more, unknown), one(vectors, classes))
    none = one(vectors, torch.full((6,), -1))
    none.backward()
    assert none.item() == 0


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.5, 1.0, 3.0)])
def test_arcface_is_what_a_loop_gives(weights):
    vectors, classes = batch()
    one = criterion(ArcFaceLoss(margin_rad=0.4, scale=10.0), weights)
    centres = torch.nn.functional.normalize(one.centres.detach()).double().numpy()
    unit = torch.nn.functional.normalize(vectors.detach()).double().numpy()
    total = 0.0
    for vector, own in zip(unit, classes.tolist(), strict=True):
        scores = [10 * float(vector @ centre) for centre in centres]
        angle = math.acos(scores[own] / 10)
        turned = math.cos(angle + 0.4) if angle < math.pi - 0.4 else math.cos(angle) - 0.4 * math.sin(0.4)
        scores[own] = 10 * turned
        total += weights[own] * (math.log(sum(map(math.exp, scores))) - scores[own])
    assert one(vectors, classes).item() == pytest.approx(total / 6, rel=1e-4)


def test_softmax_is_cross_entropy_with_weights_and_smoothing():
    vectors, classes = batch()
    one = criterion(SoftmaxLoss(smoothing=0.1), (0.5, 1.0, 2.0))
    scores = (vectors @ one.centres.T + one.bias).detach().double().log_softmax(1).numpy()
    total = 0.0
    for row, own in zip(scores, classes.tolist(), strict=True):
        total -= (0.5, 1.0, 2.0)[own] * (0.9 * row[own] + 0.1 * row.mean())
    assert one(vectors, classes).item() == pytest.approx(total / 6, rel=1e-4)


def test_contrastive_is_what_a_loop_gives():
    vectors, classes = batch()
    unit = torch.nn.functional.normalize(vectors.detach()).double().numpy()
    same, apart = [], []
    for first in range(6):
        for second in range(6):
            distance = float(np.linalg.norm(unit[first] - unit[second]))
            if first != second and classes[first] == classes[second] and distance > 0:
                same.append(distance)
            elif classes[first] != classes[second] and distance < 1.5:
                apart.append(1.5 - distance)
    found = criterion(ContrastiveLoss(margin=1.5))(vectors, classes)
    assert found.item() == pytest.approx(np.mean(same) + np.mean(apart), rel=1e-4)


def test_few_classes_at_a_time_hold_the_own_ones():
    vectors, classes = batch()
    all_classes = criterion(CosFaceLoss())(vectors, classes)
    some = criterion(CosFaceLoss(n_classes_per_batch=3))(vectors, classes)
    torch.testing.assert_close(all_classes, some)
    only_own = criterion(CosFaceLoss(n_classes_per_batch=2))(vectors[:4], classes[:4])
    assert 0 < only_own.item() <= criterion(CosFaceLoss())(vectors[:4], classes[:4]).item() + 1e-6


def test_centres_begin_where_the_photos_are():
    means = torch.tensor([[2.0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 3.0, 0, 0]])
    one = criterion(ArcFaceLoss())
    before = one.centres.detach().clone()
    one.put_centres(means)
    assert one.centres[0].tolist() == [1, 0, 0, 0, 0]
    assert torch.equal(one.centres[1], before[1])
    several = criterion(SubCentreLoss(n_centres=2))
    several.put_centres(means)
    assert not torch.equal(several.centres[0], several.centres[1])
    assert several.scores(means[:1]).argmax() == 0


@pytest.mark.parametrize("kind", ALL)
def test_what_learns_is_kept(kind):
    one = criterion(kind())
    learns = {name for name, weight in one.named_parameters() if weight.numel()}
    assert learns == set(one.state_dict())
    assert ("centres" in learns) == (kind not in (SupConLoss, ContrastiveLoss, TripletLoss))
