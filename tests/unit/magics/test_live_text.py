"""Test text that is updated while a cell runs."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from a3s_power_jupyter.display import answer_parts
from a3s_power_jupyter.display.answer_parts import Call, Question, Text, Thoughts
from a3s_power_jupyter.magics import live_text
from a3s_power_jupyter.magics.live_text import NotebookText, TerminalText


class Display:
    """Replaces IPython's `display` and the handle it returns."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.markup: list[str] = []

    def __call__(self, bundle: dict[str, str], **_options: Any) -> Display:
        self.update(bundle)
        return self

    def update(self, bundle: dict[str, str], **_options: Any) -> None:
        self.texts.append(bundle["text/plain"])
        self.markup.append(bundle["text/html"])


def test_a_notebook_is_updated_at_most_ten_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    display, now = Display(), 0.0
    monkeypatch.setattr(live_text, "display", display)
    monkeypatch.setattr(live_text, "time", SimpleNamespace(monotonic=lambda: now))
    with NotebookText() as text:
        for token in range(100):
            now = token / 64
            text.update("x" * (token + 1))
    assert len(display.texts) == 16  # in 99/64 seconds, including the first and the last
    assert display.texts[0] == "x"
    assert display.texts[-1] == "x" * 100
    text.update("x" * 100)
    text.finish()
    assert len(display.texts) == 16


def test_rendering_takes_at_most_a_tenth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    display, now = Display(), 0.0

    def slow(_text: str) -> str:
        nonlocal now
        now += 0.5
        return ""

    monkeypatch.setattr(live_text, "display", display)
    monkeypatch.setattr(answer_parts, "from_markdown", slow)
    monkeypatch.setattr(live_text, "time", SimpleNamespace(monotonic=lambda: now))
    text = NotebookText()
    while now < 50:
        now += 0.01
        text.update(Text(f"{now}"))
    assert len(display.texts) == 10


def test_a_notebook_gets_html_without_raw_html(monkeypatch: pytest.MonkeyPatch) -> None:
    display = Display()
    monkeypatch.setattr(live_text, "display", display)
    answer = "*a* <scr"
    with NotebookText() as text:
        text.update("Loading *<m>*: 5%")
        monkeypatch.setattr(NotebookText, "INTERVAL", 0)
        text._next_update = 0
        for piece in ("ipt>alert(1)</scr", "ipt>\x1b[31m"):
            answer += piece
            text.update(Text(answer))
            text._next_update = 0
    assert display.markup == [
        "<p>Loading *&lt;m&gt;*: 5%</p>",
        '<p dir="auto"><em>a</em> &lt;script&gt;alert(1)&lt;/scr</p>\n',
        '<p dir="auto"><em>a</em> &lt;script&gt;alert(1)&lt;/script&gt;</p>\n',
    ]
    assert display.texts[-1] == "*a* <script>alert(1)</script>"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_a_terminal_gets_no_control_sequences(
    capsys: pytest.CaptureFixture[str], size: int
) -> None:
    answer = "one\x1b[31m two\x1b[0m\r\n\x1b]0;title\x07\x1b]52;c;eA==\x1b\\three\x9b2J\tfour\x08"
    answer += "\x1b(B \x1b"
    with TerminalText() as text:
        for end in range(size, len(answer) + size, size):
            text.update(answer[:end])
    assert capsys.readouterr().out == "one two\nthree\tfour \n"


def test_a_terminal_does_not_wait_for_the_end_of_a_long_sequence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with TerminalText() as text:
        text.update("a\x1b[" + "1" * 100)
        assert capsys.readouterr().out.startswith("a[111")


def test_a_terminal_replaces_other_text(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalText() as text:
        text.update("Loading m: 5%")
        text.update("Paris")
        text.update("Paris.")
    assert capsys.readouterr().out == "Loading m: 5%\nParis.\n"


def test_a_call_does_not_run_while_a_question_about_it_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    display = Display()
    monkeypatch.setattr(live_text, "display", display)
    monkeypatch.setattr("builtins.input", lambda _prompt: "y")
    call = Call("f", "", running=True)
    with NotebookText() as text:
        text.update(call)
        assert text.ask(Question("Run f?"), "Allow?") == "y"
    before, during, after = display.markup
    assert "is running" in before
    assert "is running" in after
    assert "Run f?" in during
    assert "is running" not in during


def test_a_notebook_keeps_the_line_below_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    display = Display()
    monkeypatch.setattr(live_text, "display", display)
    with NotebookText() as text:
        text.update(Text("*Yes*"))
        text.update(Text("*Yes*"), line="3 tokens · <0.1 s to first token")
    line = '<small style="opacity: 0.7">3 tokens · &lt;0.1 s to first token</small>'
    assert display.markup == [
        '<p dir="auto"><em>Yes</em></p>\n',
        f'<p dir="auto"><em>Yes</em></p>\n<p>{line}</p>\n',
    ]
    assert display.texts == ["*Yes*", "*Yes*\n\n3 tokens · <0.1 s to first token"]


@pytest.mark.parametrize(
    ("isatty", "environ", "line"),
    [
        (True, {"TERM": "xterm"}, "\x1b[2m3 tokens\x1b[0m"),
        (True, {"TERM": "dumb"}, "3 tokens"),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, "3 tokens"),
        (False, {"TERM": "xterm"}, "3 tokens"),
    ],
)
def test_a_terminal_writes_the_line_below_the_text(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    isatty: bool,
    environ: dict[str, str],
    line: str,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: isatty)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with TerminalText() as text:
        text.update("Yes")
        text.update("Yes", line="3 tokens")
    assert capsys.readouterr().out == f"Yes\n{line}\n"


def test_a_terminal_shows_calls_and_leaves_thoughts_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call = Call("add", '{"a": 1}')
    done = replace(call, result="3")
    with TerminalText() as text:
        for thoughts in ("Hm", "Hm. So"):
            text.update(Thoughts(thoughts, 1.0, finished=False))
        text.update(Thoughts("Hm. So", 1.0), call, call)
        text.update(replace(call, running=True), call)
        text.update(done, replace(call, running=True))
        text.update(done, done)
        text.update(done, done, Thoughts("Now", 1.0, finished=False))
        text.update(done, done, Thoughts("Now", 1.0), Text("It is 3."))
    assert capsys.readouterr().out == (
        "Thinking ...\nadd(a=1) -> 3\nadd(a=1) -> 3\n\nThinking ...\nIt is 3.\n"
    )
