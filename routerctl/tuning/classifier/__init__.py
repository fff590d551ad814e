"""Eval sets and labelled past decisions -> a classifier's file, and the figures that say how good it is.

`corpus` reads, `groups` keeps near-duplicates together, `families` fits, `cross_validation` scores on texts that were
not fitted on, `metrics` and `calibration` compute, `export` writes, `page` shows. It needs scikit-learn (extra
`train`); `route` needs none of it.
"""

from routerctl.tuning.classifier.corpus import Labelled, load_background, load_labelled
from routerctl.tuning.classifier.export import classifier_text
from routerctl.tuning.classifier.train import Trained, train
