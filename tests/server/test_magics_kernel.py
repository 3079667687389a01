"""The magics in a real kernel of a real server, with the real model."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from support.kernel_cells import Cell, Kernel
from support.servers import Server, run_server

QUESTION = "What is the capital city of France? Answer in one short English sentence."
LONG = "Write a very long story about a lighthouse keeper and the sea."


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose models are no other test's."""
    with run_server(
        tmp_path_factory.mktemp("magics"), "--ServerApp.base_url=/user/ada/"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def kernel(own_server: Server) -> Iterator[Kernel]:
    with Kernel(own_server) as running:
        assert running.run("%load_ext a3s_power_jupyter").status == "ok"
        yield running


@pytest.fixture(scope="module")
def model(kernel: Kernel, smollm2_path: Path) -> str:
    """Registered by a path that is relative to the kernel's directory."""
    cell = kernel.run(
        f"import os; os.chdir({str(smollm2_path.parent)!r})\n"
        f"%power register smollm2 {smollm2_path.name} -p num_ctx=2048"
    )
    assert cell.status == "ok", cell.stderr
    return "smollm2"


def state_of(server: Server, name: str) -> str:
    with server.api() as api:
        state: str = api.get(f"v1/models/{name}").json()["state"]
        return state


def wait_for(server: Server, state: str) -> None:
    """Far less than the generation of 2000 tokens takes."""
    deadline = time.monotonic() + 5
    while state_of(server, "smollm2") != state:
        assert time.monotonic() < deadline, f"smollm2 is {state_of(server, 'smollm2')}"
        time.sleep(0.02)


def test_the_kernel_finds_the_server_that_started_it(kernel: Kernel, own_server: Server) -> None:
    cell = kernel.run("%power")
    assert cell.status == "ok", cell.stderr
    assert f"{own_server.url} (the server that started this kernel)" in cell.texts("text/plain")[0]


def test_register_list_and_show_in_both_forms(kernel: Kernel, model: str) -> None:
    listing = kernel.run("%power list")
    (text,) = listing.texts("text/plain")
    assert text.splitlines()[1].split()[:5] == ["smollm2", "gguf", "Q4_1", "98.4", "MB"]
    (markdown,) = listing.texts("text/markdown")
    assert markdown.startswith("| Name | Format | Size | Parameters | Context | State |\n")
    (details,) = kernel.run("%power show smollm2").texts("text/plain")
    assert "Defaults    num_ctx=2048" in details


def test_a_big_file_is_announced_before_it_is_hashed(kernel: Kernel, tmp_path: Path) -> None:
    big = tmp_path / "big.gguf"
    with big.open("wb") as file:
        file.truncate(600_000_000)
    cell = kernel.run(f"%power register big {big}")
    assert cell.texts("text/plain") == ["Hashing big.gguf (600 MB) once; this takes a while."]
    assert "UsageError" in cell.stderr


def test_load_shows_its_progress_in_one_place(kernel: Kernel, model: str) -> None:
    kernel.run("%power unload smollm2")
    cell = kernel.run("%power load smollm2 --keep-alive 10m")
    assert cell.status == "ok", cell.stderr
    shown = cell.texts("text/markdown")
    assert shown[0].startswith("Loading smollm2: ")
    assert shown[-1].startswith("Loaded smollm2 in ")
    assert "expires in 10 min" in shown[-1]
    assert len({o["content"]["transient"]["display_id"] for o in cell.outputs}) == 1
    (processes,) = kernel.run("%power ps").texts("text/plain")
    assert processes.splitlines()[1].split()[:2] == ["smollm2", "loaded,"]


def test_an_answer_streams_into_one_display_and_a_variable(kernel: Kernel, model: str) -> None:
    kernel.run("country = {'name': 'France'}")
    question = QUESTION.replace("France", "{country[name]}")
    cell = kernel.run(f"%%power smollm2 --temperature 0\n{question}")
    assert cell.status == "ok", cell.stderr
    kinds = [o["msg_type"] for o in cell.outputs]
    assert kinds[0] == "display_data"
    assert set(kinds[1:]) == {"update_display_data"}
    assert len({o["content"]["transient"]["display_id"] for o in cell.outputs}) == 1
    shown = cell.texts("text/markdown")
    assert "Paris" in shown[-1]
    assert shown == cell.texts("text/plain")
    said = kernel.run(
        "print(answer, answer.finish_reason, answer.usage.completion_tokens, sep='|')"
    )
    text, reason, tokens = said.stdout.strip().split("|")
    assert text == shown[-1]
    assert reason == "stop"
    assert 3 < int(tokens) < 40


def test_the_display_is_updated_while_the_model_writes(kernel: Kernel, model: str) -> None:
    cell = kernel.run(f"%%power smollm2 --max-tokens 60 --seed 1\n{LONG}")
    shown = cell.texts("text/markdown")
    assert len(shown) >= 3
    for before, after in pairwise(shown):
        assert after.startswith(before)
        assert after != before
    assert shown[-1].endswith("*(cut off at the length limit)*")
    kept = kernel.run("print(repr(answer.text), answer.finish_reason)").stdout
    assert kept == f"{shown[-1].partition(chr(10) * 2 + '*(cut')[0]!r} length\n"


def test_an_interrupt_stops_the_generation_and_keeps_what_came(
    kernel: Kernel, model: str, own_server: Server
) -> None:
    cell = kernel.start(f"%%power smollm2 --max-tokens 2000 --seed 1 --to story\n{LONG}")
    done = Cell()
    for message in kernel.outputs(cell):
        done.outputs.append(message)
        if len(done.outputs) == 3:
            assert state_of(own_server, "smollm2") == "busy"
            kernel.interrupt()
    done.status = kernel.reply(cell)["content"]["status"]
    assert done.status == "ok"
    assert not done.tracebacks
    assert done.stderr == ""
    *_, last = done.texts("text/markdown")
    assert last.endswith("*(stopped)*")
    kept = kernel.run("print(story.finish_reason, story.usage, len(story))").stdout.split()
    assert kept[:2] == ["interrupted", "None"]
    assert int(kept[2]) > 10
    wait_for(own_server, "loaded")


def test_an_interrupt_of_the_client_raises_and_stops_the_generation(
    kernel: Kernel, model: str, own_server: Server
) -> None:
    cell = kernel.start(
        "import a3s_power_jupyter as power\n"
        "client = power.connect()\n"
        f"client.chat('smollm2', {LONG!r}, max_tokens=2000)"
    )
    wait_for(own_server, "busy")
    kernel.interrupt()
    assert kernel.finish(cell).status == "error"
    wait_for(own_server, "loaded")
    assert kernel.run("print(client.health().status)").stdout == "ok\n"


def test_a_conversation_goes_on(kernel: Kernel, model: str) -> None:
    kernel.run("%%power smollm2 --temperature 0 --max-tokens 8\nMy name is Zebulon. Say hello.")
    cell = kernel.run(
        "%%power smollm2 --temperature 0 --max-tokens 16 --continue\nWhat is my name?"
    )
    assert "Zebulon" in cell.texts("text/markdown")[-1]
    cached = kernel.run("print(answer.usage.cached_tokens > 20)")
    assert cached.stdout == "True\n"


def test_options_reach_the_model(kernel: Kernel, model: str) -> None:
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
        kernel.run(f"%%power --seed 7 --max-tokens 12\n{LONG}").texts("text/plain")[-1]
        for _ in range(2)
    ]
    assert same[0] == same[1]


def test_undefined_names_are_noted_and_raw_leaves_all(kernel: Kernel, model: str) -> None:
    kernel.run("name = 'x'")
    noted = kernel.run('%%power --max-tokens 3\nRepeat {nobody} and {"a": 1}')
    note = "{nobody} is sent as it is: there is no variable nobody."
    assert noted.texts("text/plain")[0] == note
    raw = kernel.run("%%power --max-tokens 3 --raw\nRepeat {nobody} {name}")
    assert note not in raw.texts("text/plain")


def test_doctor(kernel: Kernel, own_server: Server) -> None:
    cell = kernel.run("%power doctor")
    assert cell.status == "ok", cell.stderr
    (text,) = cell.texts("text/plain")
    for words in (own_server.url, str(own_server.home), "Device CPU", "Engine llama.cpp"):
        assert words in text


def test_pin_use_gc_and_rm(kernel: Kernel, model: str, smollm2_path: Path) -> None:
    assert kernel.run("%power pin smollm2").status == "ok"
    assert "pinned" in kernel.run("%power ps").texts("text/plain")[0]
    assert kernel.run("%power unpin smollm2").status == "ok"
    assert kernel.run("%power register second " + str(smollm2_path)).status == "ok"
    ambiguous = kernel.run("%%power\nHello")
    assert "There are: second, smollm2." in ambiguous.stderr
    assert kernel.run("%power use second").texts("text/plain") == ["%%power asks second."]
    assert kernel.run("%power use nobody").status == "error"
    removed = kernel.run("%power rm second").texts("text/plain")[0]
    assert removed == "second is forgotten; its file stays where it is."
    assert smollm2_path.exists()
    assert kernel.run("%power use").texts("text/plain") == ["%%power asks smollm2."]
    assert kernel.run("%power gc").texts("text/plain") == ["Nothing is left over."]


def test_the_openai_client_is_ready(kernel: Kernel, model: str) -> None:
    cell = kernel.run(
        "openai = client.openai()\n"
        "done = openai.chat.completions.create(model='smollm2', temperature=0,\n"
        f"    messages=[{{'role': 'user', 'content': {QUESTION!r}}}])\n"
        "print(done.choices[0].message.content)"
    )
    assert "Paris" in cell.stdout


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("%power lod", "invalid choice: 'lod'"),
        ("%power load nobody", "nobody"),
        ("%power load smollm2 -p num_ctx=1", "num_ctx"),
        ("%power show ../etc/passwd", "UsageError"),
        ("%power register x /nowhere/model.gguf", "/nowhere/model.gguf"),
        ("%power register x /etc/passwd", "GGUF"),
        ("%power register x / --format gguf", "UsageError"),
        ("%power register smollm2 x -p temperature=hot", "temperature"),
        ("%power register x --upstream-url http://127.0.0.1:1/v1", "--upstream-model"),
        ('%power show "x', "No closing quotation"),
        ("%%power nobody\nHello", "nobody"),
        ("%%power smollm2\n  \n", "asks nothing"),
        ("%%power smollm2 --to 1x\nHello", "no name of a variable"),
        ("%%power smollm2 --to class\nHello", "no name of a variable"),
        ("%%power smollm2 --json-schema nothing\nHello", "holds a dict"),
        ("%%power smollm2 --temperature -1\nHello", "temperature"),
        ("%%power smollm2 --keep-alive soon\nHello", "soon"),
        ("%%power other --continue\nHello", "no conversation with other"),
        ("name = 'x'\nget_ipython().run_cell_magic('power', '', '{name.nope}')", "AttributeError"),
        ("get_ipython().run_cell_magic('power', 'smollm2', 'word ' * 3000)", "context"),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    kernel: Kernel, model: str, code: str, message: str
) -> None:
    cell = kernel.run(code)
    assert cell.status == "error"
    assert cell.stderr.startswith("UsageError: ")
    assert message in cell.stderr
    assert not cell.tracebacks
    assert "Traceback" not in cell.stderr


def test_a_worker_that_dies_is_a_usage_error_and_the_next_cell_works(
    kernel: Kernel, model: str, own_server: Server
) -> None:
    cell = kernel.start(f"%%power smollm2 --max-tokens 2000 --seed 1\n{LONG}")
    done = Cell()
    for message in kernel.outputs(cell):
        done.outputs.append(message)
        if len(done.outputs) == 3:
            workers = [
                p
                for p in psutil.Process(own_server.pid).children()
                if "a3s_power_jupyter.engine" in " ".join(p.cmdline())
            ]
            assert len(workers) == 1
            workers[0].kill()
    assert kernel.reply(cell)["content"]["status"] == "error"
    assert done.stderr.startswith("UsageError: ")
    assert "SIGKILL" in done.stderr
    again = kernel.run(f"%%power smollm2 --temperature 0\n{QUESTION}")
    assert "Paris" in again.texts("text/markdown")[-1]


def test_tab(kernel: Kernel, model: str) -> None:
    assert kernel.complete("%power loa") == ["%power load"]
    assert kernel.complete("%power load sm") == ["%power load smollm2"]
    assert kernel.complete("%%power smol") == ["%%power smollm2"]
    assert "%%power smollm2 --temperature" in kernel.complete("%%power smollm2 --te")


def test_reloading_the_extension_changes_nothing(kernel: Kernel, model: str) -> None:
    assert kernel.run("%reload_ext a3s_power_jupyter").status == "ok"
    assert kernel.complete("%power unl") == ["%power unload"]
    assert kernel.run("%power list").status == "ok"
    kernel.run("%unload_ext a3s_power_jupyter")
    assert "not found" in kernel.run("%power list").stderr
    assert kernel.run("%load_ext a3s_power_jupyter").status == "ok"
