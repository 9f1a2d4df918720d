"""One HTML page to work with: what was predicted and why, filters and search, corrections to take away.

page         the file
overview     what stands above and below the pictures: figures, confusion, figures by group
trust        what was promised of prediction sets and abstention beside what came true
reliability  what was claimed beside what came true
changes      which answers the refinement changed
group_row    one lesion or patient with several photographs
row          one image: its classes, and why they were named
pictures     thumbnails
neighbours   right answers that look like a wrong one
template     a page from a template, with its script
"""

from zsderm.report.overview import flatten
from zsderm.report.page import write_report
from zsderm.report.pictures import thumbnail
from zsderm.report.reliability import ReliabilityPlot, reliability_plot
from zsderm.report.row import Row, Why

__all__ = ["ReliabilityPlot", "Row", "Why", "flatten", "reliability_plot", "thumbnail", "write_report"]
