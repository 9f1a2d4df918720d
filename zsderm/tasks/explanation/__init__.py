"""Where in a photograph an answer was found: heat maps, and the pictures made of them."""

from zsderm.tasks.explanation.explain import Explanation, explain_predictions
from zsderm.tasks.explanation.heat_map import HeatMap

__all__ = ["Explanation", "HeatMap", "explain_predictions"]
