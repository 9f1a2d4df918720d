"""Answers as a data set on disk, for more images than one table should hold.

counts   what is counted of answers: all of them, or part by part
facts    what is said of a data set, and cannot change while it is made
dataset  the folder: its manifest and its parts, written and read
"""

from __future__ import annotations

from zsderm.prediction_dataset.counts import AnswerCounts
from zsderm.prediction_dataset.dataset import PredictionDataset
from zsderm.prediction_dataset.facts import PART_IMAGES, AnswerFacts

__all__ = ["PART_IMAGES", "AnswerCounts", "AnswerFacts", "PredictionDataset"]
