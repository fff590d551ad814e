"""Turns a table, its runs and the table before it into one self-contained HTML file for review.

`weighing` computes, `wording` says, `picture` draws, `page` puts it together. Place: the end of the evaluation line.
It judges nothing: verdicts and choices come with the table.
"""

from routerctl.review.report.page import render_report
