"""Test ``%power pull`` and related commands in a kernel and a terminal, with the test hub."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.hub_server import HubServer, run_hub
from support.kernel_cells import Kernel
from support.servers import Server, clean_environ, run_server
from support.waiting import wait_until

pexpect = pytest.importorskip("pexpect", reason="IPython has it where there are terminals")

TOKEN = "hf_secret_of_the_tests"
NAME = "tests/Model-GGUF:Q4_1"
WIDGET = "application/vnd.jupyter.widget-view+json"
PROMPT = r"In \[\d+\]: "


@pytest.fixture(scope="module")
def hub(smollm2_path: Path) -> Iterator[HubServer]:
    with run_hub() as running:
        running.add("tests/Model-GGUF", {"model-Q4_1.gguf": smollm2_path})
        running.add("tests/Gated-GGUF", {"m-Q4_1.gguf": b"GGUF"}, gated=True, readers=(TOKEN,))
        yield running


@pytest.fixture(scope="module")
def server(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("magics")
    environ = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "", "HF_HUB_DISABLE_XET": "1"}
    with run_server(folder, environ=environ) as running:
        yield running


@pytest.fixture(scope="module")
def kernel(server: Server) -> Iterator[Kernel]:
    with Kernel(server) as running:
        assert running.run("%load_ext a3s_power_jupyter").status == "ok"
        yield running


@pytest.fixture(autouse=True)
def _clean(hub: HubServer, server: Server) -> Iterator[None]:
    yield
    hub.clear_failures()
    with server.api() as api:
        api.delete(f"v1/models/pull/{NAME}")
        api.delete(f"v1/models/{NAME}?force=true")


def widget_statuses(messages: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the statuses of the pull that the widget received."""
    for message in messages:
        content = message["content"]
        if message["msg_type"] == "comm_msg" and content["data"]["method"] == "update":
            status = content["data"]["state"].get("status")
            if status:
                yield status


def test_search_shows_tables_and_how_to_go_on(kernel: Kernel) -> None:
    cell = kernel.run("%power search Model")
    assert cell.status == "ok", cell.stderr
    [text], [html] = cell.texts("text/plain"), cell.texts("text/html")
    assert "tests/Model-GGUF" in text
    assert "%power search tests/Model-GGUF shows" in text
    assert "<table>" in html
    cell = kernel.run("%power search tests/Model-GGUF --num-ctx 2048")
    [text] = cell.texts("text/plain")
    assert "Memory with 2048 tokens" in text
    assert text.endswith(f"Download it: %power pull {NAME}")
    assert kernel.complete("%power pull tests/") == [f"%power pull {NAME}"]
    cell = kernel.run("%power search tests/Missing")
    assert cell.status == "error"
    assert "no public model 'tests/Missing'" in cell.stderr + "".join(cell.errors)


def test_one_widget_shows_the_whole_pull(hub: HubServer, kernel: Kernel) -> None:
    hub.fail("model-Q4_1.gguf", times=None, rate=20_000_000)
    cell = kernel.run(f"%power pull {NAME}")
    assert cell.status == "ok", cell.stderr
    displays = [o for o in cell.outputs if "display" in o["msg_type"]]
    assert [o["msg_type"] for o in displays] == ["display_data", "update_display_data"]
    assert len({o["content"]["transient"]["display_id"] for o in displays}) == 1
    assert len({view["model_id"] for view in cell.texts(WIDGET)}) == 1
    statuses = [*widget_statuses(cell.outputs)]
    assert any(s["phase"] == "downloading" and s.get("bytes_per_second", 0) > 0 for s in statuses)
    assert statuses[-1]["status"] == "done"
    # The output in a saved notebook.
    last, line = cell.texts("text/html")[-1], cell.texts("text/plain")[-1]
    assert f'<strong dir="auto">{NAME}</strong>' in last
    assert '<progress aria-label="Pull of ' in last
    assert line == f"{NAME}: done, 98.4 MB"
    again = kernel.run(f"%power pull {NAME}")
    (output,) = again.texts("text/plain")
    assert "Use --force to verify it" in output
    (table,) = kernel.run("%power pulls").texts("text/plain")
    assert table.splitlines()[1].split()[:2] == [NAME, "done"]


def test_an_interrupt_pauses_and_the_same_cell_resumes(
    hub: HubServer, kernel: Kernel, server: Server
) -> None:
    hub.fail("model-Q4_1.gguf", times=None, rate=4_000_000)
    running = kernel.start(f"%power pull {NAME}")
    for status in widget_statuses(kernel.outputs(running)):
        if status.get("phase") == "downloading" and status["completed"]:
            break
    kernel.interrupt()
    cell = kernel.finish(running)
    assert cell.status == "error"
    assert cell.stderr == ""
    assert f"{NAME}: paused" in cell.texts("text/plain")[-1]
    (line,) = cell.errors
    assert line.startswith(f"Interrupted. The pull of {NAME} is paused. Run this cell again to ")
    assert f"%power cancel {NAME}" in line
    with server.api() as api:
        paused = api.get(f"v1/models/pull/{NAME}/status").json()
    assert (paused["status"], paused["completed"] > 0) == ("paused", True)
    hub.clear_failures()
    cell = kernel.run(f"%power pull {NAME}")
    assert cell.status == "ok", cell.stderr
    assert ": done, " in cell.texts("text/plain")[-1]


def test_background_pulls_pause_and_cancel(hub: HubServer, kernel: Kernel) -> None:
    hub.fail("model-Q4_1.gguf", times=None, rate=2_000_000)
    (output,) = kernel.run(f"%power pull {NAME} --background").texts("text/plain")
    assert output.startswith(f"{NAME} is resolving")
    wait_until(lambda: "downloading" in kernel.run("%power pulls").texts("text/plain")[0])
    (output,) = kernel.run(f"%power pause {NAME}").texts("text/plain")
    assert f"{NAME} is paused (" in output
    assert f"Use %power pull {NAME} to resume." in output
    assert kernel.complete("%power cancel tests/") == [f"%power cancel {NAME}"]
    (output,) = kernel.run(f"%power cancel {NAME}").texts("text/plain")
    assert f"{NAME} is cancelled" in output
    assert "There is no pull of" in kernel.run("%power pause tests/other").stderr


def test_failures_and_tokens(kernel: Kernel) -> None:
    cell = kernel.run("%power pull tests/Model-GGUF:Q8_0")
    assert cell.stderr.startswith("UsageError: ")
    assert f"\n    %power pull {NAME}\n" in cell.stderr  # the available quantization
    assert cell.errors == []
    assert "failed" in cell.texts("text/plain")[-1]
    assert "UsageError" in kernel.run("%power pull tests/Gated-GGUF:Q4_1").stderr
    cell = kernel.run(f"%power pull tests/Gated-GGUF:Q4_1 --token {TOKEN}")
    assert "The token is now in this notebook" in cell.texts("text/plain")[0]
    assert "GGUF" in cell.stderr  # the token gives access, but the file is not a model
    assert TOKEN not in cell.stderr


def test_login_without_input(kernel: Kernel) -> None:
    cell = kernel.run("get_ipython().kernel._allow_stdin = False\n%power login")
    assert "hf auth login" in cell.stderr


@pytest.fixture
def terminal(hub: HubServer, server: Server, tmp_path: Path) -> Iterator[pexpect.spawn]:
    environ = clean_environ(tmp_path, tmp_path, server.runtime_dir)
    environ |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": ""}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor"],
        env=environ | {"TERM": "dumb"},
        timeout=120,
        encoding="utf-8",
        echo=False,
        dimensions=(24, 70),
    )
    child.expect(PROMPT)
    child.sendline("%load_ext a3s_power_jupyter")
    child.expect(PROMPT)
    yield child
    child.sendline("exit")
    child.expect(pexpect.EOF)
    child.close()


def test_in_a_terminal(terminal: pexpect.spawn, hub: HubServer) -> None:
    hub.fail("model-Q4_1.gguf", times=None, rate=20_000_000)
    terminal.sendline(f"%power pull {NAME}")
    terminal.expect(PROMPT)
    lines = terminal.before.split("\r\x1b[K")
    assert all("\n" not in line.rstrip("\r\n") for line in lines[1:])
    assert all(len(line.rstrip("\r\n")) < 70 for line in lines[1:])
    assert lines[-1].startswith(f"{NAME}: done, ")
    assert any(f"{NAME}: downloading" in line for line in lines)


def test_login_in_a_terminal(terminal: pexpect.spawn, tmp_path: Path) -> None:
    terminal.sendline("%power login")
    terminal.expect("Token of the Hugging Face Hub: ")
    terminal.sendline("hf_wrong")
    terminal.expect(PROMPT)
    assert "UsageError: The hub did not accept the token" in terminal.before
    assert "hf_wrong" not in terminal.before
    terminal.sendline("%power login")
    terminal.expect("Token of the Hugging Face Hub: ")
    terminal.sendline(TOKEN)
    terminal.expect(PROMPT)
    assert "Login successful." in terminal.before
    assert TOKEN not in terminal.before
    assert (tmp_path / "hf" / "token").read_text() == TOKEN
    history = tmp_path / "ipython" / "profile_default" / "history.sqlite"
    assert TOKEN.encode() not in history.read_bytes()
