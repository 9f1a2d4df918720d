"""What two sets of images share: equal files, look-alikes, near neighbours, patients and lesions."""

from zsderm.tasks.audit.image_sets import ImageSet
from zsderm.tasks.audit.near_duplicates import audit
from zsderm.tasks.audit.report import AuditReport, Overlap, Pair

__all__ = ["AuditReport", "ImageSet", "Overlap", "Pair", "audit"]
