"""The words after ``%power`` and ``%%power``.

The two parsers are the only description of the commands: help and completion are made from them.
"""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

import msgspec
from IPython.core.error import UsageError

from . import commands, pulling
from .session import write


class HelpShown(Exception):
    """``--help`` was asked for and has been written."""


class MagicParser(argparse.ArgumentParser):
    """Says what is wrong as a `UsageError`, where argparse would end the process."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    @property
    def arguments(self) -> list[argparse.Action]:
        """All that it takes, options and positional arguments."""
        return self._actions

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n{self.format_usage()}More: {self.prog} --help")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise HelpShown

    def print_help(self, file: Any = None) -> None:
        write(self.format_help())


def line_parser() -> MagicParser:
    """The parser of ``%power COMMAND ...``; the command's function is ``arguments.run``."""
    parser = MagicParser(prog="%power", description="Local models in this Jupyter server.")
    parser.set_defaults(run=commands.status)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    add = subparsers.add_parser

    command = add("help", help="show this, or how a command is used")
    command.add_argument("command", nargs="?", metavar="COMMAND", choices=subparsers.choices)
    command.set_defaults(run=lambda _, arguments: show_help(arguments.command))

    command = add("register", help="make a model on disk known under a name")
    command.add_argument("name", metavar="NAME")
    command.add_argument("path", metavar="PATH", nargs="?", help="GGUF file or model directory")
    command.add_argument(
        "--format", choices=("gguf", "safetensors", "vision", "huggingface", "remote")
    )
    command.add_argument("--mmproj", metavar="PATH", help="image part of a GGUF model")
    command.add_argument("--copy", action="store_true", help="copy it into the store")
    command.add_argument("--overwrite", action="store_true", help="replace another of that name")
    _add_parameters(command, "a default, as num_ctx=4096 or temperature=0.2; may be repeated")
    command.add_argument("--upstream-url", metavar="URL", help="API behind a remote model")
    command.add_argument("--upstream-model", metavar="MODEL", help="its name over there")
    command.add_argument("--api-key-env", metavar="VARIABLE", help="holds its key in the server")
    command.set_defaults(run=commands.register)

    _add_pulls(add)

    command = add("list", help="list the registered models")
    command.set_defaults(run=commands.list_models)
    command = add("models", help="a table to load, unload, pin, pull and delete models")
    command.set_defaults(run=commands.models)

    _add_model_command(add, "show", commands.show, "tell all that is known of a model")
    command = _add_model_command(add, "rm", commands.remove, "forget a model")
    command.add_argument("--force", action="store_true", help="even while it answers")

    command = _add_model_command(add, "load", commands.load, "load a model now")
    command.add_argument("--keep-alive", metavar="TIME", help="idle time until it goes: 5m, 0, -1")
    _add_parameters(command, "a load parameter, as num_ctx=4096; may be repeated")

    command = _add_model_command(add, "unload", commands.unload, "take a model out of memory")
    command.add_argument("--force", action="store_true", help="even while it answers")
    _add_model_command(add, "pin", commands.pin, "keep a model loaded")
    _add_model_command(add, "unpin", commands.unpin, "let a pinned model go again")

    command = add("ps", help="list what is in memory")
    command.set_defaults(run=commands.ps)
    command = add("use", help="choose the model that answers, or tell which does")
    command.add_argument("model", metavar="NAME", nargs="?")
    command.set_defaults(run=commands.use)
    command = add("doctor", help="say how the server does and what would make it faster")
    command.set_defaults(run=commands.doctor)
    command = add("gc", help="list files that no model needs any more")
    command.add_argument("--delete", action="store_true", help="and delete them")
    command.set_defaults(run=commands.gc)
    return parser


def _add_pulls(add: Any) -> None:
    command: MagicParser = add("pull", help="bring a model from the hub; an interrupt pauses it")
    command.add_argument(
        "name", metavar="NAME", help="owner/repo:TAG, owner/repo/path/file.gguf or owner/repo"
    )
    command.add_argument("--revision", metavar="REVISION", help="branch, tag or commit")
    command.add_argument(
        "--force", action="store_true", help="verify what is here, fetch what is wrong"
    )
    command.add_argument("--background", action="store_true", help="and do not wait for it")
    command.add_argument(
        "--token", metavar="TOKEN", help="it stays in the notebook: better use %%power login"
    )
    command.set_defaults(run=pulling.pull)
    command = add("pulls", help="list the pulls, and how they do")
    command.set_defaults(run=pulling.pulls)
    command = add("pause", help="stop a pull; the same pull goes on from there")
    command.add_argument("pull", metavar="NAME")
    command.set_defaults(run=pulling.pause)
    command = add("cancel", help="stop a pull and remove what came")
    command.add_argument("pull", metavar="NAME")
    command.add_argument("--keep-partial", action="store_true", help="leave what came")
    command.set_defaults(run=pulling.cancel)
    command = add("login", help="store a token of the hub, outside of the notebook")
    command.set_defaults(run=pulling.login)


def cell_parser() -> MagicParser:
    """The parser of the ``%%power`` line of a cell."""
    parser = MagicParser(
        prog="%%power",
        usage="%%%%power [MODEL] [options]\n<your question>",
        description="Ask a model; the cell is the question, and {name} in it is filled in.",
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="default: see %%power use")
    add = parser.add_argument
    add("--system", metavar="TEXT", help="how the model shall behave")
    add("--temperature", type=float, metavar="T", help="0 is the likeliest word each time")
    add("--max-tokens", type=int, metavar="N", help="longest answer")
    add("--top-p", type=float, metavar="P", help="draw from the likeliest words that sum to P")
    add("--seed", type=int, metavar="N", help="same seed, same answer")
    add("--stop", action="append", metavar="TEXT", help="end there; may be repeated")
    add("--json-schema", metavar="VARIABLE", help="a dict: the answer is JSON of that schema")
    add("--keep-alive", metavar="TIME", help="idle time until the model goes: 5m, 0, -1")
    add("--to", metavar="VARIABLE", default="answer", help="keeps the answer (default: answer)")
    add("--raw", action="store_true", help="leave {braces} as they are")
    add("--continue", dest="continued", action="store_true", help="go on with the conversation")
    return parser


def show_help(command: str | None) -> None:
    """Write the help of one command, or of all and of ``%%power``."""
    if command is None:
        write(line_parser().format_help() + "\n" + cell_parser().format_help())
        return
    line_parser().parse_args([command, "--help"])


def _add_model_command(add: Any, name: str, run: Any, summary: str) -> MagicParser:
    command: MagicParser = add(name, help=summary)
    command.add_argument("model", metavar="NAME")
    command.set_defaults(run=run)
    return command


def _add_parameters(command: MagicParser, summary: str) -> None:
    command.add_argument(
        "-p",
        "--param",
        dest="parameters",
        metavar="KEY=VALUE",
        help=summary,
        action="append",
        type=_key_value,
        default=[],
    )


def _key_value(text: str) -> tuple[str, Any]:
    """``num_ctx=4096`` -> ``("num_ctx", 4096)``; what is no JSON is a string."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value
