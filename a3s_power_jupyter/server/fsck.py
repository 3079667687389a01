"""``jupyter power fsck``: check the model store and repair it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
from jupyter_core.application import JupyterApp
from traitlets import Bool, Unicode, default

from .. import __version__
from ..contract.errors import PowerError
from ..contract.text import printable
from ..fsck.check import check_store, repair
from ..fsck.finding import Finding, Repair
from ..store.model_store import ModelStore
from .environment import Environment


class FsckApp(JupyterApp):
    """Check the model store: manifests, files of models, conversions, pulls and locks.

    Says what is wrong, what is left over, and what `--repair` would do. Nothing is changed without
    it. Servers can keep running. The exit status is 0 if there is nothing to do, 1 if
    something is left to do, and 2 if the store cannot be checked.
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
        store = ModelStore(Path(self.home).expanduser().absolute())
        try:
            findings = check_store(store, contents=self.contents)
        except PowerError as error:
            print(printable(error.message), file=sys.stderr)
            sys.exit(2)
        failed = repair(findings) if self.repair else {}
        write = _write_json if self.json else _write_text
        write(store.home, findings, failed, repaired=self.repair)
        left = [f for f in findings if not _is_done(f, failed, repaired=self.repair)]
        sys.exit(1 if left else 0)


def _is_done(finding: Finding, failed: dict[Repair, str], *, repaired: bool) -> bool:
    if finding.kind == "note":
        return True
    return repaired and finding.repair is not None and finding.repair not in failed


def _write_json(
    home: Path, findings: list[Finding], failed: dict[Repair, str], *, repaired: bool
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "kind": finding.kind,
            "path": _shown(home, finding.path),
            "reason": finding.reason,
            "advice": finding.advice,
            "repair": finding.action,
            "size": finding.size,
            "repaired": finding.kind != "note" and _is_done(finding, failed, repaired=repaired),
            "error": failed.get(finding.repair, "") if finding.repair else "",
        }
        for finding in findings
    ]
    print(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())


def _write_text(
    home: Path, findings: list[Finding], failed: dict[Repair, str], *, repaired: bool
) -> None:
    for finding in findings:
        print(f"{finding.kind}: {printable(_shown(home, finding.path))}")
        print(f"  {printable(finding.reason)}")
        if finding.repair in failed:
            print(f"  The repair failed: {printable(failed[finding.repair])}")
        elif finding.action:
            print(f"  {'Repaired' if repaired else 'A repair would'}: {finding.action}.")
        if finding.advice:
            print(f"  {printable(finding.advice)}")
    print(_summary(home, findings, failed, repaired=repaired))


def _summary(
    home: Path, findings: list[Finding], failed: dict[Repair, str], *, repaired: bool
) -> str:
    counts = {kind: sum(f.kind == kind for f in findings) for kind in ("problem", "leftover")}
    if not any(counts.values()):
        return f"{home}: nothing to repair."
    size = sum(finding.size for finding in findings if finding.repair not in failed)
    text = f"{home}: problems: {counts['problem']}, leftovers: {counts['leftover']}"
    if not repaired:
        can = sum(finding.repair is not None for finding in findings)
        return f"{text}. --repair would mend {can} and free {size:,} bytes."
    left = sum(not _is_done(f, failed, repaired=True) for f in findings)
    return f"{text}. Freed {size:,} bytes; left to do: {left}."


def _shown(home: Path, path: Path) -> str:
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)
