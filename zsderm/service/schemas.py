"""The JSON models of requests and answers; /openapi.json is generated from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from zsderm.config import DEFAULT_PRIOR, METHODS, MODALITIES, Settings
from zsderm.narratives.given import HEAVIEST, WEIGHT

DISCLAIMER = "Research software, not a medical device. An answer is not a diagnosis."

MAX_NARRATIVE = 20_000  # characters

# A form has text only, which is not taken for a number of these by itself.
Views = Annotated[Literal[1, 4, 8], BeforeValidator(lambda text: int(text) if str(text).isdecimal() else text)]
JobState = Literal["open", "queued", "running", "done", "failed", "cancelled"]
Verdict = Literal["agree", "correct", "cannot_tell"]


class Model(BaseModel):
    """The base of all models: fields are read by their Python name or by their JSON name."""

    model_config = ConfigDict(populate_by_name=True)


class Problem(Model):
    """An error, RFC 9457 (application/problem+json)."""

    type: str = Field(description="The kind of error, such as urn:zsderm:too-large.", examples=["urn:zsderm:too-large"])
    title: str
    status: int
    detail: str = Field(description="One sentence that says what to do.")
    errors: list[FieldError] | None = Field(
        default=None, description="The fields of the request that cannot be used, with reasons."
    )


class FieldError(Model):
    """One field of a request that cannot be used."""

    field: str
    detail: str


class ClassifyRequest(Model):
    """How photographs are classified: the fields of the form in addition to `files`."""

    classes: str = Field(
        default="",
        description='At least two names with commas: "a, b, c". Leave out if the service has a fitted classifier.',
        examples=["melanoma, nevus, basal cell carcinoma"],
    )
    method: str = Field(
        default=Settings.method,
        description="kpl is the complete method; the others are parts of it.",
        json_schema_extra={"enum": list(METHODS)},
    )
    prior: str = Field(
        default=DEFAULT_PRIOR,
        description='auto, uniform, home, or weights as JSON: {"melanoma": 1, "nevus": 9}.',
        examples=["auto"],
    )
    top_k: Annotated[int, Field(ge=1, le=1000, description="How many classes are listed for each photograph.")] = 3
    views: Views | None = Field(
        default=None,
        description="How many views of each photograph are averaged; by default as many as the model's card says.",
    )
    modality: str = Field(
        default=Settings.modality,
        description="The type of the photographs, which selects the sentences beside an answer.",
        json_schema_extra={"enum": list(MODALITIES)},
    )
    explain: bool = Field(default=False, description="Whether to add a heat map of each photograph.")
    narrative: str = Field(
        default="",
        max_length=MAX_NARRATIVE,
        description="What the one patient in all photographs reports, in English; stored as long as the photographs.",
        examples=["It has grown since summer, and it bled twice."],
    )
    words_weight: Annotated[float, Field(ge=0, le=HEAVIEST)] = Field(
        default=WEIGHT, description="The weight of the narrative beside the photograph; 0 ignores the narrative."
    )

    @field_validator("method", "modality")
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        """Refuse a word that the library refuses, in its words."""
        given: dict[str, Any] = {str(info.field_name): value}
        Settings(**given)
        return value


class Ranked(Model):
    """One class and its probability."""

    class_: str = Field(alias="class", serialization_alias="class")
    probability: float


class Sentence(Model):
    """One sentence of the knowledge base about a class, shown with an answer."""

    text: str
    score: float = Field(description="Cosine similarity of photograph and sentence, -1 to 1.")
    aspect: str
    source: str
    modality: str = ""
    shows: str = ""


class Matched(Model):
    """A sentence of the knowledge base that is similar to a part of the narrative."""

    said: str
    sentence: str
    disease: str
    about: str
    score: float = Field(description="Cosine similarity of the two, -1 to 1.")


class Words(Model):
    """What the photograph alone and the narrative alone say; the label of the answer combines both."""

    label_by_image: str
    probability_by_image: float
    label_by_words: str = Field(description="Empty if the narrative says nothing about the classes.")
    probability_by_words: float | None
    matched: list[Matched]
    masked: list[str] = Field(description="Names of diseases that were removed from the narrative.")
    narrative_note: str = Field(description="A note on how the narrative was read; often empty.")


class Answer(Model):
    """The answer for one photograph; if `ok` is false, only `image` and `error` are set."""

    image: str = Field(description="The name of the photograph, as it was sent.")
    ok: bool
    error: str = Field(default="", description="Why the photograph could not be read; empty if it could.")
    label: str = ""
    probability: float | None = None
    top: list[Ranked] = Field(default_factory=list, description="The most probable classes, best first.")
    prediction_set: list[str] | None = Field(
        default=None, description="The classes that cannot be ruled out; null without a fitting calibration."
    )
    abstained: bool | None = Field(
        default=None,
        description="Whether the photograph may show none of the classes; null without a fitting calibration.",
    )
    familiarity: float | None = Field(
        default=None, description="How usual the photograph is for the model: 0 is usual, -1 is ten times as far away."
    )
    evidence: list[Sentence] = Field(default_factory=list, description="Sentences typical of the label.")
    runner_up_evidence: list[Sentence] = Field(
        default_factory=list, description="Sentences typical of the second class."
    )
    unrefined_label: str | None = Field(
        default=None, description="The label before refinement; null if there was no refinement."
    )
    heat_map: str | None = Field(default=None, description="Only with `explain`: a PNG as a data URI.")
    words: Words | None = Field(
        default=None, description="Only with a `narrative`: what photograph and narrative say by themselves."
    )
    note: str = Field(default="", description="A note on this answer; often empty.")


class Classified(Model):
    """The answers for the photographs of one request."""

    answers: list[Answer]
    classes: list[str]
    method: str = Field(description="The method that was used; it may differ from the requested one.")
    requested_method: str
    prior: str = Field(description="The prior that was used; it may differ from the requested one.")
    model: str
    calibrated: bool
    notes: list[str] = Field(
        description="Notes on all answers, such as what the refinement changed, or why there was none."
    )
    disclaimer: str = DISCLAIMER


class Embedding(Model):
    """The embedding of one photograph, a vector of unit length."""

    image: str
    ok: bool
    error: str = ""
    embedding: list[float] | None = None


class Embedded(Model):
    """The embeddings of the photographs of one request."""

    model: str
    fingerprint: str
    width: int
    views: int
    embeddings: list[Embedding]


class Annotation(Model):
    """The concepts of one photograph."""

    image: str
    ok: bool
    error: str = ""
    scores: dict[str, float] | None = Field(
        default=None, description="Log-odds of each concept; compare them between photographs."
    )


class Annotated_(Model):
    """The concepts of the photographs of one request."""

    model_config = ConfigDict(populate_by_name=True, title="Annotated")
    concepts: list[str]
    annotations: list[Annotation]


class Hit(Model):
    """One photograph in a search result."""

    image: str
    score: float = Field(description="Cosine similarity of photograph and query, -1 to 1.")
    number: int = Field(description="The place of the photograph among all photographs, from 0.")


class Retrieved(Model):
    """The photographs most similar to a text, best first, and those that could not be read."""

    query: str
    hits: list[Hit]
    errors: dict[str, str] = Field(default_factory=dict)


class Progress(Model):
    """The progress of a job."""

    total: int
    done: int = Field(description="How many photographs are embedded or could not be read.")
    failed: int = Field(description="How many of these could not be read.")
    seconds_left: float | None = Field(
        default=None, description="Estimated remaining time; null if unknown, or if the job does not run."
    )


class Job(Model):
    """Many photographs that are classified together."""

    id: str
    state: JobState = Field(description="open means that photographs can be added until the job is started.")
    reason: str = Field(default="", description="Why the job failed; a failed job can be resumed.")
    created: datetime
    ended: datetime | None = None
    deleted_after: datetime | None = Field(
        default=None, description="After this time, the job and its photographs are deleted."
    )
    request: ClassifyRequest
    classes: list[str]
    progress: Progress
    method: str | None = Field(default=None, description="The method that was used, once the job is done.")
    prior: str | None = None
    model: str | None = None
    calibrated: bool | None = None
    notes: list[str] = Field(default_factory=list)
    reviewed: int = 0
    disclaimer: str = DISCLAIMER


class Jobs(Model):
    """All jobs, the newest first."""

    jobs: list[Job]


class Review(Model):
    """The verdict of a reader on an answer."""

    verdict: Verdict
    label: str = Field(default="", description="The right class; empty for cannot_tell.")
    comment: str = Field(default="", max_length=2000)
    at: datetime | None = None


class ReviewRequest(Model):
    """A verdict on an answer; `label` is needed only to correct it."""

    verdict: Verdict
    label: str = Field(default="", max_length=200)
    comment: str = Field(default="", max_length=2000)


class Photograph(Model):
    """One photograph of a job."""

    number: int = Field(description="The place of the photograph in the job, from 0; other requests use it as address.")
    image: str
    state: Literal["waiting", "done", "failed"]
    width: int | None = Field(default=None, description="Width in pixels, of the upright picture.")
    height: int | None = None
    answer: Answer | None = Field(
        default=None, description="null until the job is done; for an unreadable photograph, the reason."
    )
    review: Review | None = None


class Photographs(Model):
    """Some photographs of a job, in their order."""

    job: str
    state: JobState
    total: int
    offset: int
    photographs: list[Photograph]


class Health(Model):
    """Whether the service runs."""

    status: Literal["ok"] = "ok"
    version: str


class Readiness(Model):
    """Whether the service accepts requests, with its model and limits."""

    ready: bool
    model: str
    classes: list[str] | None = Field(
        default=None, description="The classes of a fitted classifier; null if requests name the classes."
    )
    calibrated_classes: list[str] | None = None
    knowledge: str | None
    waiting: int = Field(description="How many photographs wait for the model.")
    key_needed: bool
    keep_hours: float
    limits: Limits


class Limits(Model):
    """The limits of the service: sizes in bytes, numbers of files, and pixels of one photograph."""

    request_bytes: int
    file_bytes: int
    files: int
    classify_files: int
    job_files: int
    pixels: int


class SessionRequest(Model):
    """The key, sent once by the page; afterwards the page uses a session cookie."""

    key: str = Field(max_length=4096)


for _model in (Problem, Readiness):
    _model.model_rebuild()
