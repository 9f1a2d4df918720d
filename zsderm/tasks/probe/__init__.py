"""A linear probe: a logistic regression on frozen image features, trained on few or many labelled images.

features      the image features
shots         the choice of k training images of each class
linear_probe  the regression, with its penalty chosen as published
"""

from zsderm.tasks.probe.features import FEATURES, ProbeFeatures, probe_features
from zsderm.tasks.probe.linear_probe import SEED, LinearProbe, fit_probe
from zsderm.tasks.probe.shots import draw_shots

__all__ = ["FEATURES", "SEED", "LinearProbe", "ProbeFeatures", "draw_shots", "fit_probe", "probe_features"]
