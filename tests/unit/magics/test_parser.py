"""Test the arguments of the magics and the help generated from them."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from a3s_power_jupyter.magics.parser import (
    HelpShown,
    cell_parser,
    line_parser,
    parse_line,
    show_help,
)

COMMANDS = (
    *("help", "register", "list", "show", "rm", "load", "unload"),
    *("pin", "unpin", "ps", "use", "doctor", "gc"),
)


def test_all_options_of_a_cell() -> None:
    words = (
        "m --system S --temperature 0.5 --max-tokens 9 --top-p 0.9 --seed -3 --stop a --stop b "
        "--json-schema schema --keep-alive -1 --to result --raw --continue "
        "--tools a,b --tools c --tool-choice a --max-rounds 3 --no-think --effort low"
    )
    assert vars(cell_parser().parse_args(words.split())) == {
        "model": "m",
        "system": "S",
        "temperature": 0.5,
        "max_tokens": 9,
        "top_p": 0.9,
        "seed": -3,
        "stop": ["a", "b"],
        "json_schema": "schema",
        "keep_alive": "-1",
        "to": "result",
        "raw": True,
        "continued": True,
        "tools": ["a,b", "c"],
        "tool_choice": "a",
        "max_rounds": 3,
        "think": False,
        "effort": "low",
    }


def test_parameter_values_are_json_or_strings() -> None:
    words = 'register m p -p num_ctx=4096 -p isq=Q4K --param use_mmap=false -p stop=["a","="] -p x='
    assert line_parser().parse_args(words.split()).parameters == [
        ("num_ctx", 4096),
        ("isq", "Q4K"),
        ("use_mmap", False),
        ("stop", ["a", "="]),
        ("x", ""),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("load", "NAME"),
        ("load m --num 3", "unrecognized arguments: --num"),
        ("load m n", "unrecognized arguments: n"),
        ("load m --keep", "unrecognized arguments: --keep"),
        ("load m -p num_ctx", "'num_ctx' is not of the form KEY=VALUE"),
        ("register m p --format zip", "invalid choice: 'zip'"),
        ("list x", "unrecognized arguments: x"),
    ],
)
def test_errors_show_the_usage(words: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_line(words.split())
    assert message in str(raised.value)
    assert "usage: %power" in str(raised.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("lod", "There is no command 'lod'. Did you mean 'load'?"),
        ("help lod", "There is no command 'lod'. Did you mean 'load'?"),
        ("xyzzy m", "There is no command 'xyzzy'. %power help lists the commands."),
    ],
)
def test_unknown_commands(words: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_line(words.split())
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "words", ["--temperature hot", "--top-p nan", "--max-tokens 1.5", "a b", "--nope"]
)
def test_errors_in_a_cell(words: str) -> None:
    with pytest.raises(UsageError, match="usage: %%power") as raised:
        cell_parser().parse_args(words.split())
    assert "For help: %%power --help" in str(raised.value)


def test_help_lists_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    show_help(None)
    shown = capsys.readouterr().out
    for command in COMMANDS:
        assert f"\n    {command} " in shown
    for argument in cell_parser().arguments:
        assert all(option in shown for option in argument.option_strings)
        assert argument.help
    assert "%%%" not in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(HelpShown):
        show_help(command)
    assert capsys.readouterr().out.startswith(f"usage: %power {command}")


def test_every_command_has_a_function() -> None:
    for command in COMMANDS:
        needs = {"register": ["m", "p"]}.get(command, [])
        if command in ("show", "rm", "load", "unload", "pin", "unpin"):
            needs = ["m"]
        arguments = line_parser().parse_args([command, *needs])
        assert callable(arguments.run)
