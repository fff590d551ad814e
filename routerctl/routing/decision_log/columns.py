"""The columns of a decision in the log: what is counted, JSON, what came with a later schema."""

from __future__ import annotations

COLUMNS = {  # of a decision, in their order: what is counted, JSON, what came with a later schema
    "number": "INTEGER PRIMARY KEY",  # in the order of writing
    "id": "TEXT NOT NULL UNIQUE",
    "at": "TEXT NOT NULL",  # UTC to the millisecond, all of one width: sorts as text
    "inquiry_id": "TEXT",  # the caller's own
    "tenant": "TEXT",
    "step": "TEXT",
    "task_class": "TEXT NOT NULL",
    "source": "TEXT NOT NULL",  # caller, rule, classifier or default
    "decided_by": "TEXT NOT NULL",  # the same, with the rule's name
    "top_score": "REAL",  # the classifier's highest probability; NULL = it was not asked
    "propensity": "REAL NOT NULL",  # chance that this inquiry had of getting `chosen`
    "arm": "TEXT NOT NULL",  # of the experiment; '' = none
    "unit": "TEXT NOT NULL",  # digest of what the experiment splits by; '' = none
    "table_version": "INTEGER NOT NULL",
    "table_digest": "TEXT NOT NULL",
    "chosen": "TEXT",  # the candidate that was to serve: the first rung
    "served": "TEXT",  # the candidate that did; NULL = nobody
    "served_provider": "TEXT",
    "pinned_model": "TEXT",  # asked for where it was served
    "served_model": "TEXT",  # what the provider says it served
    "why": "TEXT",  # the serving hop's: first, fallback, escalation, hedge, spill, redirect
    "stop_reason": "TEXT",  # of the delivered reply; NULL = none, or not known
    "refused": "INTEGER NOT NULL",  # 0 or 1: the delivered reply is a refusal
    "truncated": "INTEGER NOT NULL",  # 0 or 1: it was cut off
    "hop_count": "INTEGER NOT NULL",
    "attempts": "INTEGER NOT NULL",  # calls, retries included
    "failed_hops": "INTEGER NOT NULL",  # ended in an error
    "skipped_hops": "INTEGER NOT NULL",  # not called, since something was known against the place
    "unsure_hops": "INTEGER NOT NULL",  # the reply was not confident
    "fallbacks": "INTEGER NOT NULL",  # hops because the one before failed
    "escalations": "INTEGER NOT NULL",  # hops because the reply before was not confident
    "redirects": "INTEGER NOT NULL",
    "hedges": "INTEGER NOT NULL",
    "signal": "TEXT",  # the least confident one of the first reply that was measured
    "confidence": "REAL",  # its value, in [0, 1]
    "cost_usd": "TEXT NOT NULL",  # exact, all hops together, as far as it is known
    "cost_nano_usd": "INTEGER NOT NULL",  # the same in 1e-9 USD, rounded to even
    "decision_s": "REAL",  # to decide, calls apart
    "latency_s": "REAL",  # the serving hop's calls
    "total_s": "REAL",  # from the inquiry to the answer
    "input_tokens": "INTEGER",  # of the delivered answer's calls; NULL = not known
    "output_tokens": "INTEGER",
    "prompt_chars": "INTEGER NOT NULL",
    "reply_chars": "INTEGER",  # NULL = no reply
    "prompt_digest": "TEXT NOT NULL",  # keyed with the file's salt
    "rungs": "TEXT NOT NULL",  # JSON list: who could have served
    "scores": "TEXT NOT NULL",  # JSON object: the classifier's probability of each class
    "hops": "TEXT NOT NULL",  # JSON list of hops, as types.Hop
    "level": "TEXT",  # of the class in that table: proven, reference, provisional, best available; NULL = not known
    "perhaps_usd": "TEXT NOT NULL DEFAULT '0'",  # beside cost_usd, at most: of calls whose tokens nobody told
    "perhaps_nano_usd": "INTEGER NOT NULL DEFAULT 0",  # the same in 1e-9 USD
}


def insertion() -> str:
    """Give the statement that writes one row."""
    return f"INSERT INTO decisions VALUES ({','.join('?' * len(COLUMNS))})"  # noqa: S608 - only "?"
