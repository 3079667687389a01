"""Test that a command is interrupted once, and that interrupts work again afterwards."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from a3s_power_jupyter.magics.interrupts import Interrupts, interrupted


class Events:
    """The events of a shell."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], None]] = []

    def register(self, event: str, callback: Callable[[], None]) -> None:
        assert event == "post_execute"
        self.callbacks.append(callback)

    def unregister(self, event: str, callback: Callable[[], None]) -> None:
        self.callbacks.remove(callback)

    def end_cell(self) -> None:
        for callback in self.callbacks:
            callback()


@pytest.fixture(autouse=True)
def _default_handler() -> Iterator[None]:
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def interrupts(events: Events) -> Interrupts:
    shell: Any = SimpleNamespace(events=events)
    return Interrupts(shell)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_only_the_first_interrupt_of_a_cell_counts(interrupts: Interrupts, events: Events) -> None:
    def command() -> None:
        try:
            press()
        finally:
            press()
            ended.append(True)

    ended: list[bool] = []
    with pytest.raises(KeyboardInterrupt), interrupts.once():
        command()
    assert ended
    press()  # while IPython shows the error
    events.end_cell()
    with pytest.raises(KeyboardInterrupt):
        press()


def test_the_next_cell_can_be_interrupted_at_once(interrupts: Interrupts, events: Events) -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), interrupts.once():
            press()
        events.end_cell()


def test_a_later_interrupt_counts_again(
    interrupts: Interrupts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("a3s_power_jupyter.magics.interrupts.GRACE", 0.0)
    with interrupts.once():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                press()


def test_the_handler_is_the_former_one_after_a_command_and_an_unload(
    interrupts: Interrupts, events: Events
) -> None:
    with interrupts.once():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    interrupts.close()
    assert events.callbacks == []


def test_ignored_interrupts_stay_ignored(interrupts: Interrupts) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts.once():
        press()


def test_an_interrupt_is_one_line() -> None:
    with pytest.raises(KeyboardInterrupt) as raised:
        raise interrupted("Interrupted. x has the answer so far.")
    assert type(raised.value) is KeyboardInterrupt
    assert str(raised.value) == "Interrupted. x has the answer so far."
    try:
        raise raised.value
    except KeyboardInterrupt as error:
        lines: list[str] = error._render_traceback_()  # type: ignore[attr-defined]
    assert lines == ["Interrupted. x has the answer so far."]
