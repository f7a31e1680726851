"""Tuning: which settings of a recipe are best, tried one after the other and shown on a page."""

from resight.train.tuning.result import Trial, Tuning
from resight.train.tuning.study import Objective, Report, tune

__all__ = ["Objective", "Report", "Trial", "Tuning", "tune"]
