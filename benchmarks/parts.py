"""The training part and the test part of a data set, for a probe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zsderm.benchmarks.datasets import cards, load, load_train
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.errors import InputError


@dataclass(frozen=True, eq=False)
class Parts:
    """The two parts of a data set."""

    learn: LabelledImages
    test: LabelledImages

    @classmethod
    def of(cls, learn: LabelledImages, test: LabelledImages) -> Parts:
        """Both parts, checked.

        Raises:
            InputError: an image is in both, or they have other classes.
        """
        shared = set(map(_resolved, learn.images)) & set(map(_resolved, test.images))
        if shared:
            raise InputError(
                f"expected different test and training images for a probe on {test.title}, but {len(shared)} are in "
                "both parts; give the table a column split, or another table with --train"
            )
        if set(learn.classes) != set(test.classes):
            odd = sorted(set(learn.classes) ^ set(test.classes))
            raise InputError(
                f"expected the training images of {test.title} to be of its {len(test.classes)} classes, but "
                f"{odd[0]!r} is only in one of the two parts; give both the same classes"
            )
        return cls(learn, test)

    @property
    def labels(self) -> NDArray[np.int_]:
        """(N,) the classes of the training images, as indices into the classes of the test part."""
        places = np.array([self.test.classes.index(name) for name in self.learn.classes])
        return places[self.learn.labels]

    @property
    def shared_units(self) -> int:
        """How many patients or lesions are in both parts."""
        if self.learn.units is None or self.test.units is None or self.learn.unit != self.test.unit:
            return 0
        return len((set(self.learn.units) & set(self.test.units)) - {""})


def load_parts(
    dataset: str,
    data_root: Path | None = None,
    split: str | None = None,
    train_split: str | None = None,
    train: str | None = None,
) -> Parts:
    """Both parts of a data set.

    Args:
        dataset: as for `zsderm.benchmarks.datasets.load`.
        data_root: likewise.
        split: the part to be tested on; None: what the card of the data set says, else "dev".
        train_split: the part to learn from; None: what the card says, else "train".
        train: another table or folder to learn from, or None. Of one without a column of splits all is taken.

    Raises:
        NotFoundError: a data set is not there; the sentence says how to get it.
        InputError: what is there cannot be read, or the parts do not fit together; see `Parts.of`.
    """
    known = cards().get(dataset.lower())
    test = load(dataset, data_root, split or (known.test_split if known else "dev"))
    learn = load(train, data_root, train_split or "train") if train else load_train(dataset, data_root, train_split)
    return Parts.of(learn, test)


def _resolved(path: str) -> Path:
    return Path(path).resolve()
