"""One HTML page that shows what was predicted, and why: pictures, probabilities and the texts that spoke for them.

page         the file, and what stands above and below the pictures
row          one image: its picture, its classes, and why they were named
group_row    one lesion or patient with several photographs
reliability  what was claimed beside what came true
"""

from zsderm.report.page import flatten, write_report
from zsderm.report.reliability import ReliabilityPlot, reliability_plot
from zsderm.report.row import Row, Why, thumbnail

__all__ = ["ReliabilityPlot", "Row", "Why", "flatten", "reliability_plot", "thumbnail", "write_report"]
