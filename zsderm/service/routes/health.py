"""Health and readiness checks, and counters for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from zsderm import __version__
from zsderm.service.routes.asked import Running
from zsderm.service.schemas import Health, Limits, Readiness

router = APIRouter(prefix="/v1", tags=["health"])


@router.get("/healthz", operation_id="health", summary="Health check")
def healthz() -> Health:
    """Status ok as long as the process answers."""
    return Health(version=__version__)


@router.get("/readyz", operation_id="readiness", summary="Readiness check")
def readyz(service: Running, response: Response) -> Readiness:
    """The loaded model and the limits of the service; status 503 while the queue is full."""
    how, classifiers = service.settings, service.classifiers
    ready = service.engine.waiting < how.queue
    response.status_code = 200 if ready else 503
    return Readiness(
        ready=ready,
        model=service.engine.encoder.card.name,
        classes=None if classifiers.fitted is None else list(classifiers.fitted.classes),
        calibrated_classes=None if classifiers.calibration is None else list(classifiers.calibration.classes),
        knowledge=None if service.knowledge is None else service.knowledge.name,
        waiting=service.engine.waiting,
        key_needed=how.api_key is not None,
        keep_hours=how.keep_hours,
        limits=Limits(
            request_bytes=how.max_request_bytes,
            file_bytes=how.max_file_bytes,
            files=how.max_files,
            classify_files=how.max_classify_files,
            job_files=how.max_job_files,
            pixels=how.max_pixels,
        ),
    )


@router.get("/metrics", operation_id="metrics", summary="Counters for Prometheus", response_class=Response)
def metrics(service: Running) -> Response:
    """Requests, photographs, jobs, the queue and the memory of the process, as Prometheus reads them."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
