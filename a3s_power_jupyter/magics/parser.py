"""Argument parsers of ``%power`` and ``%%power``.

Help and tab completion are generated from them.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Collection
from typing import Any, get_args

from IPython.core.error import UsageError

from ..contract.parameters import close_matches
from ..contract.types import Format, SearchFormat, SearchSort
from . import assisting, commands, pulling, scanning, searching
from .examples import OTHER_NAMES
from .live_text import write
from .magic_parser import MagicParser, integer, key_value, natural, number

#: Names of the help about cells.
CELL = ("%%power", "cell")

#: How similar a word is to the command that it misspells. ``smol`` and ``models`` are less (0.6).
SIMILARITY = 0.65


def line_parser() -> MagicParser:
    """Return the parser of ``%power``. It sets ``run`` to the function of the command."""
    parser = MagicParser(prog="%power", description="Local language models in Jupyter.")
    parser.set_defaults(run=commands.status)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, *, help: str) -> MagicParser:  # noqa: A002
        summary = help % ()  # as argparse does
        description = f"{summary[0].upper()}{summary[1:]}."
        return subparsers.add_parser(name, help=help, description=description)

    command = add("help", help="show this help, or the help of a command with examples")
    command.add_argument(
        "command",
        nargs="?",
        metavar="COMMAND",
        choices=subparsers.choices,
        help="name of a command, or %%%%power for cells; default: all commands",
    )
    command.set_defaults(run=lambda _, arguments: show_help(arguments.command))

    command = add("register", help="register a model on disk")
    command.add_argument("name", metavar="NAME", help="new name of the model")
    command.add_argument("path", metavar="PATH", nargs="?", help="GGUF file or model directory")
    command.add_argument(
        "--format",
        choices=get_args(Format),
        help="detected by default",
    )
    command.add_argument("--mmproj", metavar="PATH", help="vision projector of a GGUF model")
    command.add_argument("--copy", action="store_true", help="copy the files into the store")
    command.add_argument(
        "--overwrite", action="store_true", help="replace a model with the same name"
    )
    _add_parameters(command, "default parameter, such as num_ctx=4096; can be repeated")
    command.add_argument(
        "--upstream-url",
        metavar="URL",
        action="append",
        help="base URL of the API behind a remote model; can be repeated for several servers",
    )
    command.add_argument(
        "--upstream-model", metavar="MODEL", help="name of a remote model on that server"
    )
    command.add_argument(
        "--api-key-env",
        metavar="VARIABLE",
        help="environment variable of the notebook server with that server's API key",
    )
    command.set_defaults(run=commands.register)

    command = add("scan", help="list models of other programs on this machine, to register them")
    command.set_defaults(run=scanning.scan)
    _add_pull_commands(add)

    command = add("list", help="list the registered models")
    command.set_defaults(run=commands.list_models)
    command = add("models", help="show a table to load, unload, pin, pull and delete models")
    command.set_defaults(run=commands.models)

    command = _add_model_command(add, "show", commands.show, "show all details of a model")
    command.add_argument("--template", action="store_true", help="also show its chat template")
    command = _add_model_command(add, "set", commands.change, "change a model's defaults")
    _add_parameters(command, "default parameter, such as num_ctx=4096; null removes it")
    command = _add_model_command(add, "rm", commands.remove, "delete a model")
    command.add_argument("--force", action="store_true", help="delete it even if it is busy")

    command = _add_model_command(add, "load", commands.load, "load a model now")
    command.add_argument(
        "--keep-alive", metavar="TIME", help="idle time before it is unloaded: 5m, 0, -1 (never)"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="show what it would take, without loading it"
    )
    _add_parameters(command, "load parameter, such as num_ctx=4096; can be repeated")

    command = _add_model_command(add, "unload", commands.unload, "unload a model from memory")
    command.add_argument("--force", action="store_true", help="unload it even if it is busy")
    _add_model_command(add, "pin", commands.pin, "keep a model in memory")
    _add_model_command(add, "unpin", commands.unpin, "allow a pinned model to be unloaded")

    command = add("ps", help="list the models in memory")
    command.set_defaults(run=commands.ps)
    command = add("use", help="set or show the default model of %%%%power")
    command.add_argument(
        "model", metavar="NAME", nargs="?", help="name of the model; default: show the one in use"
    )
    command.set_defaults(run=commands.use)
    for name, run, summary in (
        ("explain", assisting.explain, "explain the last error, or a cell"),
        ("fix", assisting.fix, "propose the corrected code of the cell with the last error"),
    ):
        command = add(name, help=summary)
        command.add_argument(
            "question",
            nargs="*",
            metavar="QUESTION",
            help="what else to say; in quotes if it ends with a question mark",
        )
        command.add_argument("--model", metavar="NAME", help="default: see %%power use")
        command.add_argument(
            "--cell", type=natural, metavar="N", help="number of a cell: 3 for In[3]"
        )
        command.set_defaults(run=run)
    command = add("doctor", help="show the server's setup and how to improve it")
    command.set_defaults(run=commands.doctor)
    command = add("gc", help="list files that no model uses")
    command.add_argument("--delete", action="store_true", help="delete them")
    command.set_defaults(run=commands.gc)
    command = add("traceback", help="show the whole traceback of the last error")
    command.set_defaults(run=commands.traceback)
    return parser


def _add_pull_commands(add: Any) -> None:
    command: MagicParser = add(
        "pull", help="download a model from the Hugging Face Hub; interrupt the cell to pause"
    )
    command.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="owner/repo:TAG, owner/repo/path/file.gguf or owner/repo; default: list models to "
        "begin with",
    )
    command.add_argument("--revision", metavar="REVISION", help="branch, tag or commit")
    command.add_argument(
        "--force",
        action="store_true",
        help="verify existing files and download those that are damaged or outdated",
    )
    command.add_argument("--background", action="store_true", help="do not wait for the download")
    command.add_argument(
        "--token",
        metavar="TOKEN",
        help="Hugging Face token; it is saved with the notebook, so prefer %%power login",
    )
    command.set_defaults(run=pulling.pull)
    command = add("search", help="search the hub for models, or show which of a repository fit")
    command.add_argument(
        "words",
        nargs="*",
        metavar="WORDS",
        help="what the names contain, or owner/repo to show its models; default: all",
    )
    command.add_argument("--format", choices=get_args(SearchFormat), default="all")
    command.add_argument("--sort", choices=get_args(SearchSort), default="downloads")
    command.add_argument(
        "--limit", type=natural, metavar="N", default=20, help="most results (default: 20)"
    )
    command.add_argument(
        "--num-ctx",
        type=natural,
        metavar="N",
        help="tokens of context for which to compute the memory of a repository's models",
    )
    command.set_defaults(run=searching.search)
    command = add("pulls", help="list the pulls and their status")
    command.set_defaults(run=pulling.pulls)
    command = add("pause", help="pause a pull; %%power pull resumes it")
    command.add_argument("pull", metavar="NAME", help="reference or name of the model")
    command.set_defaults(run=pulling.pause)
    command = add("cancel", help="cancel a pull and delete its partial files")
    command.add_argument("pull", metavar="NAME", help="reference or name of the model")
    command.add_argument("--keep-partial", action="store_true", help="keep the partial files")
    command.set_defaults(run=pulling.cancel)
    command = add("login", help="store a Hugging Face token outside the notebook")
    command.set_defaults(run=pulling.login)


def parse_line(words: list[str]) -> argparse.Namespace:
    """Parse the words after ``%power``.

    Raises
    ------
    UsageError
        If there is no such command, or its arguments are invalid.
    HelpShown
        If help was asked for.
    """
    if words[:1] == ["help"] and words[1:2] and words[1] in CELL:
        return argparse.Namespace(run=lambda *_: show_help(words[1]))
    parser = line_parser()
    commands = _commands(parser)
    if words[:1] and words[0].startswith("-") and words[0] not in ("-h", "--help"):
        raise UsageError(f"Write the command before its options: %power COMMAND {words[0]}")
    for name in words[:2] if words[:1] == ["help"] else words[:1]:
        if not name.startswith("-") and name not in commands:
            raise UsageError(f"There is no command {name!r}. {_hint(name, commands)}")
    return parser.parse_args(words)


def parse_cell(words: list[str], cell: str) -> argparse.Namespace:
    """Parse the words after ``%%power``, in the first line of a cell.

    Parameters
    ----------
    cell : str
        The lines below.

    Raises
    ------
    UsageError
        If the line is not valid, or is that of a command.
    HelpShown
        If help was asked for.
    """
    is_alone = not cell.strip() or not all(word.startswith("-") for word in words[1:2])
    if is_alone and words[:1] and words[0] in _commands(line_parser()):
        raise UsageError(
            f"%%power sends a cell to a model. Write the command with one %: %power {words[0]}"
        )
    return cell_parser().parse_args(words)


def _commands(parser: MagicParser) -> Collection[str]:
    (commands,) = (a.choices for a in parser.arguments if isinstance(a.choices, dict))
    return commands


def _hint(name: str, commands: Collection[str]) -> str:
    meant = OTHER_NAMES.get(name.lower())
    near = close_matches(name.lower(), commands)
    if meant is None and near and _is_typo(name.lower(), near[0]):
        meant = near[0]
    if meant is not None:
        return f"Did you mean {meant!r}?"
    return (
        "%power help lists the commands. To ask a model, write %%power NAME in the first line of a "
        "cell, and the question below it."
    )


def _is_typo(name: str, command: str) -> bool:
    """Whether a word is a command with a mistake, and not the name of a model like ``smol``."""
    return difflib.SequenceMatcher(None, name, command).ratio() >= SIMILARITY


def cell_parser() -> MagicParser:
    """Return the parser of the ``%%power`` line of a cell."""
    parser = MagicParser(
        prog="%%power",
        usage="%%%%power [MODEL] [options]\n<your question>",
        description="Send the cell to a model. {name} is replaced with the variable's value.",
        surplus="The %%power line has only the name of a model and options. Write the question "
        "below it, and quote values that contain spaces.",
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="default: see %%power use")
    add = parser.add_argument
    add("--system", metavar="TEXT", help="system prompt")
    add(
        "--temperature",
        type=number,
        metavar="T",
        help="sampling temperature; 0 always picks the most likely token",
    )
    add("--max-tokens", type=integer, metavar="N", help="maximum number of tokens in the answer")
    add(
        "--top-p",
        type=number,
        metavar="P",
        help="sample from the most likely tokens with a total probability of P",
    )
    add(
        "--seed",
        type=integer,
        metavar="N",
        help="random seed, -1 for a random one; the same seed gives the same answer while no "
        "other request uses the model",
    )
    add(
        "--stop",
        action="append",
        metavar="TEXT",
        help="end the answer before this text; can be repeated",
    )
    add(
        "--json-schema",
        metavar="VARIABLE",
        help="dict with a JSON schema, or a class such as a Pydantic model, that the answer must "
        "match",
    )
    add(
        "--tools",
        metavar="NAMES",
        action="append",
        default=[],
        help="functions of the notebook that the model may call: name1,name2; `notebook` for tools "
        "that read the notebook, its variables and files, and run code, each call after a question",
    )
    add(
        "--allow",
        choices=("read", "all"),
        help="make calls of --tools notebook without a question: those that only read, or all",
    )
    add(
        "--tool-choice",
        metavar="CHOICE",
        help="required or the name of a function, which the model then calls first; none",
    )
    add(
        "--max-rounds",
        type=integer,
        metavar="N",
        default=10,
        help="how many times the model may call functions before it answers (default: 10)",
    )
    add(
        "--think",
        action=argparse.BooleanOptionalAction,
        help="let the model think first, or not, if it can do both",
    )
    add("--effort", metavar="LEVEL", help="how much the model thinks: low, medium, high")
    add(
        "--keep-alive",
        metavar="TIME",
        help="idle time before the model is unloaded: 5m, 0, -1 (never)",
    )
    add(
        "--to",
        metavar="VARIABLE",
        default="answer",
        help="variable for the answer (default: answer)",
    )
    add("--raw", action="store_true", help="leave all {braces} unchanged")
    add(
        "--continue",
        dest="continued",
        action="store_true",
        help="continue the conversation of the last cell",
    )
    return parser


def show_help(command: str | None) -> None:
    """Show the help of one command, or of ``%power`` and ``%%power``.

    Raises
    ------
    UsageError
        If there is no such command.
    """
    if command is None:
        write(line_parser().format_help() + "\n" + cell_parser().format_help())
        return
    if command in CELL:
        write(cell_parser().format_help())
        return
    line_parser().parse_args([command, "--help"])


def _add_model_command(add: Any, name: str, run: Any, summary: str) -> MagicParser:
    command: MagicParser = add(name, help=summary)
    command.add_argument("model", metavar="NAME", help="name of the model")
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
        type=key_value,
        default=[],
    )
