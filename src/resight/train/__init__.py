"""Training: heads on stored vectors and whole networks, judged by encounters and individuals that they never saw.

Only here torch is imported, and only inside the functions that need it.
"""

from resight.train.forgery import ForgeryTraining, train_forgery
from resight.train.heads import HeadTraining, train_head
from resight.train.networks.training import NetworkTraining, train_network
from resight.train.networks.tuned import tune_network
from resight.train.tracking import open_tracking
from resight.train.tuning import Tuning

__all__ = [
    "ForgeryTraining",
    "HeadTraining",
    "NetworkTraining",
    "Tuning",
    "open_tracking",
    "train_forgery",
    "train_head",
    "train_network",
    "tune_network",
]
