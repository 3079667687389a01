"""Write the results of a run: a table in Markdown and a plot."""

from __future__ import annotations

import os
import platform
import statistics
from collections import Counter
from pathlib import Path

from .actions import ACTIONS
from .result import Result
from .wire import ANSWERED

MEGABYTE = 1e6

#: Outcomes that have a column. All others are errors of the contract.
COLUMNS = (ANSWERED, "client left", "server stopped", "violation")


def write_report(result: Result, folder: Path) -> None:
    """Write ``report.md`` and ``memory.svg``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(_markdown(result), encoding="utf-8")
    _plot(result, folder / "memory.svg")


def _markdown(result: Result) -> str:
    parts = (_summary(result), _actions(result), _errors(result), _growth(result), _stops(result))
    return "\n\n".join(parts) + "\n"


def _summary(result: Result) -> str:
    options = result.options
    minutes = (result.rests[-1].at if result.rests else 0) / 60
    busy = f", {options.busy} processes that keep a core busy" if options.busy else ""
    return (
        f"{options.clients} clients for {minutes:.0f} minutes in {options.rounds} rounds, seed "
        f"{options.seed}{busy}. {os.cpu_count()} cores, {platform.system()}, Python "
        f"{platform.python_version()}. {result.requests:,} actions, "
        f"{len(result.violations)} violations."
    )


def _actions(result: Result) -> str:
    rows = [
        "| action | answered | error of the contract | client left | server stopped | violation "
        "| median s | longest s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for action in ACTIONS:
        outcomes = result.outcomes.get(action.__name__, {})
        seconds = [value for values in outcomes.values() for value in values]
        if not seconds:
            continue
        counts = {outcome: len(values) for outcome, values in outcomes.items()}
        errors = sum(count for outcome, count in counts.items() if outcome not in COLUMNS)
        answered, left, stopped, violations = (counts.get(column, 0) for column in COLUMNS)
        rows.append(
            f"| {action.__name__.replace('_', ' ')} | {answered} | {errors} | {left} | {stopped} "
            f"| {violations} | {statistics.median(seconds):.2f} | {max(seconds):.1f} |"
        )
    return "\n".join(rows)


def _errors(result: Result) -> str:
    codes: Counter[str] = Counter()
    for outcomes in result.outcomes.values():
        codes.update({o: len(v) for o, v in outcomes.items() if o not in COLUMNS})
    listed = ", ".join(f"`{code}` {count}" for code, count in codes.most_common())
    return f"Errors and other outcomes: {listed}."


def _growth(result: Result) -> str:
    rows = ["| at rest, medians | second third | last third | ratio |", "|---|---|---|---|"]
    for name, (early, late) in result.growths().items():
        unit = MEGABYTE if name == "memory" else 1
        label = "memory, MB" if name == "memory" else name
        rows.append(f"| {label} | {early / unit:.0f} | {late / unit:.0f} | {late / early:.3f} |")
    return "\n".join(rows)


def _stops(result: Result) -> str:
    by_signal: dict[str, list[float]] = {}
    for stop in result.stops:
        by_signal.setdefault(stop.signal, []).append(stop.seconds)
    listed = "; ".join(
        f"{name} {len(seconds)} times, at most {max(seconds):.1f} s until no process was left"
        for name, seconds in sorted(by_signal.items())
    )
    return f"Stopped at random moments while clients used it: {listed or 'never'}."


def _plot(result: Result, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "soak"
    mpl.rcParams["svg.fonttype"] = "none"  # as text, not as shapes
    from matplotlib import pyplot as plt

    figure, (top, bottom) = plt.subplots(2, sharex=True, figsize=(9, 4.5), height_ratios=(3, 1))
    minutes = [at / 60 for at, _, _ in result.samples]
    top.plot(minutes, [m / MEGABYTE for _, m, _ in result.samples], lw=0.7, label="in use")
    rests = [(rest.at / 60, rest.memory / MEGABYTE) for rest in result.rests]
    top.plot(*zip(*rests, strict=True), "o-", ms=4, lw=0.7, label="at rest, models unloaded")
    top.set_ylim(bottom=0)
    top.set_ylabel("memory of the server, MB")
    top.legend(loc="lower right", frameon=False)
    bottom.plot(minutes, [count for _, _, count in result.samples], lw=0.7)
    bottom.set_ylabel("child\nprocesses")
    bottom.set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
