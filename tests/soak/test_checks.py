"""Test that the soak test notices what it looks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from .rest import wrong_lines
from .result import Options, Rest, Result
from .wire import Violation, error_code


def test_tracebacks_and_unexpected_errors_in_a_log(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    right = [
        "[I 2026-11-26 10:11:14.157 PowerApp] Power: loaded smol in 3.94 s",
        "[E 2026-11-26 10:11:14.157 HeadlessServerApp] {",
        '      "Host": "127.0.0.1"',
        "[E 2026-11-26 10:11:14.157 HeadlessServerApp] 503 POST /v1/completions 3ms",
        "[W 2026-11-26 10:11:14.157 PowerApp] POST /v1/completions: worker_died: SIGKILL",
        "[C 2026-11-26 10:11:14.157 HeadlessServerApp] received signal 15, stopping",
    ]
    log.write_text("\n".join(right))
    assert wrong_lines(log) == []
    for wrong in (
        "Traceback (most recent call last):",
        "[E 2026-11-26 10:11:14.157 HeadlessServerApp] 500 POST /v1/completions 3ms",
        "[E 2026-11-26 10:11:14.157 PowerApp] Power: invalid message",
        "asyncio: Task exception was never retrieved",
    ):
        log.write_text("\n".join([*right, wrong, *right]))
        assert len(wrong_lines(log)) == 1


def test_errors_that_are_not_of_the_contract() -> None:
    error = {"message": "Wait.", "type": "server_error", "code": "server_busy"}
    assert error_code({"error": error}, "x", 503) == "server_busy"
    for body, status in (
        ({"error": error}, 500),
        ({"error": error | {"code": "internal_error"}}, None),
        ({"error": error | {"code": "unheard_of"}}, 400),
        ({"error": {"code": "server_busy"}}, 503),
        ({"error": "text"}, 503),
        ([], 503),
    ):
        with pytest.raises(Violation):
            error_code(body, "x", status)


def test_growth() -> None:
    def result(*memory: int) -> Result:
        rests = [Rest(float(i), value, 13, 1, 1) for i, value in enumerate(memory)]
        return Result(Options(growth=0.05), rests=rests)

    warming_up = result(80, 90, 99, 100, 100, 101)
    warming_up.check_growth()
    assert warming_up.violations == []
    growing = result(80, 90, 100, 101, 110, 120)
    growing.check_growth()
    assert len(growing.violations) == 1
