"""Methods that users expect to see beside ours, each a page: features and text proxies in, probabilities out.

::

    inmap            visual proxies from pseudo-labels           (arXiv 2310.19752)
    transclip        Gaussian mixture, neighbours, text          (arXiv 2406.01837)
    zlap             label propagation on a neighbour graph      (arXiv 2404.04072)
    flattened_mix    transport to the predicted mix ** 0.8
    estimated_mix    expectation-maximisation of the mix         (Saerens et al. 2002)

A template ensemble and CuPL-style averaging (arXiv 2209.03320) change the text proxies and nothing else: they are the
library's methods "templates" and "descriptions", and come in as text proxies.
"""

from zsderm.benchmarks.baselines.inmap import inmap
from zsderm.benchmarks.baselines.prior_shift import estimated_mix, flattened_mix
from zsderm.benchmarks.baselines.transclip import transclip
from zsderm.benchmarks.baselines.zlap import zlap

__all__ = ["estimated_mix", "flattened_mix", "inmap", "transclip", "zlap"]
