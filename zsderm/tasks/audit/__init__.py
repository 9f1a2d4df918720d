"""What is amiss with sets of images: what they share, which labels are probably wrong, which pictures are off topic."""

from zsderm.tasks.audit.image_sets import ImageSet
from zsderm.tasks.audit.near_duplicates import audit
from zsderm.tasks.audit.off_topic import familiarities
from zsderm.tasks.audit.report import AuditReport, Overlap, Pair
from zsderm.tasks.audit.suspects import Labels, Suspects, find_suspects
from zsderm.tasks.audit.suspects_page import write_suspects

__all__ = [
    "AuditReport",
    "ImageSet",
    "Labels",
    "Overlap",
    "Pair",
    "Suspects",
    "audit",
    "familiarities",
    "find_suspects",
    "write_suspects",
]
