"""The decision log: what was served for each inquiry and why, one row a decision in one SQLite file (WAL).

Storage invariants:

- A decision is committed before its answer is shown: a killed process loses none that it had said.
- A row is never changed. What people say of it later (`feedback`) stands in a table of its own, and the latest counts.
- Private by default: of the prompt a salted digest and its length, of the reply its length. The texts, and what the
  application said of the inquiry (features, attachments), are kept only where the table says `log_prompts`, and in a
  table of their own, so that what is counted never passes over them.
- Costs stand twice: exact, as text, and in whole nano-dollars, which sort and add up in any database.
- What is often asked (who served, was it the pin, refusals, escalations, cost, latency) is a column; JSON has the rest.

`routing` writes it; `evaluation` is told how often each class is asked, `monitoring` reads the rest.
"""

from routerctl.routing.decision_log.log import DecisionLog
from routerctl.routing.decision_log.volumes import DAYS_PER_MONTH, volumes
