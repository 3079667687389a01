"""Take commands from the pages of the documentation, so that tests run what readers do."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from . import servers
from .paths import ROOT

EXAMPLES = ROOT / "docs" / "examples"


def command(page: str, pattern: str, replaced: Mapping[str, str] | None = None) -> str:
    """Return the line of the page's shell commands that matches a pattern, without its comment.

    Parameters
    ----------
    page : str
        Name, such as ``remote``.
    replaced : Mapping
        Texts of the command and what stands for them in the test. Each has to occur.
    """
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.partition("   #")[0] for block in blocks for line in block.splitlines()]
    (found,) = [line.strip() for line in lines if re.search(pattern, line)]
    return with_replaced(found, replaced or {})


def example(name: str, folder: Path, replaced: Mapping[str, str]) -> Path:
    """Write an example of the documentation to `folder`, with texts replaced, and return it."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    path = folder / name
    path.write_text(with_replaced(text, replaced), encoding="utf-8")
    return path


def with_replaced(text: str, replaced: Mapping[str, str]) -> str:
    for old, new in replaced.items():
        assert old in text, f"{old!r} is not in {text!r}"
        text = text.replace(old, new)
    return text


def run(line: str, folder: Path, **environ: str) -> str:
    """Run a command with the programs of the tests' environment, and return its output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=folder,
        env={**os.environ, "PATH": path, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def run_power(line: str, folder: Path) -> Iterator[servers.Server]:
    """Run a command line with ``jupyter power`` until the block ends.

    Its variables may set the token and the model store; `folder` has everything else.
    """
    words = shlex.split(line)
    count = next(i for i, word in enumerate(words) if "=" not in word)
    variables = dict(word.split("=", 1) for word in words[:count])
    home = Path(variables.get("A3S_POWER_HOME", folder / "power"))
    environ = servers.clean_environ(folder, home, folder / "runtime")
    environ |= {"JUPYTER_TOKEN": servers.TOKEN, **variables}
    (folder / "notebooks").mkdir(parents=True)
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    with servers.run_process(words[count:], folder, environ, environ["JUPYTER_TOKEN"]) as server:
        yield server
