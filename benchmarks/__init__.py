"""The benchmark: figures on labelled image sets, by the public surface only; imported as ``zsderm.benchmarks``."""
