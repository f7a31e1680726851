"""What is sent in, checked, and what it is called in the description of the API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from resight.core import Judgement

__all__ = ["N_SEEN", "Assign", "JudgementIn", "Merge", "Rename", "Skip", "Split", "Undo"]

N_SEEN = 100_000
"""Photos of one change."""
_PLAIN = r"^[^\x00]*$"  # PostgreSQL keeps no NUL
Id = Annotated[
    str,
    Field(min_length=1, max_length=1_000, pattern=_PLAIN, description="Image id, as the catalogue names the photo."),
]
Name = Annotated[str, Field(min_length=1, max_length=300, pattern=_PLAIN, description="Name of an individual.")]
Number = Annotated[int, Field(ge=0, le=2**53)]
Seen = Annotated[
    dict[Id, Number] | None,
    Field(
        description="Version of each photo as it was seen (image id to number); 409 when another one stands by now. "
        "None asks for no check.",
        max_length=N_SEEN,
    ),
]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid")


class JudgementIn(_Sent):
    """What a reviewer says of one photo, beside one candidate or by itself."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"image_id": "a.jpg", "says": "same", "identity": "Nala", "candidate_id": "b.jpg", "seen": 0}]
        },
    )

    image_id: Id
    says: Literal["same", "different", "unsure", "new", "poor"]
    identity: Name | None = None
    candidate_id: Id | None = None
    seen: Number | None = Field(None, description="Version of the photo that was seen; None asks for no check.")
    model: Annotated[str, Field(max_length=300)] | None = None
    score: Annotated[float, Field(allow_inf_nan=False)] | None = None
    rank: Annotated[int, Field(ge=1, le=2**31)] | None = None
    filter: dict[str, str] = Field(default_factory=dict, max_length=20)

    def judgement(self) -> Judgement:
        """The noun.

        Raises:
            InputError: when a name is blank or lacking, or the photo is its own candidate.
        """
        return Judgement(**self.model_dump())


class Skip(_Sent):
    """A photo to come last in the queue of whoever asks."""

    image_id: Id
    back: bool = Field(default=False, description="Take the skip back instead.")


class Undo(_Sent):
    """A change to take back."""

    entry: Annotated[int, Field(ge=1, le=2**53)] | None = Field(None, description="Journal row; None: the last one.")
    seen: Seen = None


class Merge(_Sent):
    """Individuals that are one and the same."""

    identities: Annotated[list[Name], Field(min_length=1, max_length=1_000)]
    into: Name
    seen: Seen = None


class Split(_Sent):
    """Photos of one individual that show another one."""

    image_ids: Annotated[list[Id], Field(min_length=1, max_length=N_SEEN)]
    new_identity: Name
    seen: Seen = None


class Rename(_Sent):
    """Another name."""

    identity: Name
    new_name: Name
    seen: Seen = None


class Assign(_Sent):
    """Whom some photos show; None takes their name."""

    image_ids: Annotated[list[Id], Field(min_length=1, max_length=N_SEEN)]
    identity: Name | None = None
    seen: Seen = None
