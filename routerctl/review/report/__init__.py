"""Turns a table, its runs and the table before it into one self-contained HTML file for review.

`answers` and `weighing` compute, `wording` and `money` say, `picture` and `frontier` draw, `page` puts it together. It
judges nothing: verdicts and choices come with the table.
"""

from routerctl.review.report.page import render_report
