"""A delivered answer -> how far it may be trusted, without knowing what is right: a number in [0, 1] per signal.

`signals`: the signals by name; `phrases`: words of doubt and of refusal in seven languages; `delivered`: what a signal
looks at, the same of an answer that is being served and of one that a run has recorded. So a threshold found on
evidence means the same when it serves. Pure; it knows no candidate, no route and no threshold's origin.

A signal that cannot be told gives no value, and what has no value never escalates: log-probabilities that a provider
does not give would otherwise send every inquiry to the next rung, silently, at twice the price. Calibration counts such
replies as accepted, too, so what it promises holds for them as well.
"""

from routerctl.strategies.confidence.delivered import Delivered, delivered_of_answer, delivered_of_result
from routerctl.strategies.confidence.signals import (
    SIGNALS,
    YES,
    first_below,
    form_below,
    is_cut_off,
    is_refusal,
    recorded_values,
    signal_values,
)
