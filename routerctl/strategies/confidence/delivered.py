"""An answer, fresh or recorded -> what the signals look at.

Both ways lead to equal values for the same answer; a test holds that.
"""

from __future__ import annotations

from dataclasses import dataclass

from routerctl.types import Answer, ReplySpec, Result, ScorerSpec, Status, StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What was delivered for one input, and what was asked for."""

    text: str
    stop_reason: StopReason | None  # None: not known (an imported outcome)
    reply: ReplySpec  # the shape that was asked for
    scorer: ScorerSpec  # the class's, whose extraction tells whether there is an answer at all
    mean_logprob: float | None = None  # mean natural-log probability of the reply's tokens
    agreement: float | None = None  # share of samples that agree with the vote, in [0, 1]
    judge_score: float | None = None  # what the class's judge says of it without a reference answer, in [0, 1]


def delivered_of_answer(answer: Answer, reply_spec: ReplySpec, scorer_spec: ScorerSpec) -> Delivered:
    """See an answer that is being served; a judge's score is for the caller to add, since it takes a call."""
    return Delivered(
        text=answer.text,
        stop_reason=answer.stop_reason,
        reply=reply_spec,
        scorer=scorer_spec,
        # Of several replies (samples, revisions) a run records none: the delivered one is not told apart there.
        mean_logprob=answer.replies[0].mean_logprob if len(answer.replies) == 1 else None,
        agreement=answer.agreement,
    )


def delivered_of_result(result: Result, reply_spec: ReplySpec, scorer_spec: ScorerSpec) -> Delivered:
    """See a recorded answer; of a call that failed there is none, and its text is empty.

    A judge's recorded score is a signal only where it was given without a reference answer, as it is when serving.
    """
    judged = scorer_spec.name == "judge" and result.expected is None and result.status is Status.SCORED
    return Delivered(
        text=result.reply,
        stop_reason=result.stop_reason,
        reply=reply_spec,
        scorer=scorer_spec,
        mean_logprob=result.mean_logprob,
        agreement=result.agreement,
        judge_score=result.score if judged else None,
    )
