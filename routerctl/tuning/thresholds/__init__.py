"""A run's results of a cheap candidate and of a better one -> thresholds that provably keep a class at its bar.

`pairs`: both candidates' results on the same cases, with the signals' values; `proving`: outcomes -> a lower bound;
`walking`: thresholds, strictest first, tested one after the other; `finding`: what was found, as data; `advising`: the
same in words and as lines for routerctl.yaml. Place: beside the two lines; it reads evidence that is there and asks no
model. It knows no terminal and no file.
"""

from routerctl.tuning.thresholds.calibrate import calibrate_class
from routerctl.tuning.thresholds.findings import ClassFinding, PairFinding, Promise, SignalFinding, ThresholdPoint
from routerctl.tuning.thresholds.wording import cascade_name, needed_words, sentences_of, yaml_of
