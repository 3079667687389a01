"""Test the arguments of the magics and the help generated from them."""

from __future__ import annotations

import re
import shlex

import pytest
from IPython.core.error import UsageError

from a3s_power_jupyter.magics.examples import EXAMPLES, OTHER_NAMES
from a3s_power_jupyter.magics.magic_parser import HelpShown
from a3s_power_jupyter.magics.parser import (
    cell_parser,
    line_parser,
    parse_line,
    show_help,
)

ELSE = (
    "%power help lists the commands. To ask a model, write %%power NAME in the first line of a "
    "cell, and the question below it."
)

COMMANDS = tuple(
    name
    for argument in line_parser().arguments
    if isinstance(argument.choices, dict)
    for name in argument.choices
)


def test_all_options_of_a_cell() -> None:
    words = (
        "m --system S --temperature 0.5 --max-tokens 9 --top-p 0.9 --seed -3 --stop a --stop b "
        "--json-schema schema --keep-alive -1 --to result --raw --continue "
        "--tools a,b --tools c --tool-choice a --max-rounds 3 --no-think --effort low "
        "--allow read"
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
        "allow": "read",
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
        ("load", "NAME is missing."),
        ("load m --num 3", "There is no option --num."),
        ("load m n", "'n' is too much: %power load takes NAME. Quote values that contain spaces."),
        ("load m --keep", "There is no option --keep. Did you mean --keep-alive?"),
        (
            "load m -p num_ctx",
            "--param must have the form KEY=VALUE, such as num_ctx=4096, not 'num_ctx'.",
        ),
        ("load m --keep_alive 5m", "There is no option --keep_alive. Did you mean --keep-alive?"),
        ("search m --limit 0", "--limit must be an integer of at least 1, not '0'."),
        (
            "search m --sort like",
            "--sort must be 'downloads', 'likes', 'updated' or 'trending', not 'like'. Did you "
            "mean likes?",
        ),
        ("load m --keep-alive", "--keep-alive needs a value."),
        ("rm m --froce", "There is no option --froce. Did you mean --force?"),
        ("pull m --revison=x", "There is no option --revison. Did you mean --revision?"),
        ("register m p --format zip", "'huggingface' or 'remote', not 'zip'."),
        ("register m p --format ggfu", "Did you mean gguf?"),
        ("list x", "'x' is too much: %power list takes no arguments."),
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
        ("delete m", "There is no command 'delete'. Did you mean 'rm'?"),
        ("ls", "There is no command 'ls'. Did you mean 'list'?"),
        ("Pul m", "There is no command 'Pul'. Did you mean 'pull'?"),
        ("ask What is it", f"There is no command 'ask'. {ELSE}"),
        ("xyzzy m", f"There is no command 'xyzzy'. {ELSE}"),
        ("smol", f"There is no command 'smol'. {ELSE}"),
        ("-p a=1 load m", "Write the command before its options: %power COMMAND -p"),
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
    assert "For help: %power help %%power" in str(raised.value)


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
def test_help_of_each_command_has_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(HelpShown):
        show_help(command)
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: %power {command}")
    assert f"examples:\n  %power {command}" in shown
    assert re.search(r"\n\n[A-Z][^\n]*(\n[^\n]+)?\.\n\n", shown), "it says what the command does"
    assert not re.search(r"^  [A-Z]+$", shown, re.MULTILINE), "an argument without a description"
    for line in EXAMPLES[command].splitlines():
        words = shlex.split(line)
        assert words[:2] == ["%power", command]
        parse_line(words[1:])


def test_help_of_cells_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    parse_line(["help", "%%power"]).run(None, parse_line(["help", "%%power"]))
    shown = capsys.readouterr().out
    assert shown.startswith("usage: %%power [MODEL]")
    lines = [line for line in shown.splitlines() if line.startswith("  %%power ")]
    assert len(lines) > 3
    for line in lines:
        cell_parser().parse_args(shlex.split(line)[1:])


def test_other_names_are_those_of_commands() -> None:
    assert set(OTHER_NAMES.values()) <= {*COMMANDS, "search"}
    assert not set(OTHER_NAMES) & set(COMMANDS)


def test_a_mistyped_option_of_a_cell() -> None:
    message = "There is no option --temprature. Did you mean --temperature?"
    with pytest.raises(UsageError, match=message):
        cell_parser().parse_args(["m", "--temprature", "0.1"])


def test_every_command_has_a_function() -> None:
    for command in COMMANDS:
        words = shlex.split(EXAMPLES[command].splitlines()[0])
        assert callable(line_parser().parse_args(words[1:]).run)
