"""Counters in the text format of Prometheus, without names of files and classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.process_collector import ProcessCollector

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        disable_created_metrics()  # a gauge beside each counter that nobody looks at
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        one: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("zsderm_requests", "Requests by route and HTTP status.", ["route", "status"], **one)
        self.seconds = Histogram(
            "zsderm_request_seconds", "Seconds from request to answer.", ["route"], buckets=SECONDS, **one
        )
        self.photographs = Counter("zsderm_photographs", "Photographs by outcome.", ["outcome"], **one)
        self.batches = Counter("zsderm_batches", "Batches processed by the model.", **one)
        self.decoder_deaths = Counter(
            "zsderm_decoder_deaths", "Decoder processes that crashed or were killed at the time limit.", **one
        )
        self.waiting = Gauge("zsderm_waiting_photographs", "Photographs that wait for the model.", **one)
        self.jobs = Gauge("zsderm_jobs", "Jobs by state.", ["state"], **one)

    def watch(self, waiting: Callable[[], float], jobs: Callable[[], dict[str, int]]) -> None:
        """Set the functions that give the values of the gauges whenever the metrics are read."""
        self.waiting.set_function(waiting)
        self._count_jobs = jobs

    def text(self) -> bytes:
        """All metrics as text."""
        for state, count in self._count_jobs().items():
            self.jobs.labels(state).set(count)
        return generate_latest(self.registry)
