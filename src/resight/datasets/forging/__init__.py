"""Forged photos of faces, made from real ones: to test and to train on what withstands forgery."""

from resight.datasets.forging.faces import POINTS, Landmarks, points_in_crop
from resight.datasets.forging.kinds import KINDS, Forgery, TwoFaces
from resight.datasets.forging.making import ForgedSet, forge_photos

__all__ = ["KINDS", "POINTS", "ForgedSet", "Forgery", "Landmarks", "TwoFaces", "forge_photos", "points_in_crop"]
