"""A child process that sends commands back, and misbehaves on request."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NoReturn

import msgspec
from msgspec.msgpack import Decoder

from a3s_power_jupyter.ipc import harness
from a3s_power_jupyter.ipc.framing import encode


class Echo(msgspec.Struct, frozen=True, tag=True):
    text: str


class Misbehave(msgspec.Struct, frozen=True, tag=True):
    """Make the child misbehave; `how` is a key of `MISBEHAVIOR`."""

    how: str


Command = Echo | Misbehave
COMMAND_DECODER: Decoder[Command] = Decoder(Command)
ECHO_DECODER: Decoder[Echo] = Decoder(Echo)


def main(channel: harness.Channel[Command]) -> None:
    while True:
        command = channel.receive()
        if isinstance(command, Echo):
            channel.emit(command)
        elif command.how == "return":
            return
        elif command.how == "save":
            time.sleep(1.0)
            channel.emit(Echo("saved"))
            return
        elif command.how == "start":
            start_another(channel)
        else:
            MISBEHAVIOR[command.how]()


def print_text() -> None:
    sys.stdout.write("printed by Python\n")
    sys.stdout.flush()
    os.write(1, b"printed by a native library\n")


def fail() -> NoReturn:
    raise ZeroDivisionError("a bug")


def start_another(channel: harness.Channel[Command]) -> None:
    """Start another such process, let it hold its lock, and send its process id."""
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(encode(Misbehave("power")))
    process.stdin.flush()
    channel.emit(Echo(str(process.pid)))


#: What makes the child misbehave, by name; besides, "return" ends it, "save" ends it after a
#: second, and "start" starts another.
MISBEHAVIOR: dict[str, Callable[[], object]] = {
    "print": print_text,
    "raise": fail,
    "hang": lambda: time.sleep(3600),
    # Both hold the interpreter lock.
    "power": lambda: 9 ** (9**9),
    "native": lambda: ctypes.PyDLL(None).sleep(3600),
}


if __name__ == "__main__":
    harness.run(main, COMMAND_DECODER, log_level=logging.INFO)
