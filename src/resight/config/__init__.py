"""Config: recipes in TOML, checked against models, with one sentence for what is wrong and where."""

from resight.config.rerank_recipe import (
    AgreementOptions,
    CohortOptions,
    CohortScorerOptions,
    CosineOptions,
    DateOptions,
    FusionOptions,
    HashOptions,
    IdentityOptions,
    LocalOptions,
    NaiveBayesOptions,
    RerankRecipe,
    ScorerOptions,
    ShortlistOptions,
)

__all__ = [
    "AgreementOptions",
    "CohortOptions",
    "CohortScorerOptions",
    "CosineOptions",
    "DateOptions",
    "FusionOptions",
    "HashOptions",
    "IdentityOptions",
    "LocalOptions",
    "NaiveBayesOptions",
    "RerankRecipe",
    "ScorerOptions",
    "ShortlistOptions",
]
