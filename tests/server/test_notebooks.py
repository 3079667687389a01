"""Run each notebook from top to bottom in a kernel of a real server, with the real model."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from support.hub_server import HubServer, run_hub
from support.kernel_cells import Cell, Kernel
from support.paths import NOTEBOOKS
from support.servers import Server, remove_models, run_server

#: The file that the notebooks pull from the hub: another model of nearly its size.
REPOSITORY = "bartowski/SmolLM2-135M-Instruct-GGUF"
FILE = "SmolLM2-135M-Instruct-Q4_K_M.gguf"


@pytest.fixture(scope="module")
def hub(smollm2_path: Path) -> Iterator[HubServer]:
    with run_hub() as running:
        running.add(REPOSITORY, {FILE: smollm2_path})
        yield running


@pytest.fixture(scope="module")
def shared(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose kernels find matplotlib's list of fonts, which takes seconds to make."""
    folder = tmp_path_factory.mktemp("notebooks")
    environ = {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": "",
        "HF_HUB_DISABLE_XET": "1",
        "MPLCONFIGDIR": str(folder / "matplotlib"),
    }
    command = [sys.executable, "-c", "import matplotlib.font_manager"]
    subprocess.run(command, check=True, env=os.environ | environ)
    with run_server(folder, environ=environ) as running:
        yield running


@pytest.fixture
def server(shared: Server, hub: HubServer) -> Iterator[Server]:
    """The shared server without models and pulls."""
    yield shared
    hub.clear_failures()
    remove_models(shared)


def run_notebook(name: str, server: Server) -> dict[str, Cell]:
    """Run a notebook and return its code cells by their ids."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    done: dict[str, Cell] = {}
    with Kernel(server) as kernel:
        for cell in notebook.cells:
            if cell.cell_type == "code":
                done[cell.id] = kernel.run(cell.source)
                raises = "raises-exception" in cell.metadata.get("tags", ())
                status = "error" if raises else "ok"
                assert done[cell.id].status == status, f"cell {cell.id}: {done[cell.id].outputs}"
                assert not done[cell.id].stderr
    return done


def text_of(cell: Cell) -> str:
    """Return the text output of a cell."""
    return "\n".join([cell.stdout, *cell.texts("text/plain")])


def loaded(cell: Cell) -> list[str]:
    """Return the names in the table of ``%power ps``."""
    _head, *rows = cell.texts("text/plain")[-1].splitlines()
    return [row.split()[0] for row in rows]


def names(server: Server) -> list[str]:
    """Return the names of a server's models."""
    with server.api() as api:
        return [model["id"] for model in api.get("v1/models").json()["data"]]


def assert_plot(cell: Cell, *, colors: int) -> None:
    """Check that a cell shows one image in which more than `colors` colors fill areas."""
    (png,) = cell.texts("image/png")
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    assert min(image.size) > 250
    pixels = image.width * image.height
    counts = image.getcolors(pixels)
    assert counts is not None
    areas = [color for count, color in counts if count > pixels / 2000]
    assert len(areas) > colors


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_have_no_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


def test_quickstart(server: Server) -> None:
    cells = run_notebook("01_quickstart.ipynb", server)
    assert "Q4_1" in text_of(cells["register-code"])
    assert "smollm2" in text_of(cells["list"])
    assert "Paris" in text_of(cells["ask-code"])
    assert "Paris" in text_of(cells["variables-code"])
    assert "Tokyo" in text_of(cells["variables-ask"])
    assert "sea" in cells["python-code"].stdout
    assert server.url in cells["openai-code"].stdout
    assert "Rome" in cells["openai-code"].stdout
    assert "array" in text_of(cells["embeddings-code"])
    assert "smollm2" in text_of(cells["ps"])
    assert server.url in text_of(cells["doctor"])
    with server.api() as api:
        assert api.get("v1/models/smollm2").json()["state"] == "unloaded"
    # It can be run again with what it left behind.
    assert "Paris" in text_of(run_notebook("01_quickstart.ipynb", server)["ask-code"])


def test_pull(hub: HubServer, server: Server) -> None:
    hub.fail(FILE, times=None, rate=10_000_000)  # slow enough to be paused
    cells = run_notebook("02_pull.ipynb", server)
    assert f"{REPOSITORY}:Q4_K_M" in text_of(cells["pulls"])
    assert "'paused'" in text_of(cells["pause-code"])
    assert " MB of 98.4 MB" in text_of(cells["paused-code"])
    assert ": done, " in text_of(cells["resume-code"])
    assert_plot(cells["plot-code"], colors=2)
    assert "Paris" in text_of(cells["ask-code"])
    assert "already here" in text_of(cells["again-code"])
    assert "Freed 98.4 MB" in text_of(cells["remove-code"])
    assert "is cancelled" in text_of(cells["cancel-code"])
    assert "There are no unused files" in text_of(cells["left-over"])
    assert names(server) == []
    # Again, from a hub that is too fast for a pause.
    hub.clear_failures()
    assert "Paris" in text_of(run_notebook("02_pull.ipynb", server)["ask-code"])


def test_streaming(server: Server) -> None:
    cells = run_notebook("03_streaming.ipynb", server)
    assert "sea" in cells["stream-code"].stdout
    assert "'interrupted'" in text_of(cells["leave-code"])
    whole, cut, stopped = cells["stop-code"].stdout.splitlines()
    assert "Paris" in whole.partition(" stop ")[2]
    assert " length " in cut
    assert "France" in stopped.partition(" stop ")[2]
    assert "Paris" not in stopped.partition(" stop ")[2]
    first, same, other = (line[1:] for line in cells["seed-code"].stdout.splitlines())
    assert first == same != other
    assert "Tokyo" in text_of(cells["conversation-first"])
    assert "Rome" in text_of(cells["conversation-second"])
    assert "Madrid" in cells["messages-code"].stdout
    assert "'name': 'Maria', 'age': 34, 'job': 'doctor'" in text_of(cells["schema-read"])
    assert "year=1889" in text_of(cells["pydantic-code"])
    assert_plot(cells["logprobs-plot"], colors=5)


def test_embeddings(server: Server) -> None:
    cells = run_notebook("04_embeddings.ipynb", server)
    assert "huggingface" in text_of(cells["register-code"])
    assert "(25, 384)" in text_of(cells["embed-code"])
    same, others = (
        float(line.split()[-1]) for line in cells["similarity-means"].stdout.splitlines()
    )
    assert same > 2 * others
    found = cells["search-code"].stdout.splitlines()
    first = {found[at]: found[at + 1] for at in range(0, len(found), 4)}
    for question, sentence in {
        "How do I bake bread?": "Knead the dough",
        "Which planet has rings?": "Saturn's rings",
        "How do sailors see danger at night?": "A lighthouse warns",
        "My program hangs forever.": "Two threads",
        "Who sets the rhythm?": "A drummer",
    }.items():
        assert sentence in first[question]
    assert_plot(cells["similarity-plot"], colors=10)
    assert_plot(cells["map-plot"], colors=5)


def test_formats(server: Server) -> None:
    cells = run_notebook("05_formats.ipynb", server)
    assert "model.safetensors" in cells["safetensors-list"].stdout
    engines = dict(line.rsplit(maxsplit=1) for line in cells["measure-code"].stdout.splitlines())
    assert engines == {
        "GGUF Q4_1": "llama.cpp",
        "Q4K": "llama.cpp",
        "Q8_0": "llama.cpp",
        "HQQ8": "transformers",
        "none": "transformers",
    }
    rows = [line.split() for line in cells["distance-code"].stdout.splitlines()[1:]]
    distances = {row[-11]: float(row[-2]) for row in rows}
    assert distances["none"] == 0
    assert distances["Q8_0"] < distances["Q4K"] < 30
    assert distances["HQQ8"] < distances["Q4K"]
    assert_plot(cells["plot"], colors=3)
    freed = int(cells["end-code"].stdout.split()[0])
    assert freed > 200  # MB, of the conversions
    assert not any(name.startswith("formats/") for name in names(server))


def test_memory(server: Server) -> None:
    cells = run_notebook("06_memory.ipynb", server)
    assert loaded(cells["load-code"]) == ["chat:medium", "chat:short", "minilm"]
    assert loaded(cells["pin-code"]) == ["chat:long", "chat:short", "minilm"]
    assert "chat:short  loaded, pinned" in text_of(cells["pin-code"])
    assert cells["refusal-code"].stdout.startswith("server_busy: max_loaded_models is 3,")
    assert loaded(cells["keep-alive-code"]) == ["chat:long", "chat:short", "minilm"]
    assert loaded(cells["keep-alive-over"]) == ["chat:short", "minilm"]
    assert "No models are loaded" in text_of(cells["keep-alive-zero"])
    assert_plot(cells["plot-code"], colors=4)


def test_clients(server: Server) -> None:
    cells = run_notebook("07_clients.ipynb", server)
    assert server.url in text_of(cells["address-code"])
    assert "Paris" in cells["openai-code"].stdout
    assert "sea" in cells["openai-stream"].stdout
    assert "[384, 384]" in text_of(cells["openai-embeddings"])
    for city in ("Paris", "Rome", "Tokyo"):
        assert city in text_of(cells["async-code"])
    assert "model_not_found" in cells["errors-code"].stdout
    assert "Tokyo" in text_of(cells["langchain-code"])
    assert "Rome" in cells["langchain-stream"].stdout
    assert "Bicycles" in cells["rag-code"].stdout.splitlines()[0]
    assert "ten" in text_of(cells["rag-chain"])
    assert "Madrid" in cells["http-code"].stdout
    assert cells["http-stream"].stdout.strip() == cells["http-code"].stdout.strip()
    # No output contains the key: outputs are saved with the notebook.
    assert not any(server.key in text_of(cell) for cell in cells.values())


def test_widgets(server: Server) -> None:
    cells = run_notebook("08_widgets.ipynb", server)
    for name in ("table-code", "pull-code", "chat-code", "table-again"):
        assert cells[name].texts("application/vnd.jupyter.widget-view+json")
        assert cells[name].texts("text/html")
    assert loaded(cells["follow-code"]) == ["smollm2", "smollm2:long"]
    assert "pinned" in text_of(cells["follow-code"])
    assert "done" in text_of(cells["busy-code"])
    assert "Paris" in text_of(cells["chat-set"])
    listed = {line.split()[0] for line in cells["end-code"].stdout.splitlines()}
    assert listed >= {"smollm2", f"{REPOSITORY}:Q4_K_M"}
    assert "smollm2:long" not in listed
    # Again, with what the first run left behind.
    assert "Paris" in text_of(run_notebook("08_widgets.ipynb", server)["chat-set"])


def test_tools(server: Server) -> None:
    cells = run_notebook("09_tools.ipynb", server)
    assert cells["by-hand-code"].stdout == "population {'city': 'Rome'} tool_calls\n"
    assert "2,746,984" in text_of(cells["result-code"])
    assert cells["loop-code"].stdout.splitlines() == [
        'population(city="Paris") -> Paris has 2,048,472 inhabitants.',
        'population(city="Rome") -> Rome has 2,746,984 inhabitants.',
        'population(city="Tokyo") -> Tokyo has 14,264,798 inhabitants.',
    ]
    for number in ("2,048,472", "2,746,984", "14,264,798"):
        assert number in cells["loop-answers"].stdout
    assert cells["checked-code"].stdout == "19,060,254 people live in these cities.\n"
    assert cells["errors-code"].stdout.startswith("declined: delete_city(")
    assert "did not allow this call" in text_of(cells["errors-code"])
    shown, _ = cells["cell-ask"].texts("text/plain")[-1].split("\n\n", 1)
    assert shown == 'population(city="Tokyo") -> Tokyo has 14,264,798 inhabitants.'
    assert "14,264,798" in text_of(cells["cell-results"])


def test_assistant(server: Server) -> None:
    cells = run_notebook("10_assistant.ipynb", server)
    assert "temperatures" in text_of(cells["variables-result"])
    assert "Rome" in text_of(cells["own-result"])
    assert cells["error-raise"].errors == ["'Lima'"]
    assert text_of(cells["error-explain"]).strip()
    assert "new cell" in text_of(cells["error-fix"])
    assert "The warmest city" in text_of(cells["chats-code"])
    assert "Rome, says the function." in text_of(cells["chats-export"])
    assert text_of(cells["chats-delete"]).strip() == "[]"
