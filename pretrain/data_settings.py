"""The settings that name tables: what is trained on, and what is asked of the encoder at the end of an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zsderm.config import METHODS
from zsderm.errors import SettingsError
from zsderm.modalities import CLINICAL, MODALITIES
from zsderm.pretrain.settings_file import check_among, check_between

TASKS = ("classification", "retrieval", "concepts")
FACTS = ("site", "age", "sex")


@dataclass(frozen=True)
class Source:
    """One table of images: labelled (captions are written) or in the published caption format (captions are read)."""

    table: str  # relative to the data folder; image paths in it are relative to the table. Or a folder of classes
    modality: str = CLINICAL  # of a labelled table, one of MODALITIES; a column `modality` says it row by row
    split: str = ""  # keep the rows whose column `split` has this value; empty: all rows
    fine_labels: str = ""  # CSV file: `image_id`, and in `fine_label` the diagnosis that a pooled label stands for
    weight: float = 1.0  # how often each image is drawn, relative to the other sources
    columns: Mapping[str, str] = field(default_factory=dict)  # fact -> column: site, age, sex
    signs: Mapping[str, str] = field(default_factory=dict)  # yes/no column -> what the patient reports when it is yes
    image_column: str = ""  # the column that names the images; empty: image, filename or another usual name
    home: bool = True  # whether its images count in home.safetensors; false for what nobody brings, such as cut-outs

    def __post_init__(self) -> None:
        """Refuse what no table can have."""
        _check_named(self.table)
        check_among("setting `modality` of a table", self.modality, MODALITIES)
        check_between("weight", self.weight, 1e-6, 1e6)
        for name in ("columns", "signs"):
            for key, text in getattr(self, name).items():
                if not isinstance(text, str) or not text.strip():
                    raise SettingsError(f"Expected setting `{name}.{key}` of {self.table} to be a text, got {text!r}.")
        for fact in self.columns:
            check_among(f"a fact in setting `columns` of {self.table}", fact, FACTS)


@dataclass(frozen=True)
class Evaluation:
    """One question that is put to the encoder at the end of an epoch, through the code that users put it with."""

    task: str  # "classification", "retrieval" or "concepts"
    table: str  # relative to the data folder; image paths in it are relative to the table. Or a folder of classes
    name: str = ""  # in the log; empty: task and table
    split: str = ""  # keep the rows whose column `split` has this value; empty: all rows
    column: str = ""  # of the label (default: label) or of the caption (default: caption)
    knowledge: str = ""  # base that describes the classes; empty: that of the run
    method: str = "knowledge"  # of the classifier; "knowledge" answers each image alone
    vocabulary: str = "skincon"  # of the concepts
    cutoffs: tuple[int, ...] = (10, 50, 100)  # of recall
    image_column: str = ""  # the column that names the images; empty: image, filename or another usual name

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        _check_named(self.table)
        check_among("the task of an evaluation", self.task, TASKS)
        check_among("the method of an evaluation", self.method, METHODS)
        if not self.cutoffs or min(self.cutoffs) < 1:
            raise SettingsError(f"Expected setting `cutoffs` to be whole numbers above 0, but got {self.cutoffs}.")


def _check_named(table: str) -> None:
    if not table.strip() or "\0" in table:
        raise SettingsError(f"Expected setting `table` to name a table, but got {table!r}.")
