"""Fusion: what several scorers say of a pair as one probability that both photos show the same individual.

Calibrated fusion as WildFusion does it (V. Čermák and others, 2024), with two differences: a pair that a
scorer did not compare is absent there, never at the lowest score, and beside the mean of the
probabilities there is a logistic stack.

The probability is that of pairs *like those fitted on*: of the pairs of a shortlist that the same cheap
scorer picked among as many individuals. It is no probability among all pairs of a gallery, where mates
are far rarer, and it does not know that a query has one individual only: that is what the operating point
makes of the candidates.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Pairs
from resight.errors import InputError, MismatchError, UnknownNameError
from resight.rerank.combining import Combination, Stack, combination_from, fields_of
from resight.rerank.logistic import log_sigmoid
from resight.rerank.pair_curve import PairCurve

__all__ = ["Fusion", "FusionSummary", "ScorerSummary"]

_VERSION = 2
_BLOCK_PAIRS = 65_536

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ScorerSummary:
    """How one scorer was taken up.

    Args:
        name: of the scorer.
        form: the curve that was chosen.
        log_loss: per form, the cross-validated log loss in nats over the pairs that it compared.
        prior_log_loss: the same of someone who knows only how rare mates are among them.
        share_compared: share of the pairs that it compared.
    """

    name: str
    form: str
    log_loss: Mapping[str, float]
    prior_log_loss: float
    share_compared: float


@dataclass(frozen=True)
class FusionSummary:
    """What a fusion was fitted on, what it was chosen from, and by which figures.

    Args:
        n_pairs: pairs that some scorer compared.
        n_same: how many of them show the same individual.
        n_individuals: on the queries.
        n_folds: of the cross-validation over individuals.
        weigh: what counted once: "pairs" or "individuals".
        chosen: the way taken: "stack", "mean" or "alone", and the names of the scorers in it.
        asked: "auto" when the way was chosen, else what was asked for.
        oscr: per way that was tried, how often a query's best mate came first and above strangers, cross-validated.
        log_loss: per way, the cross-validated log loss in nats; and of the bare prior.
        scorers: how each was taken up, those left out too.
    """

    n_pairs: int
    n_same: int
    n_individuals: int
    n_folds: int
    weigh: str
    chosen: str
    asked: str
    oscr: Mapping[str, float]
    log_loss: Mapping[str, float]
    scorers: tuple[ScorerSummary, ...]

    @property
    def combine(self) -> str:
        """What makes the same combination of the same scorers again: one of `fusion_fit.COMBINATIONS`."""
        way = self.chosen.partition(":")[0]
        return "auto" if way == "alone" else way

    @property
    def in_short(self) -> str:
        """What was taken, and on what it rests, for somebody who asks for no figures."""
        best = f", the best of {len(self.oscr)} ways" if len(self.oscr) > 1 else ""
        return f"Re-ranked by {self.chosen}{best}, on {self.n_pairs:,} pairs of {self.n_individuals:,} individuals."

    def __str__(self) -> str:
        """What was taken, and the figures of all that was tried."""
        figures = "; ".join(f"{name} {rate:.3f} and {self.log_loss[name]:.4f}" for name, rate in self.oscr.items())
        return (
            f"{self.chosen}; fitted on {self.n_pairs:,} pairs ({self.n_same:,} same) of {self.n_individuals:,} "
            f"individuals. OSCR and log loss by cross-validation over individuals: {figures}"
        )


@dataclass(frozen=True)
class Fusion:
    """Scorers' curves and the way they are combined.

    `resight.rerank.fusion_fit.fit_fusion` makes one.

    Args:
        curves: per scorer the curve that turns its score into log-odds, in the order of the combination.
        combination: how the log-odds of the scorers become one.
        summary: what it was fitted on and chosen from.
        models: fingerprints of what the scorers rest on, by scorer; they are part of `model_id`.

    Raises:
        InputError: when there is no scorer, or the combination is one of other scorers.

    Example:
        >>> curve = PairCurve("logistic", "plain", (0.5,), (0.0,), 4.0, -3.0)
        >>> summary = FusionSummary(0, 0, 0, 0, "pairs", "alone: cosine", "auto", {}, {}, ())
        >>> fusion = Fusion({"cosine": curve}, Stack((1.0,), (0.0,), (-3.0,), -3.0), summary)
        >>> pairs = Pairs([0, 0], [3, 5], 1, 9).with_scores("cosine", [0.5, np.nan])
        >>> fusion.probability(pairs).tolist()
        [0.5, nan]
    """

    curves: Mapping[str, PairCurve]
    combination: Combination
    summary: FusionSummary
    models: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that curves and combination belong together."""
        if not self.curves:
            raise InputError("expected a scorer at least, found none")
        if isinstance(self.combination, Stack) and len(self.combination.weights) != len(self.curves):
            raise InputError(f"expected a weight per scorer, found {len(self.combination.weights)}")
        for name in self.models:
            if name not in self.curves:
                raise UnknownNameError("scorer", name, self.curves)

    @property
    def scorers(self) -> tuple[str, ...]:
        """The names of the scorers."""
        return tuple(self.curves)

    @property
    def model_id(self) -> str:
        """A fingerprint of all that makes the probability; equal fusions have equal ones."""
        text = json.dumps(self._fields(), sort_keys=True, ensure_ascii=True)
        return f"fusion-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def log_odds(self, pairs: Pairs) -> Floats:
        """(P,) log-odds that both photos of a pair show the same individual; NaN where no scorer compared it.

        Unlike a probability they never run together at 1, so rank by them.

        Raises:
            UnknownNameError: when the pairs lack the column of a scorer; one that compared nothing is all NaN.
        """
        for name in self.scorers:
            if name not in pairs.scores:
                raise UnknownNameError("scorer", name, list(pairs.scores))
        answer = np.empty(len(pairs))
        for start in range(0, len(pairs), _BLOCK_PAIRS):
            block = slice(start, start + _BLOCK_PAIRS)
            scores = ((curve, pairs.scores[name][block]) for name, curve in self.curves.items())
            answer[block] = self.combination.combined(
                np.column_stack([curve.log_odds(values.astype(np.float64)) for curve, values in scores])
            )
        return answer

    def probability(self, pairs: Pairs) -> Floats:
        """(P,) probability that both photos of a pair show the same individual; NaN where no scorer compared it.

        Raises:
            UnknownNameError: as for `log_odds`.
        """
        answer: Floats = np.exp(log_sigmoid(self.log_odds(pairs)))
        return answer

    def require_models(self, models: Mapping[str, str]) -> None:
        """Refuse scorers that rest on something else than those fitted on.

        Args:
            models: fingerprints by scorer.

        Raises:
            MismatchError: when the fingerprint of a scorer is another one, or is lacking.
        """
        for name, expected in self.models.items():
            if models.get(name) != expected:
                raise MismatchError(
                    f"expected the scorer '{name}' to rest on {expected}, as in the fit, found {models.get(name)}: "
                    "fit the fusion again"
                )

    def to_json(self) -> str:
        """The fusion as text; `from_json` gives back an equal one, to the last bit."""
        fields = {"version": _VERSION, **self._fields(), "summary": asdict(self.summary)}
        return json.dumps(fields, indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Fusion:
        """The fusion that `to_json` wrote.

        Raises:
            InputError: when the text is no such fusion.
            MismatchError: when it was written by a newer version.
        """
        fields = _parsed(text)
        try:
            curves = {name: PairCurve.from_dict(curve) for name, curve in fields["curves"]}
            combination = combination_from(fields["combination"])
            summary = _summary_from(fields["summary"])
            return cls(curves, combination, summary, dict(fields["models"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"expected the text of a fusion, found one without its fields ({error})") from error

    def _fields(self) -> dict[str, Any]:
        """All that makes the probability."""
        return {
            "curves": [[name, curve.as_dict()] for name, curve in self.curves.items()],
            "combination": fields_of(self.combination),
            "models": dict(sorted(self.models.items())),
        }


def _parsed(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"expected the text of a fusion, found no JSON ({error})") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("version"), int):
        raise InputError("expected the text of a fusion with its version, found another object")
    if fields["version"] != _VERSION:
        raise MismatchError(
            f"expected a fusion of version {_VERSION}, found {fields['version']}: fit again, or use the resight of it"
        )
    return fields


def _summary_from(fields: Mapping[str, Any]) -> FusionSummary:
    scorers = tuple(ScorerSummary(**scorer) for scorer in fields["scorers"])
    return FusionSummary(**{**fields, "scorers": scorers})
