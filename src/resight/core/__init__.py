"""The nouns that flow through resight: frozen, columnar, checked once on construction."""

from resight.core.answers import Answer
from resight.core.catalogue import Catalogue
from resight.core.decisions import Candidate, Decision, GroupThreshold, OperatingPoint, Verdict
from resight.core.eligibility import Eligibility
from resight.core.embeddings import Embeddings
from resight.core.estimate import Estimate
from resight.core.faces import Faces
from resight.core.judgements import Judgement
from resight.core.matches import Matches
from resight.core.pairs import Pairs
from resight.core.photo_pairs import PhotoPairs

__all__ = [
    "Answer",
    "Candidate",
    "Catalogue",
    "Decision",
    "Eligibility",
    "Embeddings",
    "Estimate",
    "Faces",
    "GroupThreshold",
    "Judgement",
    "Matches",
    "OperatingPoint",
    "Pairs",
    "PhotoPairs",
    "Verdict",
]
