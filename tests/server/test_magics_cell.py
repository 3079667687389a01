"""Test ``%%power`` in a kernel of a server, with a real model."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import psutil

from support.kernel_cells import Cell, Kernel
from support.servers import Server
from support.waiting import wait_until

QUESTION = "What is the capital city of France? Answer in one short English sentence."
LONG = "Write a very long story about a lighthouse keeper and the sea."
LINE = re.compile(
    r"(?P<interrupted>interrupted · )?"
    r"(?P<tokens>\d+) tokens · <?\d+(\.\d)? tokens/s · <?\d+(\.\d)? s to first token · "
    r"((?P<cached>\d+) of )?\d+ prompt tokens( cached)?"
)


def state_of(server: Server, name: str) -> str:
    with server.api() as api:
        state: str = api.get(f"v1/models/{name}").json()["state"]
        return state


def answer_of(shown: str) -> str:
    """Return the text above the line with the tokens and the speed."""
    answer, _, line = shown.rpartition("\n\n")
    assert LINE.fullmatch(line), shown
    return answer


def wait_for(server: Server, state: str) -> None:
    """Wait until smollm2 has this state, for much less time than 2000 tokens take."""
    wait_until(lambda: state_of(server, "smollm2") == state, 10)


def test_an_answer_streams_into_one_display_and_a_variable(kernel: Kernel) -> None:
    kernel.run("country = {'name': 'France'}")
    question = QUESTION.replace("France", "{country[name]}")
    cell = kernel.run(f"%%power smollm2 --temperature 0\n{question}")
    assert cell.status == "ok", cell.stderr
    kinds = [o["msg_type"] for o in cell.outputs]
    assert kinds[0] == "display_data"
    assert set(kinds[1:]) == {"update_display_data"}
    assert len({o["content"]["transient"]["display_id"] for o in cell.outputs}) == 1
    answer, line = cell.texts("text/plain")[-1].split("\n\n")
    assert "Paris" in answer
    markup = cell.texts("text/html")[-1]
    assert markup.startswith(f'<p dir="auto">{answer}</p>')
    assert f">{line}</small>" in markup
    assert not cell.texts("text/markdown")
    printed = kernel.run(
        "print(answer, answer.finish_reason, answer.usage.completion_tokens, sep='|')"
    )
    text, reason, tokens = printed.stdout.strip().split("|")
    assert text == answer
    assert reason == "stop"
    assert 3 < int(tokens) < 40
    counts = LINE.fullmatch(line)
    assert counts, line
    assert counts["tokens"] == tokens


def test_the_display_is_updated_during_the_generation(kernel: Kernel) -> None:
    cell = kernel.run(f"%%power smollm2 --max-tokens 60 --seed 1\n{LONG}")
    shown = cell.texts("text/plain")
    assert len(shown) >= 3
    for before, after in pairwise(shown):
        assert after.startswith(before)
        assert after != before
    answer, notice = answer_of(shown[-1]).rsplit("\n\n", 1)
    assert notice == "*(cut off at the length limit)*"
    stored = kernel.run("print(repr(answer.text), answer.finish_reason)").stdout
    assert stored == f"{answer!r} length\n"


def interrupt_at(kernel: Kernel, cell: str, count: int, *, times: int = 1) -> Cell:
    """Interrupt a started cell at its output number `count`, and return it with its status."""
    result = Cell()
    for message in kernel.outputs(cell):
        result.outputs.append(message)
        if len(result.outputs) == count:
            for _ in range(times):
                kernel.interrupt()
    reply = kernel.reply(cell)["content"]
    assert reply["ename"] == "KeyboardInterrupt"
    result.status = reply["status"]
    return result


def test_an_interrupt_keeps_the_text_and_ends_run_all(
    kernel: Kernel, kernel_server: Server
) -> None:
    kernel.run("%power load smollm2")  # whose progress is an output, too
    cell = kernel.start(f"%%power smollm2 --max-tokens 2000 --seed 1 --to story\n{LONG}")
    queued = [kernel.start("ran = True"), kernel.start("%power list")]
    result = interrupt_at(kernel, cell, 3, times=2)  # the second one changes nothing
    assert result.status == "error"
    assert [kernel.reply(other)["content"]["status"] for other in queued] == ["aborted"] * 2
    assert [o["content"]["traceback"] for o in result.outputs if o["msg_type"] == "error"] == [
        ["Interrupted. story has the answer so far."]
    ]
    assert result.stderr == ""
    *_, last = result.texts("text/plain")
    assert answer_of(last).endswith("*(stopped)*")
    line = LINE.search(last)
    assert line
    assert line["interrupted"]
    stored = kernel.run("print(story.finish_reason, story.usage.completion_tokens, len(story))")
    reason, tokens, length = stored.stdout.split()
    assert (reason, tokens) == ("interrupted", line["tokens"])
    assert int(length) > 10
    wait_for(kernel_server, "loaded")
    going_on = kernel.run("%%power smollm2 --continue --max-tokens 4\nGo on.")
    assert going_on.status == "ok", going_on.stderr


def test_the_progress_in_a_long_prompt_is_shown_and_can_be_interrupted(
    kernel: Kernel, kernel_server: Server
) -> None:
    kernel.run("text = 'The sea was calm, and the keeper slept. ' * 600")
    kernel.run("%power load smollm2 -p num_ctx=8192")
    result = interrupt_at(kernel, kernel.start("%%power smollm2 --to summary\nSum up: {text}"), 1)
    assert result.errors == ["Interrupted before the first word. summary is empty."]
    shown = result.texts("text/plain")
    assert re.fullmatch(r"Reading the prompt: \d+(,\d+)? of \d,\d+ tokens", shown[0])
    total = shown[0].split()[-2]
    notice, line = shown[-1].split("\n\n")
    assert notice == "*(stopped)*"
    assert re.fullmatch(rf"interrupted · 0 tokens in .* s · {total} prompt tokens", line)
    assert kernel.run("print(summary.finish_reason)").stdout == "interrupted\n"
    wait_for(kernel_server, "loaded")
    kernel.run("%power unload smollm2")  # the next load has the registered context


def test_interrupting_the_client_stops_the_generation(
    kernel: Kernel, kernel_server: Server
) -> None:
    cell = kernel.start(
        "import a3s_power_jupyter as power\n"
        "client = power.connect()\n"
        f"client.chat('smollm2', {LONG!r}, max_tokens=2000)"
    )
    wait_for(kernel_server, "busy")
    kernel.interrupt()
    result = kernel.finish(cell)
    assert result.status == "error"
    (error,) = (o["content"] for o in result.outputs if o["msg_type"] == "error")
    assert error["ename"] == "KeyboardInterrupt"
    (line,) = error["traceback"]
    assert line.startswith("Interrupted at line 3: client.chat('smollm2', ")
    wait_for(kernel_server, "loaded")
    assert kernel.run("print(client.health().status)").stdout == "ok\n"


def test_an_error_in_a_cell_shows_the_cell_but_not_the_client(kernel: Kernel) -> None:
    kernel.run("import a3s_power_jupyter as power\nclient = power.connect()")
    cell = kernel.run("def ask():\n    client.show('nobody')\nask()")
    assert cell.status == "error"
    (error,) = (o["content"] for o in cell.outputs if o["msg_type"] == "error")
    assert error["ename"] == "ModelNotFound"
    shown = plain("\n".join(error["traceback"]))
    assert "ask()" in shown
    assert "client.show('nobody')" in shown
    assert shown.splitlines()[-1].startswith("ModelNotFound: There is no model 'nobody'")
    assert "a3s_power_jupyter/client" not in shown
    (whole,) = (o["content"] for o in kernel.run("%tb").outputs if o["msg_type"] == "error")
    assert "connection.py" in plain("\n".join(whole["traceback"]))
    assert kernel.run("%power show nobody").stderr.startswith("UsageError: There is no model")
    assert "connection.py" in plain(kernel.run("%power traceback").stdout)


def plain(text: str) -> str:
    """Return a traceback without colors."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_continue_a_conversation(kernel: Kernel) -> None:
    kernel.run("%%power smollm2 --temperature 0 --max-tokens 8\nMy name is Zebulon. Say hello.")
    cell = kernel.run(
        "%%power smollm2 --temperature 0 --max-tokens 16 --continue\nWhat is my name?"
    )
    *_, shown = cell.texts("text/plain")
    assert "Zebulon" in answer_of(shown)
    line = LINE.search(shown)
    assert line
    assert int(line["cached"]) > 20
    assert kernel.run("print(answer.usage.cached_tokens)").stdout == f"{line['cached']}\n"


def test_options_are_sent_to_the_model(kernel: Kernel) -> None:
    kernel.run(
        "schema = {'type': 'object', 'properties': {'n': {'type': 'integer'}},"
        "'required': ['n'], 'additionalProperties': False}"
    )
    cell = kernel.run("%%power --temperature 0 --json-schema schema --to data\nHow much is 1 + 1?")
    assert cell.status == "ok", cell.stderr
    assert set(json.loads(kernel.run("print(data)").stdout)) == {"n"}
    kernel.run("%%power --temperature 0 --stop France --to cut\n" + QUESTION)
    assert "France" not in kernel.run("print(cut)").stdout
    same = [
        answer_of(kernel.run(f"%%power --seed 7 --max-tokens 12\n{LONG}").texts("text/plain")[-1])
        for _ in range(2)
    ]
    assert same[0] == same[1]


def test_an_option_out_of_range_is_an_error_before_the_model_is_loaded(
    kernel: Kernel, kernel_server: Server
) -> None:
    kernel.run("%power unload smollm2")
    for option, reason in (
        ("--max-tokens 0", "--max-tokens must be at least 1, not 0."),
        ("--temperature 3", "--temperature must be between 0 and 2, not 3."),
        ("--stop ''", "--stop must not be empty."),
        ("--stop a --stop ''", "--stop number 2 must not be empty."),
        ("--max-rounds 0", "--max-rounds must be at least 1, not 0."),
        ("--keep-alive soon", "--keep-alive must be a duration, not 'soon'."),
    ):
        cell = kernel.run(f"%%power smollm2 {option}\nHello")
        assert cell.stderr.startswith(f"UsageError: {reason}"), cell.stderr
    assert state_of(kernel_server, "smollm2") == "unloaded"


def test_undefined_names_are_reported_unless_raw(kernel: Kernel) -> None:
    kernel.run("name = 'x'")
    cell = kernel.run('%%power --max-tokens 3\nRepeat {nobody} and {"a": 1}')
    note = "Not defined in this notebook and left unchanged: {nobody}"
    assert cell.texts("text/plain")[0] == note
    raw = kernel.run("%%power --max-tokens 3 --raw\nRepeat {nobody} {name}")
    assert note not in raw.texts("text/plain")


def test_a_killed_worker_is_a_usage_error_and_the_next_cell_works(
    kernel: Kernel, kernel_server: Server
) -> None:
    cell = kernel.start(f"%%power smollm2 --max-tokens 2000 --seed 1\n{LONG}")
    result = Cell()
    for message in kernel.outputs(cell):
        result.outputs.append(message)
        if len(result.outputs) == 3:
            workers = [
                p
                for p in psutil.Process(kernel_server.pid).children()
                if "a3s_power_jupyter.engine" in " ".join(p.cmdline())
            ]
            assert len(workers) == 1
            workers[0].kill()
    assert kernel.reply(cell)["content"]["status"] == "error"
    assert result.stderr.startswith("UsageError: ")
    assert "SIGKILL" in result.stderr
    again = kernel.run(f"%%power smollm2 --temperature 0\n{QUESTION}")
    assert "Paris" in again.texts("text/plain")[-1]
