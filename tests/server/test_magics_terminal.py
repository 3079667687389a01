"""Test the magics in IPython in a terminal."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.hostile_text import CONTROLS
from support.lab_page import UPSTREAM_KEY, register_remote
from support.servers import Server, clean_environ
from support.upstream_answers import KEY
from support.upstream_server import run_upstream

pexpect = pytest.importorskip("pexpect", reason="IPython requires pexpect except on Windows")

PROMPT = r"In \[\d+\]: "


@pytest.fixture
def terminal(server: Server, smollm2: str, tmp_path: Path) -> Iterator[pexpect.spawn]:
    """IPython with the server that has the model smollm2."""
    with ipython(server, tmp_path) as running:
        yield running


@contextmanager
def ipython(server: Server, tmp_path: Path) -> Iterator[pexpect.spawn]:
    environ = clean_environ(tmp_path, tmp_path, server.runtime_dir)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor"],
        env=environ | {"TERM": "dumb", "COLUMNS": "100"},
        timeout=120,
        encoding="utf-8",
        echo=False,
        # Without job control, a shell starts background jobs with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    child.expect(PROMPT)
    child.sendline("%load_ext a3s_power_jupyter")
    child.expect(PROMPT)
    yield child
    child.sendline("exit")
    child.expect(pexpect.EOF)
    child.close()


def run(terminal: pexpect.spawn, line: str) -> str:
    terminal.sendline(line)
    terminal.expect(PROMPT)
    return terminal.before.replace("\r\n", "\n")


def ask(options: str, question: str) -> str:
    return f"get_ipython().run_cell_magic('power', {options!r}, {question!r})"


def test_commands_and_answers_are_plain_text(terminal: pexpect.spawn, smollm2: str) -> None:
    listing = run(terminal, "%power list")
    assert re.search(r"Name +Format +Size +Parameters +Context +Capabilities +State\n", listing)
    assert re.search(rf"{smollm2} +gguf Q4_1 +98\.4 MB", listing)
    error = run(terminal, "%power show nobody")
    assert error.startswith("UsageError: ")
    assert "Traceback" not in error
    question = "What is the capital city of France? Answer in one short English sentence."
    answer = run(terminal, ask(f"{smollm2} --temperature 0", question))
    assert "Paris" in answer
    assert "<IPython" not in answer
    stored = run(terminal, "print(answer)").strip()
    *_, text, line = answer.strip().splitlines()
    assert text.endswith(stored)
    assert re.fullmatch(r"\d+ tokens · .* prompt tokens( cached)?", line)


def test_an_answer_is_streamed_and_control_c_stops_it(
    terminal: pexpect.spawn, smollm2: str
) -> None:
    run(terminal, f"%power load {smollm2}")
    terminal.sendline(ask(f"{smollm2} --max-tokens 2000 --seed 1", "Tell a very long story."))
    terminal.expect(r"\w+ \w+ \w+")  # a few words, long before the end
    terminal.sendintr()
    terminal.expect(PROMPT, timeout=10)
    *_, notice, line, end = terminal.before.strip().splitlines()
    assert notice == "*(stopped)*"
    assert end == "Interrupted. answer has the answer so far."
    assert re.fullmatch(r"interrupted · \d+ tokens? · .* prompt tokens( cached)?", line)
    assert "KeyboardInterrupt" not in terminal.before
    assert "Traceback" not in terminal.before
    assert run(terminal, "print(answer.finish_reason)").strip() == "interrupted"


def test_widgets_are_plain_text(terminal: pexpect.spawn, smollm2: str) -> None:
    row = rf"\b{smollm2} +gguf Q4_1 +98\.4 MB +135 M\b"
    run(terminal, "import warnings; warnings.simplefilter('always')")
    assert re.search(row, run(terminal, "%power models"))
    run(terminal, "client = __import__('a3s_power_jupyter').connect()")
    shown = run(terminal, "client.table()").strip()
    assert re.search(row, shown)
    assert "<" not in shown
    assert run(terminal, f"client.chat_widget({smollm2!r})").endswith(f"Chat with {smollm2}\n\n")


def test_errors_are_explained_and_fixed(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = start_server(headless=True, environ={UPSTREAM_KEY: KEY})
    with run_upstream() as upstream, ipython(server, tmp_path) as terminal:
        register_remote(server, upstream, "says")
        run(terminal, "missing_name + 1")
        upstream.says = "It has no value."
        explained = run(terminal, "%power explain")
        assert "It has no value." in explained
        asked = upstream.bodies[-1]["messages"][-1]["content"]
        assert "```python\nmissing_name + 1\n```" in asked
        assert "NameError: name 'missing_name' is not defined" in asked
        upstream.says = "```python\nmissing_name = 1\n```"
        fixed = run(terminal, "%power fix")
        assert "The proposed code is in your next input. It has not been run." in fixed
        assert "Traceback" not in fixed
        # Interrupted, it proposes nothing, and the error is still the last one.
        upstream.says, upstream.waits_after = "```python\nx = 1\ny = 2\n```", "x = 1"
        terminal.sendline("%power fix")
        terminal.expect("x = 1")
        terminal.sendintr()
        terminal.expect(PROMPT, timeout=20)
        upstream.first_seen.set()
        assert "(stopped)" in terminal.before
        assert "proposed code" not in terminal.before
        assert "Traceback" not in terminal.before
        upstream.says, upstream.waits_after = "Again.", ""
        assert "Again." in run(terminal, "%power explain")
        assert "missing_name" in upstream.bodies[-1]["messages"][-1]["content"]


def test_an_answer_cannot_control_the_terminal(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Python's repr of a string escapes control characters."""
    server = start_server(headless=True, environ={"UPSTREAM_KEY": KEY})
    with run_upstream() as upstream, server.api() as api:
        target = {"base_url": upstream.url, "model": "controls", "api_key_env": "UPSTREAM_KEY"}
        body = {"name": "controls", "format": "remote", "upstream": target}
        assert api.post("v1/models", json=body).status_code == 201
        with ipython(server, tmp_path) as terminal:
            answer = run(terminal, ask("controls", "hello"))
            shown = run(terminal, "answer")
    printed = answer.removeprefix("\x1b[K")  # replaces "Loading ..."
    assert printed.strip() == "answer without colors"
    assert repr(CONTROLS) in shown
