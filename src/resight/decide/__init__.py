"""Decide: known, new or unsure, with a probability and a promise that was measured."""

from resight.decide.calibration import calibrate
from resight.decide.goals import Goal
from resight.decide.group_thresholds import Groups
from resight.decide.rule import GalleryGrownWarning, decide, predictions, probabilities

__all__ = ["GalleryGrownWarning", "Goal", "Groups", "calibrate", "decide", "predictions", "probabilities"]
