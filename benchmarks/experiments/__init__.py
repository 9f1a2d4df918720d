"""Measurements that docs/ reports; each is a command: python -m zsderm.benchmarks.experiments.NAME."""
