"""Heads on stored vectors: a better model from what a catalogue holds already, in seconds."""

from resight.train.heads.training import HeadTraining, train_head

__all__ = ["HeadTraining", "train_head"]
