"""Faces: found on a photo, one of several chosen by a stated rule, and turned upright to a template."""

from resight.core import Faces
from resight.faces.aligner import FaceAligner, Prepared
from resight.faces.alignment import TEMPLATE, align, similarity
from resight.faces.choosing import Several, chosen_face
from resight.faces.info import ALIGNING, FaceInfo

__all__ = [
    "ALIGNING",
    "TEMPLATE",
    "FaceAligner",
    "FaceInfo",
    "Faces",
    "Prepared",
    "Several",
    "align",
    "chosen_face",
    "similarity",
]
