"""``jupyter power fsck``: check the model store and repair it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from jupyter_core.application import JupyterApp
from traitlets import Bool, Unicode, default

from .. import __version__
from ..contract.errors import PowerError
from ..contract.text import printable
from ..fsck.check import Outcome, check_store, repair
from ..fsck.finding import Finding, Repair
from ..store.model_store import ModelStore
from .environment import Environment


class FsckApp(JupyterApp):
    """Check the model store: manifests, files of models, conversions, pulls and locks.

    Says what is wrong, what is left over, and what `--repair` would do. Without it, nothing is
    changed, and read access to the store is enough. Servers can keep running. The exit status is 0
    if there is nothing to do, 1 if something is left to do, and 2 if there is no store, or if it
    cannot be read or, with `--repair`, cannot be written.
    """

    name = "jupyter-power-fsck"
    version = __version__
    description = __doc__
    aliases = {"home": "FsckApp.home", "log-level": "Application.log_level"}
    flags = {
        "repair": ({"FsckApp": {"repair": True}}, "Repair what can be repaired."),
        "contents": (
            {"FsckApp": {"contents": True}},
            "Read all files of models and compare them with their SHA-256.",
        ),
        "json": ({"FsckApp": {"json": True}}, "Print JSON."),
    }
    examples = "\n".join(
        (
            "jupyter power fsck                # what is wrong, and what a repair would do",
            "jupyter power fsck --contents     # also read all files, which takes minutes",
            "jupyter power fsck --repair",
        )
    )

    home = Unicode(
        "~/.a3s/power",
        help="Directory of the model store. Default: A3S_POWER_HOME, else ~/.a3s/power.",
    ).tag(config=True)
    repair = Bool(False, help="Repair what can be repaired.").tag(config=True)
    contents = Bool(False, help="Read and hash all files of models.").tag(config=True)
    json = Bool(False, help="Print JSON.").tag(config=True)

    @default("home")
    def _default_home(self) -> str:
        return str(Environment().get("A3S_POWER_HOME", Path.home() / ".a3s" / "power"))

    def start(self) -> None:
        """Check, print the findings, and exit."""
        super().start()
        if self.extra_args:
            given = " ".join(map(repr, self.extra_args))
            _refuse(f"jupyter power fsck takes no arguments without an option, but got {given}.")
        if not self.home:
            _refuse("--home is empty. Give the directory of the model store, or omit --home.")
        store = ModelStore(Path(self.home).expanduser().absolute())
        try:
            findings = check_store(store, contents=self.contents)
            if self.repair:
                store.check()
        except PowerError as error:
            _refuse(error.message)
        report = Report(store.home, findings, repair(findings) if self.repair else None)
        print(report.json() if self.json else report.text())
        sys.exit(1 if any(map(report.is_left, findings)) else 0)


def _refuse(message: str) -> NoReturn:
    print(printable(message), file=sys.stderr)
    sys.exit(2)


@dataclass(frozen=True)
class Report:
    """What was found in a store and repaired.

    Attributes
    ----------
    outcomes : dict of Repair to Outcome, or None
        None if nothing was to be repaired.
    """

    home: Path
    findings: list[Finding]
    outcomes: dict[Repair, Outcome] | None

    def is_left(self, finding: Finding) -> bool:
        """Return whether something is left to do about a finding."""
        if finding.kind == "note":
            return False
        return finding.needs_user or not self._is_repaired(finding)

    def _outcome(self, finding: Finding) -> Outcome | None:
        """Return what came of a repair; None if there is none, or if it was not tried."""
        if self.outcomes is None or finding.repair is None:
            return None
        return self.outcomes[finding.repair]

    def _is_repaired(self, finding: Finding) -> bool:
        outcome = self._outcome(finding)
        return outcome is not None and outcome.error is None

    def json(self) -> str:
        rows = [self._row(finding) for finding in self.findings]
        return msgspec.json.format(msgspec.json.encode(rows), indent=2).decode()

    def _row(self, finding: Finding) -> dict[str, Any]:
        outcome = self._outcome(finding)
        return {
            "kind": finding.kind,
            "path": _shown(self.home, finding.path),
            "reason": finding.reason,
            "advice": finding.advice,
            "repair": finding.repair.action if finding.repair else "",
            "size": finding.size,
            "repaired": self._is_repaired(finding),
            "error": (outcome and outcome.error) or "",
            "left_to_do": self.is_left(finding),
        }

    def text(self) -> str:
        lines = [line for finding in self.findings for line in self._lines(finding)]
        return "\n".join((*lines, printable(self._summary())))

    def _lines(self, finding: Finding) -> Iterator[str]:
        yield f"{finding.kind}: {printable(_shown(self.home, finding.path))}"
        details = (finding.reason, self._repair(finding), finding.advice)
        yield from (f"  {printable(detail)}" for detail in details if detail)

    def _repair(self, finding: Finding) -> str:
        if finding.repair is None:
            return ""
        outcome = self._outcome(finding)
        if outcome is None:
            return f"A repair would {finding.repair.action}."
        if outcome.error is not None:
            return f"The repair failed: {outcome.error}."
        return finding.repair.done

    def _summary(self) -> str:
        problems, leftovers = (
            sum(finding.kind == kind for finding in self.findings)
            for kind in ("problem", "leftover")
        )
        if not problems + leftovers:
            return f"{self.home}: nothing to repair."
        text = f"{self.home}: problems: {problems}, leftovers: {leftovers}"
        if self.outcomes is not None:
            freed = sum(outcome.freed for outcome in self.outcomes.values())
            left = sum(map(self.is_left, self.findings))
            return f"{text}. Freed {freed:,} bytes; left to do: {left}."
        can = sum(f.repair is not None and not f.needs_user for f in self.findings)
        size = sum(finding.size for finding in self.findings)
        left = problems + leftovers - can
        return f"{text}. --repair would mend {can}, free {size:,} bytes, and leave {left} to do."


def _shown(home: Path, path: Path) -> str:
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)
