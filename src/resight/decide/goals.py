"""Goals: what the line between known and new must reach."""

from __future__ import annotations

from dataclasses import dataclass

from resight.errors import ConfigError

_RATES = ("fpir", "conformal", "share-new")
_BEST = ("map@5", "baks-baus")
KNOWN = ("fpir=RATE", "conformal=RATE", "share-new=SHARE", *(f"best={measure}" for measure in _BEST))
"""The goals that there are, as a user writes them."""


@dataclass(frozen=True)
class Goal:
    """What the line between known and new must reach.

    | goal | the line |
    |---|---|
    | `fpir=0.01` | calls at most that share of strangers by a known name; leaves room for *unsure* |
    | `conformal=0.05` | promises each new stranger that rate, from finitely many; leaves room for *unsure* |
    | `share-new=0.165` | calls that share of all queries new |
    | `best=map@5` | gives the best expected mean average precision of five labels |
    | `best=baks-baus` | gives the best expected √(BAKS·BAUS), known and unknown identities alike |

    Args:
        name: "fpir", "conformal", "share-new", "map@5" or "baks-baus".
        value: the rate or share, between 0 and 1, for the first three; else None.

    Raises:
        ConfigError: when the name is unknown, or the value missing, unwanted or out of range.

    Example:
        >>> Goal.parse("fpir=0.01")
        Goal(name='fpir', value=0.01)
        >>> str(Goal("map@5"))
        'best=map@5'
    """

    name: str
    value: float | None = None

    def __post_init__(self) -> None:
        """Check the name and the range of the value."""
        if self.name not in (*_RATES, *_BEST):
            raise _unknown(self.name, self.name)
        if self.name in _BEST and self.value is not None:
            raise ConfigError(f"expected no value with the goal best={self.name}, found {self.value}", key=str(self))
        if self.name in _RATES and (self.value is None or not 0 < self.value < 1):
            found = "none" if self.value is None else f"{self.value:g}"
            raise ConfigError(
                f"expected a share between 0 and 1 for the goal {self.name}, such as {self.name}=0.05, found {found}",
                key=str(self),
            )

    def __str__(self) -> str:
        """The goal as a user writes it."""
        return f"best={self.name}" if self.value is None else f"{self.name}={self.value:g}"

    @property
    def two_way(self) -> bool:
        """Whether every query is called known or new, so that none is unsure."""
        return self.promised_fpir is None

    @property
    def promised_fpir(self) -> float | None:
        """The share of strangers that may be called by a known name; None where the goal is another one."""
        return self.value if self.name in ("fpir", "conformal") else None

    @classmethod
    def parse(cls, text: str) -> Goal:
        """The goal that a user wrote.

        Raises:
            ConfigError: when the goal is unknown (names the nearest and all of them) or its value is no
                share between 0 and 1.
        """
        name, _, value = (part.strip().lower() for part in text.partition("="))
        if name == "best" and value in _BEST:
            return cls(value)
        if name not in _RATES:
            raise _unknown(text, name if name != "best" else f"best={value}")
        try:
            return cls(name, float(value))
        except ValueError as error:
            if isinstance(error, ConfigError):
                raise
            message = f"expected a share between 0 and 1 for the goal {name}, such as {name}=0.05, found '{value}'"
            raise ConfigError(message, key=text) from error


def _unknown(text: str, key: str) -> ConfigError:
    message = f"expected a goal among {', '.join(KNOWN)}, found '{text}'."
    return ConfigError(message, key=key, known=(*_RATES, *(f"best={measure}" for measure in _BEST)))
