"""A child process that sends commands back, and misbehaves on request."""

from __future__ import annotations

import logging
import os
import sys
import time

import msgspec
from msgspec.msgpack import Decoder

from a3s_power_jupyter.ipc import harness


class Echo(msgspec.Struct, frozen=True, tag=True):
    text: str


class Misbehave(msgspec.Struct, frozen=True, tag=True):
    """Make the child misbehave; `how` is "print", "raise", "return" or "hang"."""

    how: str


Command = Echo | Misbehave
COMMAND_DECODER: Decoder[Command] = Decoder(Command)
ECHO_DECODER: Decoder[Echo] = Decoder(Echo)


def main(channel: harness.Channel[Command]) -> None:
    while True:
        command = channel.receive()
        if isinstance(command, Echo):
            channel.emit(command)
        elif command.how == "print":
            sys.stdout.write("printed by Python\n")
            sys.stdout.flush()
            os.write(1, b"printed by a native library\n")
        elif command.how == "raise":
            raise ZeroDivisionError("a bug")
        elif command.how == "hang":
            time.sleep(3600)
        else:
            return


if __name__ == "__main__":
    harness.run(main, COMMAND_DECODER, log_level=logging.INFO)
