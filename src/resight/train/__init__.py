"""Training: heads on stored vectors and whole networks, judged by encounters and individuals that they never saw.

Only here torch is imported, and only inside the functions that need it.
"""

from resight.train.heads import HeadTraining, train_head
from resight.train.networks.training import NetworkTraining, train_network

__all__ = ["HeadTraining", "NetworkTraining", "train_head", "train_network"]
