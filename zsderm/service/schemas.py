"""What is asked and answered, as JSON; /openapi.json is made from it."""

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
    """The base of all: fields by their name or by their name in JSON."""

    model_config = ConfigDict(populate_by_name=True)


class Problem(Model):
    """An error, RFC 9457 (application/problem+json)."""

    type: str = Field(
        description="What kind of error, such as urn:zsderm:too-large.", examples=["urn:zsderm:too-large"]
    )
    title: str
    status: int
    detail: str = Field(description="One sentence that says what to do.")
    errors: list[FieldError] | None = Field(default=None, description="Of a form: which fields, and why.")


class FieldError(Model):
    """One field of a request that cannot be used."""

    field: str
    detail: str


class ClassifyRequest(Model):
    """How photographs are classified; the fields of the form beside `files`."""

    classes: str = Field(
        default="",
        description='At least two names with commas: "a, b, c". Left out where the service has a fitted classifier.',
        examples=["melanoma, nevus, basal cell carcinoma"],
    )
    method: str = Field(
        default=Settings.method,
        description="kpl is the whole method; the others are parts of it.",
        json_schema_extra={"enum": list(METHODS)},
    )
    prior: str = Field(
        default=DEFAULT_PRIOR,
        description='auto, uniform, or weights as JSON: {"melanoma": 1, "nevus": 9}.',
        examples=["auto"],
    )
    top_k: Annotated[int, Field(ge=1, le=1000, description="How many classes are listed for each photograph.")] = 3
    views: Views | None = Field(
        default=None, description="Views of each photograph that are averaged; left out: as the model's card says."
    )
    modality: str = Field(
        default=Settings.modality,
        description="What the photographs are, for the sentences beside an answer.",
        json_schema_extra={"enum": list(MODALITIES)},
    )
    explain: bool = Field(default=False, description="Also a heat map of each photograph.")
    narrative: str = Field(
        default="",
        max_length=MAX_NARRATIVE,
        description="What the one patient tells, in English, whom all photographs show; kept as long as they are.",
        examples=["It has grown since summer, and it bled twice."],
    )
    words_weight: Annotated[float, Field(ge=0, le=HEAVIEST)] = Field(
        default=WEIGHT, description="How much the narrative counts beside a photograph; 0: not at all."
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
    """One description of a class that stands beside an answer."""

    text: str
    score: float = Field(description="Cosine of photograph and description, -1 to 1.")
    aspect: str
    source: str
    modality: str = ""
    shows: str = ""


class Matched(Model):
    """A sentence of the knowledge base that a piece of the narrative is like."""

    said: str
    sentence: str
    disease: str
    about: str
    score: float = Field(description="Cosine of piece and sentence, -1 to 1.")


class Words(Model):
    """What came from the photograph, and what from the words of the patient; the label of the answer is by both."""

    label_by_image: str
    probability_by_image: float
    label_by_words: str = Field(description="Empty where the narrative says nothing of the classes.")
    probability_by_words: float | None
    matched: list[Matched]
    masked: list[str] = Field(description="Names of diseases that were taken out of the narrative.")
    narrative_note: str = Field(description="How it was read, where that is special; may be empty.")


class Answer(Model):
    """What is said of one photograph; where `ok` is false, only `error` says something."""

    image: str = Field(description="Its name, as it was sent.")
    ok: bool
    error: str = Field(default="", description="Why it could not be read; empty when fine.")
    label: str = ""
    probability: float | None = None
    top: list[Ranked] = Field(default_factory=list, description="The most probable classes, best first.")
    prediction_set: list[str] | None = Field(
        default=None, description="Classes that could not be ruled out; null without a calibration for it."
    )
    abstained: bool | None = Field(
        default=None, description="Whether the answer is 'none of these'; null without a calibration for it."
    )
    familiarity: float | None = Field(
        default=None, description="How usual the photograph is for the model: 0 as usual, -1 ten times as far away."
    )
    evidence: list[Sentence] = Field(default_factory=list, description="What spoke for the label.")
    runner_up_evidence: list[Sentence] = Field(default_factory=list, description="What spoke for the second class.")
    unrefined_label: str | None = Field(
        default=None, description="The label before the photographs of the batch refined it; null: not refined."
    )
    heat_map: str | None = Field(default=None, description="With `explain`: a PNG picture as a data URI.")
    words: Words | None = Field(default=None, description="With a `narrative`: what came from where.")
    note: str = Field(default="", description="What else is to be known of this answer; may be empty.")


class Classified(Model):
    """The answers for the photographs of one request."""

    answers: list[Answer]
    classes: list[str]
    method: str = Field(description="The method really used.")
    requested_method: str
    prior: str = Field(description="The prior really used.")
    model: str
    calibrated: bool
    notes: list[str] = Field(description="What is to be known of all answers, such as why nothing was refined.")
    disclaimer: str = DISCLAIMER


class Embedding(Model):
    """One photograph as a row of unit length."""

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
    scores: dict[str, float] | None = Field(default=None, description="Log-odds; compare them between photographs.")


class Annotated_(Model):
    """The concepts of the photographs of one request."""

    model_config = ConfigDict(populate_by_name=True, title="Annotated")
    concepts: list[str]
    annotations: list[Annotation]


class Hit(Model):
    """One photograph that was found."""

    image: str
    score: float = Field(description="Cosine with what was asked, -1 to 1.")
    number: int = Field(description="Its place among the photographs, from 0.")


class Retrieved(Model):
    """The photographs most like a text, best first, and those that could not be read."""

    query: str
    hits: list[Hit]
    errors: dict[str, str] = Field(default_factory=dict)


class Progress(Model):
    """How far a job is."""

    total: int
    done: int = Field(description="Photographs that are embedded, or that could not be read.")
    failed: int = Field(description="Those of them that could not be read.")
    seconds_left: float | None = Field(default=None, description="null: not known yet, or nothing is left.")


class Job(Model):
    """Many photographs that are classified together."""

    id: str
    state: JobState = Field(description="open: photographs may be added until it is started.")
    reason: str = Field(default="", description="Why it failed; it can be resumed.")
    created: datetime
    ended: datetime | None = None
    deleted_after: datetime | None = Field(default=None, description="When it and its photographs are deleted.")
    request: ClassifyRequest
    classes: list[str]
    progress: Progress
    method: str | None = Field(default=None, description="The method really used, once it is done.")
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
    """What a reader says of an answer."""

    verdict: Verdict
    label: str = Field(default="", description="The right class: that of the answer where they agree; empty: unknown.")
    comment: str = Field(default="", max_length=2000)
    at: datetime | None = None


class ReviewRequest(Model):
    """A verdict on an answer; `label` only where it is corrected."""

    verdict: Verdict
    label: str = Field(default="", max_length=200)
    comment: str = Field(default="", max_length=2000)


class Photograph(Model):
    """One photograph of a job."""

    number: int = Field(description="Its place in the job, from 0; its address in other requests.")
    image: str
    state: Literal["waiting", "done", "failed"]
    width: int | None = Field(default=None, description="Pixels, as it is shown upright.")
    height: int | None = None
    answer: Answer | None = Field(default=None, description="null until the job is done, or the reason is known.")
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
    """Whether the service takes work."""

    ready: bool
    model: str
    classes: list[str] | None = Field(default=None, description="Of a fitted classifier; null: as asked.")
    calibrated_classes: list[str] | None = None
    knowledge: str | None
    waiting: int = Field(description="Photographs that wait for the model.")
    key_needed: bool
    keep_hours: float
    limits: Limits


class Limits(Model):
    """How much the service takes."""

    request_bytes: int
    file_bytes: int
    files: int
    classify_files: int
    job_files: int
    pixels: int


class SessionRequest(Model):
    """The key, given once by the page; a cookie stands for it afterwards."""

    key: str = Field(max_length=4096)


for _model in (Problem, Readiness):
    _model.model_rebuild()
