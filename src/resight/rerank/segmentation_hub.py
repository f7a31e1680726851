"""Networks of semantic segmentation from the hub of `transformers`: SegFormer, Mask2Former and their like.

Xie et al., "SegFormer", NeurIPS 2021; Cheng et al., "Masked-attention mask transformer for universal image
segmentation", CVPR 2022. Some weights may not be used commercially (those of SegFormer by NVIDIA among them): read the
licence that the hub shows before naming one. Weights come from the hub, or from a folder where they were saved.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.errors import InputError, MissingExtraError
from resight.rerank.segmentation import shares_of

__all__ = ["HubSegmenter"]

_OF_MASKS = ("maskformer", "mask2former", "oneformer", "eomt")
"""Kinds of networks that give masks and the class of each, in place of a class per pixel."""


class HubSegmenter:
    """A network of semantic segmentation by name, or in a folder where `save_pretrained` left it.

    Args:
        model: such as "nvidia/segformer-b0-finetuned-ade-512-512" or "facebook/mask2former-swin-tiny-ade-semantic".
        offline: look only at what is on this machine already.

    Raises:
        MissingExtraError: when transformers or torch is not installed.
        InputError: when the weights cannot be had, or are of another task.
    """

    def __init__(self, model: str, *, offline: bool = False) -> None:
        self._torch = _imported("torch")
        transformers = _imported("transformers")
        self.model_id = model
        try:
            config = transformers.AutoConfig.from_pretrained(model, local_files_only=offline)
            kind = "UniversalSegmentation" if config.model_type in _OF_MASKS else "SemanticSegmentation"
            loader = getattr(transformers, f"AutoModelFor{kind}")
            self._network = loader.from_pretrained(model, local_files_only=offline).eval()
            self._processor = transformers.AutoImageProcessor.from_pretrained(model, local_files_only=offline)
        except ImportError as error:  # a processor may need torchvision, and says so only now
            raise MissingExtraError("torchvision", "segmentation", "semantic segmentation") from error
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else "no reason given"
            raise InputError(
                f"{model}: this network of segmentation cannot be had ({reason}): go online once, or give as model a "
                "folder where one was saved by save_pretrained, or a bundle of kind 'segmentation'"
            ) from error
        names: dict[int, str] = config.id2label
        self.classes = tuple(str(names[number]) for number in range(len(names)))

    def shares(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """(C,) the share of (H, W, 3) uint8 RGB that shows each class."""
        with self._torch.inference_mode():
            found: Any = self._network(**self._processor(images=pixels, return_tensors="pt"))
        classes = self._processor.post_process_semantic_segmentation(found)[0]
        return shares_of(np.asarray(classes.numpy(), np.int64), len(self.classes))


def _imported(name: str) -> Any:
    """A package of the extra, imported only now: resight itself never needs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(name, "segmentation", "semantic segmentation") from error
