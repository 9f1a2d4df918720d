"""A linear probe: what a logistic regression on frozen image features makes of labelled images, few or many.

features      what the regression sees of an image
shots         which images it learns from, when it has k of each class
linear_probe  the regression, with the published choice of its penalty
"""

from zsderm.tasks.probe.features import FEATURES, ProbeFeatures, probe_features
from zsderm.tasks.probe.linear_probe import SEED, LinearProbe, fit_probe
from zsderm.tasks.probe.shots import draw_shots

__all__ = ["FEATURES", "SEED", "LinearProbe", "ProbeFeatures", "draw_shots", "fit_probe", "probe_features"]
