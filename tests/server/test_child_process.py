"""A real child process on the harness, seen through `Child`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from a3s_power_jupyter.ipc.child import Child
from a3s_power_jupyter.ipc.environment import offline_environment
from a3s_power_jupyter.ipc.framing import encode
from support import echo_child
from support.echo_child import ECHO_DECODER, Command, Echo, Misbehave

COMMAND = (sys.executable, str(Path(echo_child.__file__)))


@dataclass(frozen=True)
class Running:
    child: Child[Command, Echo]
    messages: asyncio.Queue[Echo]
    exited: asyncio.Event


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[Running]:
    messages: asyncio.Queue[Echo] = asyncio.Queue()
    exited = asyncio.Event()
    child: Child[Command, Echo] = Child(
        "the echo process",
        command or COMMAND,
        offline_environment(),
        ECHO_DECODER,
        messages.put_nowait,
        exited.set,
        logging.getLogger("test"),
    )
    try:
        yield Running(child, messages, exited)
    finally:
        await child.stop()


async def test_messages_arrive_in_order_whatever_is_printed() -> None:
    async with running() as echo:
        for command in (Echo("ä"), Misbehave("print"), Echo("x" * 10**6)):
            echo.child.send(command)
        assert await echo.messages.get() == Echo("ä")
        assert await echo.messages.get() == Echo("x" * 10**6)


async def test_an_exception_is_the_reason_of_the_exit() -> None:
    async with running() as echo:
        echo.child.send(Misbehave("raise"))
        await echo.exited.wait()
        reason = echo.child.exit_reason()
    assert reason.startswith("exit status 1")
    assert "ZeroDivisionError: a bug" in reason
    assert "echo_child.py" not in reason  # the traceback is in the log only


async def test_errors_of_the_process_are_in_the_servers_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as echo:
        echo.child.send(Misbehave("print"))
        echo.child.send(Misbehave("raise"))
        await echo.exited.wait()
    logged = {record.getMessage(): record.levelname for record in caplog.records}
    assert logged["Power: the echo process: ERROR Unexpected error: ZeroDivisionError: a bug"] == (
        "ERROR"
    )
    (traceback,) = (text for text in logged if 'raise ZeroDivisionError("a bug")' in text)
    assert logged[traceback] == "ERROR"
    assert not any("printed by" in text for text in logged)  # logged at DEBUG


async def test_log_lines_have_no_control_characters(caplog: pytest.LogCaptureFixture) -> None:
    code = r"import sys; sys.stderr.write('ERROR a\x1b[2J\r\tb\x9b\n'); sys.exit(3)"
    async with running(sys.executable, "-c", code) as stranger:
        await stranger.exited.wait()
        assert stranger.child.exit_reason() == "exit status 3: a[2J b"
    assert "Power: the echo process: ERROR a[2J\tb" in [r.getMessage() for r in caplog.records]


async def test_the_process_exits_when_its_main_function_returns() -> None:
    async with running() as echo:
        echo.child.send(Echo("last"))
        echo.child.send(Misbehave("return"))
        await echo.exited.wait()
        assert echo.messages.get_nowait() == Echo("last")
        assert echo.child.exit_reason() == "exit status 0"


async def test_a_hanging_process_exits_when_stdin_is_closed() -> None:
    async with running() as echo:
        echo.child.send(Misbehave("hang"))
        await echo.child.stop(grace=60)
        assert echo.child.exit_reason() == "exit status 0"


async def test_a_stopped_process_is_killed_after_the_grace_period() -> None:
    async with running() as echo:
        psutil.Process(echo.child.pid).suspend()
        await echo.child.stop(grace=0.1)
        assert echo.child.exit_reason().startswith("SIGKILL")


async def test_a_process_has_time_for_its_last_command() -> None:
    async with running() as echo:
        await echo.child.stop(Misbehave("save"), patience=60)
        assert echo.messages.get_nowait() == Echo("saved")
        assert echo.child.exit_reason() == "exit status 0"


async def test_a_process_that_does_not_end_its_last_command_is_ended() -> None:
    async with running() as echo:
        await echo.child.stop(Misbehave("hang"), patience=0.1, grace=60)
        assert echo.child.exit_reason() == "exit status 0"
    async with running() as echo:
        psutil.Process(echo.child.pid).suspend()
        await echo.child.stop(Misbehave("save"), patience=0.1, grace=0.1)
        assert echo.child.exit_reason().startswith("SIGKILL")


async def test_a_stopped_process_is_killed_even_if_the_caller_of_stop_is_cancelled() -> None:
    async with running() as echo:
        psutil.Process(echo.child.pid).suspend()
        stopping = asyncio.create_task(echo.child.stop(grace=0.1))
        await asyncio.sleep(0)
        stopping.cancel()
        async with asyncio.timeout(10):
            await echo.exited.wait()
        assert echo.child.exit_reason().startswith("SIGKILL")


async def test_a_process_that_does_not_send_frames_is_killed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    code = "import time; print('no frame', flush=True); time.sleep(60)"
    async with running(sys.executable, "-c", code) as stranger:
        await stranger.exited.wait()
        assert stranger.child.exit_reason().startswith("SIGKILL")
    assert "invalid message from the echo process" in caplog.text


def test_invalid_commands_end_the_process() -> None:
    result = subprocess.run(
        COMMAND, input=b"no frame\n", capture_output=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"Invalid data on stdin" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and limits")
def test_ctrl_c_and_core_dumps_are_off() -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        frame = encode(Echo("ready"))
        process.stdin.write(frame)
        process.stdin.flush()
        assert process.stdout.read(len(frame)) == frame
        os.kill(process.pid, signal.SIGINT)
        process.stdin.write(frame)
        process.stdin.flush()
        assert process.stdout.read(len(frame)) == frame
        if sys.platform == "linux":
            limits = Path(f"/proc/{process.pid}/limits").read_text()
            (core,) = (line for line in limits.splitlines() if line.startswith("Max core"))
            assert core.split()[4:6] == ["0", "0"]
            assert Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip() == "600"
    assert process.returncode == 0


async def test_the_reason_of_an_abort_of_ggml_is_its_failed_assertion() -> None:
    """Without GGML_NO_BACKTRACE, ggml starts gdb where it is installed, and tells its output."""
    code = (
        "from a3s_power_jupyter.compat import ggml_library; "
        "ggml_library().ggml_abort(b'/build/ggml.c', 12, b'GGML_ASSERT(%s) failed', b'x > 0')"
    )
    async with running(sys.executable, "-c", code) as stranger:
        await stranger.exited.wait()
        reason = stranger.child.exit_reason()
    assert reason == "SIGABRT: ggml.c:12: GGML_ASSERT(x > 0) failed"
