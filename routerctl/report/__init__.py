"""Turns a table, its runs and the table before it into one self-contained HTML file for review.

`words` writes numbers and makes hostile text visible, `picture` draws, `facts` computes, `sentences` says, `page`
puts it together. Place: the end of the evaluation line. It judges nothing: verdicts and choices come with the table.
"""

from routerctl.report.page import render_report

__all__ = ["render_report"]
