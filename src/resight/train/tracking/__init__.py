"""Tracking: what a training run was, and how it went, in plain files and, where it is asked for, in MLflow."""

from resight.train.tracking.files import read_figures, read_run, read_timings
from resight.train.tracking.runs import RunLog
from resight.train.tracking.server import open_tracking, serving, sync

__all__ = ["RunLog", "open_tracking", "read_figures", "read_run", "read_timings", "serving", "sync"]
