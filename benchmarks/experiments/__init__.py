"""Measurements behind single pages of docs/; each is a command: python -m zsderm.benchmarks.experiments.NAME."""
