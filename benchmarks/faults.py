"""Puts this Router and those of other libraries through the same faults, and writes what came into docs/faults.md.

    python -m benchmarks.faults                        all of it: ten minutes or so
    python -m benchmarks.faults --library OneLLM       one library again; the others stay as they were measured
    python -m benchmarks.faults --page                 only the page, from what was measured last
    python -m benchmarks.faults --only cut --only 503  some faults, printed and not written

Run it from the repository's root. The first time installs the libraries, each into an environment of its own.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.cases import CALLS, HALVES, MODES, Half, Outcome, Pool, cases, outcome_of, pools
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.report import Measured, Missed, report
from benchmarks.results import keep, kept
from benchmarks.running import Came, Worker
from tests.routing.fault_server import HEALTHY, Fault, FaultServer, Mode

DOCUMENT = Path(__file__).parents[1] / "docs" / "faults.md"
TIMEOUT = 1.0
"""Seconds that every library is told to wait, wherever it takes such a number."""
PATIENCE = 20.0
"""Seconds after which a call counts as a hang: many times what two or three targets may take together."""


def _case(mode: Mode, half: Half, *, calls: int = 1, pooled: bool = False, ollama: bool = False) -> dict[str, Any]:
    return {"mode": mode, "half": half, "calls": calls, "pooled": pooled, "ollama": ollama, "timeout": TIMEOUT}


def _played(worker: Worker, targets: Iterable[Fault], case: dict[str, Any]) -> tuple[list[Came], list[FaultServer]]:
    with ExitStack() as stack:
        servers = [stack.enter_context(FaultServer(fault)) for fault in targets]
        return worker.calls(case, [server.url for server in servers]), servers


def _outcome(came: Came) -> Outcome:
    return outcome_of(came.text, came.error) if came.ended else "hang"


def _missed(worker: Worker, pool: Pool) -> Missed:
    case = _case(pool.mode, pool.half, calls=CALLS, pooled=True, ollama=pool.ollama)
    came, (dead, _) = _played(worker, (pool.dead, HEALTHY), case)
    failures = sum(_outcome(one) != "answered" for one in came)
    asked = None if pool.dead.refused else dead.requests
    return Missed(failures, len(came), asked, round(sum(one.seconds for one in came), 1))


def measure(contestant: Contestant, only: Sequence[str], folder: Path) -> Measured:
    """One library, in all that it can do when nothing fails."""
    measured = Measured(contestant.title, contestant.versions(), f"{datetime.now(UTC):%Y-%m-%d}")
    with Worker(contestant.python(), contestant.script, folder, PATIENCE) as worker:
        for mode in MODES:
            for half in HALVES:
                came, _ = _played(worker, (HEALTHY, HEALTHY), _case(mode, half))
                if _outcome(came[0]) != "answered":
                    measured.lacks[mode, half] = came[0].error or "no answer"
        for case in cases():
            if (case.mode, case.half) not in measured.lacks and (not only or case.fault.name in only):
                came, _ = _played(worker, case.targets, _case(case.mode, case.half))
                measured.outcomes[case] = _outcome(came[0])
                measured.errors[case] = [came[0].error.partition(":")[0]] if came[0].error else []
        for pool in pools():
            can = (pool.mode, pool.half) not in measured.lacks and (contestant.ollama or not pool.ollama)
            if can and not only:
                measured.missed[pool] = _missed(worker, pool)
    return measured


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="FAULT", help="only this fault")
    parser.add_argument(
        "--library", action="append", default=[], choices=[one.title for one in CONTESTANTS], help="only this one"
    )
    parser.add_argument("--page", action="store_true", help="measure nothing, only write the page")
    asked = parser.parse_args()
    if not asked.page:
        measured = _measure_all(asked.library, asked.only)
        if asked.only:
            print(report(measured, timeout=TIMEOUT, patience=PATIENCE))
            return
        keep(measured)
    DOCUMENT.write_text(report(kept(one.title for one in CONTESTANTS), timeout=TIMEOUT, patience=PATIENCE))
    print(f"written to {DOCUMENT}")


def _measure_all(titles: Sequence[str], only: Sequence[str]) -> list[Measured]:
    chosen = [one for one in CONTESTANTS if not titles or one.title in titles]
    for one in chosen:
        one.python()  # installing takes turns: it is what loads the machine
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(chosen)) as threads:
        folders = [Path(tempfile.mkdtemp(dir=folder)) for _ in chosen]
        return list(threads.map(measure, chosen, [only] * len(chosen), folders))


if __name__ == "__main__":
    main()
