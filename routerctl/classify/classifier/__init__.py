"""A prompt that no rule names -> its task class, or "unknown".

`features` turns a text into numbers, `ngrams` weighs them with nothing but the standard library, `ask_model` asks a
model instead; `files` reads what `routerctl train` wrote. It knows nothing of how a classifier is made.
"""

from routerctl.classify.classifier.calibrated import Classified
from routerctl.classify.classifier.files import digest_of, load_classifier
from routerctl.classify.classifier.ngrams import NgramClassifier
