"""Turns the results of two runs on the same cases into an answer to "did it get worse?", class by class and overall.

`pairs`: two runs' results -> pairs of one case each; `alarm`: pairs -> p-values and the alarm; `wording`: the answer in
plain words; `baseline`: the run that asks the cases again. The first three know no file, no model and no clock.
"""

from routerctl.evaluation.regression.alarm import SCREENED, ClassRegression, Regression, judge_regression, screen
from routerctl.evaluation.regression.pairs import Pair, Pairing, pairs_of
from routerctl.evaluation.regression.wording import class_words, regression_words
