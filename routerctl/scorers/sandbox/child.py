"""A job on stdin -> limits, then the task -> its verdict on the standard output the process was started with.

The program that `run.py` starts. It imports no part of the package but what stands beside it: it is run by its path,
often without site-packages. What the task prints goes nowhere; only the answer of its `run` is written.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

MIB = 2**20
STARTED = b"started\n"  # what ends after this is the task's doing, not ours
_PACKAGE = "routerctl.scorers.sandbox"


def limit(limits: dict[str, Any]) -> None:
    """Lower this process's limits; on Windows there are none but the parent's clock."""
    try:
        import resource
    except ImportError:
        return
    wanted = {
        resource.RLIMIT_CPU: (limits["cpu_s"], limits["cpu_s"] + 1),  # SIGXCPU, and SIGKILL for code that ignores it
        resource.RLIMIT_FSIZE: (limits["file_mb"] * MIB,) * 2,
        resource.RLIMIT_NOFILE: (limits["open_files"],) * 2,
        resource.RLIMIT_CORE: (0, 0),
    }
    if sys.platform != "darwin":  # macOS refuses to lower RLIMIT_AS and would not heed it
        wanted[resource.RLIMIT_AS] = (limits["memory_mb"] * MIB,) * 2
    for kind, (soft, hard) in wanted.items():
        allowed = resource.getrlimit(kind)[1]
        capped = [size if allowed == resource.RLIM_INFINITY else min(size, allowed) for size in (soft, hard)]
        resource.setrlimit(kind, (capped[0], capped[1]))


def load(*names: str) -> Any:
    """Import files that stand beside this one, each after those that it imports, and give the last."""
    for name in names:
        whole = f"{_PACKAGE}.{name}"
        spec = importlib.util.spec_from_file_location(whole, Path(__file__).with_name(f"{name}.py"))
        if spec is None or spec.loader is None:
            raise ImportError(name)
        module = sys.modules[whole] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def main() -> None:
    """Do the one job and leave without waiting for threads or exit handlers that the task may have left behind."""
    head = json.loads(sys.argv[1])
    verdict = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    confine, task = load("confine"), load(*head["files"])
    limit(head["limits"])
    confine.confine_files(os.getcwd())  # noqa: PTH109 - as below
    if head["divide"]:  # another process runs what nobody trusts: it must not have read the job
        task.divide(nowhere)
    confine.hide_memory()
    confine.confine_calls()
    with open(0, closefd=False) as stdin:
        job = json.load(stdin)
    os.dup2(nowhere, 0)
    os.write(verdict, STARTED)
    try:
        outcome = {"verdict": task.run(job)}
    except Exception as error:  # noqa: BLE001 - it is carried to the parent, which says it
        outcome = {"fault": f"{type(error).__name__}: {error}"[:300]}
    answer = json.dumps(outcome).encode()
    while answer:
        answer = answer[os.write(verdict, answer) :]
    os._exit(0)


if __name__ == "__main__":
    main()
