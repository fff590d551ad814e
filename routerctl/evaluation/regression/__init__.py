"""Turns the results of two runs on the same cases into an answer to "did it get worse?", class by class and overall.

`pairs`: two runs' results -> pairs of one case each; `alarm`: pairs -> p-values and the alarm; `sentences`: the answer
in plain words. Place: arithmetic, above `statistics`, whose tests it feeds. It knows no file, no model, no clock: which
run is the baseline, and how old, is for the caller to say.
"""

from routerctl.evaluation.regression.alarm import (
    SCREENED,
    ClassRegression,
    Regression,
    TestMethod,
    judge_regression,
    screen,
)
from routerctl.evaluation.regression.pairs import Pair, Pairing, pairs_of
from routerctl.evaluation.regression.wording import class_words, regression_words
