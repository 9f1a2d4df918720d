"""Classifiers that were trained on labelled images: an image tower with a head, for the classes of its training alone.

They stand beside zero-shot classification as what it is compared with, and as the image side of answers that join a
photograph with words. `zsderm pretrain supervised` makes one; `SupervisedClassifier.load` reads it.
"""

from zsderm.supervised.checkpoint import SupervisedCheckpoint
from zsderm.supervised.classifier import METHOD, SupervisedClassifier, is_supervised

__all__ = ["METHOD", "SupervisedCheckpoint", "SupervisedClassifier", "is_supervised"]
