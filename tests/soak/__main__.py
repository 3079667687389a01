"""Run the soak test: ``python -m soak [--seconds 1800] [--output build/soak]`` in `tests/`."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from .report import write_report
from .result import Options
from .soak import soak


def main() -> int:
    defaults = Options()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=defaults.seconds)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--clients", type=int, default=defaults.clients)
    parser.add_argument("--rounds", type=int, default=defaults.rounds)
    parser.add_argument("--busy", type=int, default=defaults.busy, help="cores to keep busy")
    parser.add_argument("--stops", type=int, default=defaults.stops)
    parser.add_argument("--output", type=Path, default=Path("build/soak"))
    options = vars(parser.parse_args())
    output: Path = options.pop("output")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        result = soak(Path(folder), Options(**options))
        write_report(result, output)
        for log in ("rounds.log", "server.log"):
            shutil.copy(Path(folder) / log, output)
    print((output / "report.md").read_text(encoding="utf-8"))
    for violation in result.violations:
        print(f"VIOLATION {violation}")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
