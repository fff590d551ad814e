"""Two routing tables -> what differs between them, class by class, in words and in money.

`compare` and `general` find the differences, `money` adds up what the same requests cost under both tables, `wording`
says it, `render` writes it; `revisions` reads a table of git. Pure but for `revisions`: it knows tables and neither
files nor git nor a terminal.
"""

from routerctl.review.diff.compare import Change, TableChanges, changes, compare
from routerctl.review.diff.money import Bill, bill
from routerctl.review.diff.values import Difference, pin_words, verdict_words
from routerctl.review.diff.wording import bill_words, counts_words, headline
