"""The losses of MAKE (arXiv 2505.09372), as pure functions."""
