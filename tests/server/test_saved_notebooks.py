"""Test notebooks run by nbconvert and papermill.

They contain HTML and text instead of widgets, because they are viewed without a kernel."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from support.servers import Server, clean_environ, stop_pid

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
PREPARE = """
%load_ext a3s_power_jupyter
import a3s_power_jupyter as power
client = power.connect()
client.register(model, path, overwrite=True)
client.server.pid
"""
LOAD = "%power load {model}"
TABLE = "%power models"
CHAT = "chat = client.chat_widget(model)\nchat"
ANSWER = """
chat.messages = [{"role": "user", "content": "<b>What</b> is it?"}]
chat
"""


def run(*command: str, environ: dict[str, str], folder: Path) -> str:
    """Run a Python module and return its stderr, where both programs write their log."""
    done = subprocess.run(
        [sys.executable, "-m", *command], env=environ, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return done.stderr


def write(path: Path, *sources: str) -> None:
    """Write a notebook with the parameters in its first cell."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata.tags = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


@pytest.fixture(params=["a server", "no server"])
def environ(
    request: pytest.FixtureRequest, server: Server, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """Environment with and without a running notebook server."""
    has_server = request.param == "a server"
    runtime_dir = server.runtime_dir if has_server else tmp_path / "runtime"
    yield clean_environ(tmp_path, tmp_path / "power", runtime_dir)
    if not has_server:
        (file,) = runtime_dir.glob("a3s-power-*.json")
        stop_pid(json.loads(file.read_text())["pid"])


def test_papermill_with_and_without_a_server(
    environ: dict[str, str], tmp_path: Path, smollm2_path: Path
) -> None:
    write(tmp_path / "in.ipynb", "model = path = ''", PREPARE, LOAD, TABLE, CHAT, ANSWER)
    parameters = ["-p", "model", "of-papermill", "-p", "path", str(smollm2_path)]
    run("papermill", "in.ipynb", "out.ipynb", *parameters, environ=environ, folder=tmp_path)

    done = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    nbformat.validate(done)
    bundles = [output.data for cell in done.cells for output in cell.outputs if "data" in output]
    assert not any(VIEW in bundle for bundle in bundles)
    assert STATE not in done.metadata.get("widgets", {})
    *_, table, chat, answer = bundles
    assert set(table) == set(chat) == {"text/html", "text/plain"}
    assert 'scope="row" style="text-align: left">of-papermill</th>' in table["text/html"]
    assert '<td style="text-align: left">loaded</td>' in table["text/html"]
    assert "of-papermill" in table["text/plain"]
    assert "Chat with of-papermill" in chat["text/html"]
    assert "&lt;b&gt;What&lt;/b&gt; is it?" in answer["text/html"]

    run("nbconvert", "--to", "markdown", "out.ipynb", environ=environ, folder=tmp_path)
    text = (tmp_path / "out.md").read_text()
    assert 'scope="row" style="text-align: left">of-papermill</th>' in text
    assert '<td style="text-align: left">loaded</td>' in text


def test_nbconvert(server: Server, smollm2: str, tmp_path: Path) -> None:
    environ = clean_environ(tmp_path, tmp_path, server.runtime_dir)
    parameters = f"model = {smollm2!r}"
    connect = "import a3s_power_jupyter as power\nclient = power.connect()\nclient.table()"
    write(tmp_path / "page.ipynb", parameters, connect, CHAT)
    run(*("nbconvert", "--execute", "--to", "html", "page.ipynb"), environ=environ, folder=tmp_path)
    page = (tmp_path / "page.html").read_text()
    assert f'scope="row" style="text-align: left">{smollm2}</th>' in page
    assert '<td style="text-align: left">gguf Q4_1</td>' in page
    assert "loaded</td>" in page
    assert f"Chat with {smollm2}" in page
    assert VIEW not in page
    assert STATE not in page
