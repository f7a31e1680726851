"""The flow from photos to decisions: index, calibrate, identify, evaluate, report."""

from resight.pipeline.ablation import Ablation, ablate_catalogue
from resight.pipeline.calibrate import calibrate_catalogue
from resight.pipeline.check import Checked, check_submission
from resight.pipeline.demo import run_demo
from resight.pipeline.duplicates import Alike, Duplicates, Leaks, conflicting_image_ids, find_duplicates, find_leaks
from resight.pipeline.evaluate import Evaluation, evaluate_catalogue
from resight.pipeline.exchange import Exported, export_catalogue
from resight.pipeline.explore import explore_photos
from resight.pipeline.forms import Form
from resight.pipeline.group import group_catalogue
from resight.pipeline.group_evaluation import GroupingEvaluation, evaluate_grouping
from resight.pipeline.holdout import HoldoutEvaluation, judge_holdout
from resight.pipeline.identify import Identification, Identifier
from resight.pipeline.index import Indexed, index_photos, vectors_for
from resight.pipeline.milvus import Pulled, pull_from_milvus, push_to_milvus
from resight.pipeline.pairs import PairScores, compare_pairs
from resight.pipeline.precomputed import GivenVectors, identify_vectors, index_embeddings, read_vectors
from resight.pipeline.prepare import prepare_copies
from resight.pipeline.proposals import Grouping
from resight.pipeline.reporting import write_ablation_report, write_evaluation_report, write_identification_report
from resight.pipeline.splits import split_catalogue, write_side
from resight.pipeline.submit import Submitted, write_submission
from resight.pipeline.verification import Verification
from resight.pipeline.verify import verify_pairs

__all__ = [
    "Ablation",
    "Alike",
    "Checked",
    "Duplicates",
    "Evaluation",
    "Exported",
    "Form",
    "GivenVectors",
    "Grouping",
    "GroupingEvaluation",
    "HoldoutEvaluation",
    "Identification",
    "Identifier",
    "Indexed",
    "Leaks",
    "PairScores",
    "Pulled",
    "Submitted",
    "Verification",
    "ablate_catalogue",
    "calibrate_catalogue",
    "check_submission",
    "compare_pairs",
    "conflicting_image_ids",
    "evaluate_catalogue",
    "evaluate_grouping",
    "explore_photos",
    "export_catalogue",
    "find_duplicates",
    "find_leaks",
    "group_catalogue",
    "identify_vectors",
    "index_embeddings",
    "index_photos",
    "judge_holdout",
    "prepare_copies",
    "pull_from_milvus",
    "push_to_milvus",
    "read_vectors",
    "run_demo",
    "split_catalogue",
    "vectors_for",
    "verify_pairs",
    "write_ablation_report",
    "write_evaluation_report",
    "write_identification_report",
    "write_side",
    "write_submission",
]
