"""A run's results of a cheap candidate and of a better one -> thresholds that provably keep a class at its bar.

`pairs`: both candidates' results on the same cases, with the signals' values; `bounds`: outcomes -> a lower bound;
`fixed_sequence`: thresholds, strictest first, tested one after the other; `findings`: what was found, as data;
`wording`: the same in words and as lines for routerctl.yaml; `runs`: which runs can tell. It reads evidence that is
there and asks no model.
"""

from routerctl.tuning.thresholds.calibrate import calibrate_class
from routerctl.tuning.thresholds.findings import ClassFinding, PairFinding, Promise, SignalFinding
from routerctl.tuning.thresholds.wording import calibration_sentences, thresholds_yaml
