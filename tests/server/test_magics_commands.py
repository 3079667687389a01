"""Test the commands of ``%power`` in a kernel of a server, with a real model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.kernel_cells import Kernel
from support.servers import Server

QUESTION = "What is the capital city of France? Answer in one short English sentence."


def test_the_kernel_finds_the_server_that_started_it(kernel: Kernel, kernel_server: Server) -> None:
    cell = kernel.run("%power")
    assert cell.status == "ok", cell.stderr
    assert (
        f"{kernel_server.url} (the server that started this kernel)" in cell.texts("text/plain")[0]
    )


def test_register_list_and_show_as_text_and_html(kernel: Kernel) -> None:
    listing = kernel.run("%power list")
    (text,) = listing.texts("text/plain")
    assert text.splitlines()[1].split()[:5] == ["smollm2", "gguf", "Q4_1", "98.4", "MB"]
    (markup,) = listing.texts("text/html")
    headers = re.findall(r"<th [^>]*>(\w+)</th>", markup)
    assert headers == ["Name", "Format", "Size", "Parameters", "Context", "Capabilities", "State"]
    (details,) = kernel.run("%power show smollm2").texts("text/plain")
    assert "Defaults:      num_ctx=2048" in details


def test_hashing_a_large_file_is_announced(kernel: Kernel, tmp_path: Path) -> None:
    big = tmp_path / "big.gguf"
    with big.open("wb") as file:
        file.truncate(600_000_000)
    cell = kernel.run(f"%power register big {big}")
    assert cell.texts("text/plain") == ["Hashing big.gguf (600 MB). This may take a while."]
    assert "UsageError" in cell.stderr


def test_a_dry_run_shows_what_a_load_would_take(kernel: Kernel) -> None:
    cell = kernel.run("%power load smollm2 --dry-run -p num_ctx=4096")
    assert cell.status == "ok", cell.stderr
    (text,) = cell.texts("text/plain")
    names = [line.split()[0] for line in text.splitlines()[:6]]
    assert names == ["Weights:", "Cache:", "Buffers:", "Other:", "Total:", "Free:"]
    assert "smollm2 with 4096 tokens of context fits." in text
    assert "It was trained with 8192 tokens, and all of them fit." in text
    (markup,) = cell.texts("text/html")
    assert "<table>" in markup
    (text,) = kernel.run("%power load smollm2 --dry-run -p num_ctx=16384").texts("text/plain")
    assert "smollm2 with 16384 tokens of context fits. It was trained with 8192 tokens." in text
    error = kernel.run("%power load smollm2 --dry-run --keep-alive soon").stderr
    assert "--keep-alive must be a duration" in error


def test_load_shows_its_progress_in_one_display(kernel: Kernel) -> None:
    kernel.run("%power unload smollm2")
    cell = kernel.run("%power load smollm2 --keep-alive 10m")
    assert cell.status == "ok", cell.stderr
    shown = cell.texts("text/plain")
    assert shown[0].startswith("Loading smollm2: ")
    assert shown[-1].startswith("Loaded smollm2 in ")
    assert "unloads in 10 min" in shown[-1]
    assert len({o["content"]["transient"]["display_id"] for o in cell.outputs}) == 1
    (processes,) = kernel.run("%power ps").texts("text/plain")
    assert processes.splitlines()[1].split()[:2] == ["smollm2", "loaded,"]


def test_doctor(kernel: Kernel, kernel_server: Server) -> None:
    cell = kernel.run("%power doctor")
    assert cell.status == "ok", cell.stderr
    (text,) = cell.texts("text/plain")
    for words in (kernel_server.url, str(kernel_server.home), "Device CPU", "Engine llama.cpp"):
        assert words in text


def test_pin_use_gc_and_rm(kernel: Kernel, smollm2_path: Path) -> None:
    assert kernel.run("%power pin smollm2").status == "ok"
    assert "pinned" in kernel.run("%power ps").texts("text/plain")[0]
    assert kernel.run("%power unpin smollm2").status == "ok"
    assert kernel.run("%power register second " + str(smollm2_path)).status == "ok"
    ambiguous = kernel.run("%%power\nHello")
    assert "Several models can chat: second, smollm2." in ambiguous.stderr
    assert kernel.run("%power use second").texts("text/plain") == ["%%power uses second."]
    assert kernel.run("%power use nobody").status == "error"
    removed = kernel.run("%power rm second").texts("text/plain")[0]
    assert removed == "Deleted second. Its files were kept."
    assert smollm2_path.exists()
    assert kernel.run("%power use").texts("text/plain") == ["%%power uses smollm2."]
    assert kernel.run("%power gc").texts("text/plain") == ["There are no unused files."]


def test_the_openai_client(kernel: Kernel) -> None:
    cell = kernel.run(
        "import a3s_power_jupyter as power\n"
        "openai = power.connect().openai()\n"
        "done = openai.chat.completions.create(model='smollm2', temperature=0,\n"
        f"    messages=[{{'role': 'user', 'content': {QUESTION!r}}}])\n"
        "print(done.choices[0].message.content)"
    )
    assert "Paris" in cell.stdout


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("%power lod", "There is no command 'lod'. Did you mean 'load'?"),
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
        ("%%power smollm2\n  \n", "The cell is empty"),
        ("%%power smollm2 --to 1x\nHello", "not a valid variable name"),
        ("%%power smollm2 --to class\nHello", "not a valid variable name"),
        ("%%power smollm2 --json-schema nothing\nHello", "'nothing' is not defined"),
        ("%%power smollm2 --temperature -1\nHello", "temperature"),
        ("%%power smollm2 --keep-alive soon\nHello", "soon"),
        ("%%power other --continue\nHello", "no conversation with other"),
        ("name = 'x'\nget_ipython().run_cell_magic('power', '', '{name.nope}')", "AttributeError"),
        ("get_ipython().run_cell_magic('power', 'smollm2', 'word ' * 3000)", "context"),
    ],
)
def test_errors_have_no_traceback(kernel: Kernel, code: str, message: str) -> None:
    cell = kernel.run(code)
    assert cell.status == "error"
    assert cell.stderr.startswith("UsageError: ")
    assert message in cell.stderr
    assert not cell.errors
    assert "Traceback" not in cell.stderr


def test_tab_completion(kernel: Kernel) -> None:
    assert kernel.complete("%power loa") == ["%power load"]
    assert kernel.complete("%power load sm") == ["%power load smollm2"]
    assert kernel.complete("%%power smol") == ["%%power smollm2"]
    assert "%%power smollm2 --temperature" in kernel.complete("%%power smollm2 --te")


def test_reload_and_unload_the_extension(kernel: Kernel) -> None:
    assert kernel.run("%reload_ext a3s_power_jupyter").status == "ok"
    assert kernel.complete("%power unl") == ["%power unload"]
    assert kernel.run("%power list").status == "ok"
    kernel.run("%unload_ext a3s_power_jupyter")
    assert "not found" in kernel.run("%power list").stderr
    kernel.run("%load_ext a3s_power_jupyter")
    assert kernel.run("%load_ext a3s_power_jupyter").status == "ok"
