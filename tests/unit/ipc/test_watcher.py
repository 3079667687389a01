"""The changes that the watcher of child processes reads."""

from __future__ import annotations

from a3s_power_jupyter.ipc.watcher import remaining


def test_the_children_that_have_not_exited_remain() -> None:
    assert remaining([b"+5\n", b"+77\n", b"-5\n", b"+6\n"]) == {77, 6}


def test_a_line_that_is_cut_off_is_ignored() -> None:
    assert remaining([b"+5\n", b"+7"]) == {5}


def test_an_unknown_process_can_be_removed() -> None:
    assert remaining([b"-5\n"]) == set()
