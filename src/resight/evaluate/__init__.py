"""How good the answers are: measures of identification, verification and clusters, with intervals.

The report and its tables are imported when first used: they bring pictures and templates with them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from resight.evaluate.balanced import PerIndividual, baks, baks_baus, baus, per_individual
from resight.evaluate.bootstrap import bootstrap, bootstrap_mean, individual_codes
from resight.evaluate.clustering import ClusterScores, cluster_scores
from resight.evaluate.file_measures import Score
from resight.evaluate.fold_accuracy import FoldAccuracy, fold_accuracy, folds_in_order
from resight.evaluate.identification import (
    NEW,
    accuracy,
    average_precision_at_k,
    average_precision_with_new,
    cmc,
    map_at_k,
    ranks_of_mates,
)
from resight.evaluate.landmarks import gap
from resight.evaluate.open_set import (
    OpenSetCurve,
    auroc,
    false_alarms,
    fnir,
    fnir_at_fpir,
    fpir,
    fpir_fnir_curve,
    misses,
    oscr,
)
from resight.evaluate.pair_bootstrap import bootstrap_pairs, pair_weights
from resight.evaluate.pair_measures import FAR_TARGETS, GroupMeasures, PairMeasures, TarAtFar, measure_pairs
from resight.evaluate.pair_rates import JudgedPairs
from resight.evaluate.photo_ranking import (
    average_precisions,
    inverse_penalties,
    mean_average_precision,
    mean_inverse_penalty,
)
from resight.evaluate.reliability import Stated, expected_calibration_error
from resight.evaluate.score import METRICS, score_files
from resight.evaluate.searches import Searches
from resight.evaluate.thresholds import AtTarget, conservative_threshold
from resight.evaluate.verification import EER_VARIANTS, Roc, eer, fmr, fnmr, roc, tar_at_far

if TYPE_CHECKING:
    from resight.evaluate.report import ReportRow, write_report
    from resight.evaluate.tables import decisions_to_csv, decisions_to_json, write_decisions_csv

_LATER = {
    "ReportRow": "report",
    "write_report": "report",
    "decisions_to_csv": "tables",
    "decisions_to_json": "tables",
    "write_decisions_csv": "tables",
}

__all__ = [
    "EER_VARIANTS",
    "FAR_TARGETS",
    "METRICS",
    "NEW",
    "AtTarget",
    "ClusterScores",
    "FoldAccuracy",
    "GroupMeasures",
    "JudgedPairs",
    "OpenSetCurve",
    "PairMeasures",
    "PerIndividual",
    "ReportRow",
    "Roc",
    "Score",
    "Searches",
    "Stated",
    "TarAtFar",
    "accuracy",
    "auroc",
    "average_precision_at_k",
    "average_precision_with_new",
    "average_precisions",
    "baks",
    "baks_baus",
    "baus",
    "bootstrap",
    "bootstrap_mean",
    "bootstrap_pairs",
    "cluster_scores",
    "cmc",
    "conservative_threshold",
    "decisions_to_csv",
    "decisions_to_json",
    "eer",
    "expected_calibration_error",
    "false_alarms",
    "fmr",
    "fnir",
    "fnir_at_fpir",
    "fnmr",
    "fold_accuracy",
    "folds_in_order",
    "fpir",
    "fpir_fnir_curve",
    "gap",
    "individual_codes",
    "inverse_penalties",
    "map_at_k",
    "mean_average_precision",
    "mean_inverse_penalty",
    "measure_pairs",
    "misses",
    "oscr",
    "pair_weights",
    "per_individual",
    "ranks_of_mates",
    "roc",
    "score_files",
    "tar_at_far",
    "write_decisions_csv",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'resight.evaluate' has no attribute '{name}'")
    return getattr(import_module(f"resight.evaluate.{_LATER[name]}"), name)
