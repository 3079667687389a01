"""Use a notebook with its kernel behind a real JupyterHub, and look for secrets in what it leaves.

The key of kernels stays on the server. JupyterHub gives the page a token of its own, the token of
the login, which must not get into files and kernels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect

from support.hub_pages import log_in, new_page
from support.hub_server import HubServer
from support.jupyterhub import Hub
from support.lab_page import PULL, REPO, SECONDS, row, run_cell, wait_for_kernel, write_notebook
from support.model_files import smollm2
from support.secrets_of_hub import in_files, in_page, secrets_of, token_of_page
from support.waiting import wait_until

INLINE = "a3s-power-jupyter/inline"
QUESTION = "What is the capital city of France? Answer in one short English sentence."
TABLE, ANSWER, PULLING, CHAT, WRONG, CODE = range(6)
CELLS = [
    "%load_ext a3s_power_jupyter\nimport a3s_power_jupyter as power\n"
    "client = power.connect()\nclient.table()",
    f"%%power smollm2 --temperature 0\n{QUESTION}",
    f"%power pull {PULL}",
    "client.chat_widget('smollm2')",
    "1 / 0",
    "def mean(numbers):",
]
KERNEL, WORKER = "ipykernel_launcher", "a3s_power_jupyter.engine.main"
LINE = re.compile(r"\d+ tokens · [\d.]+ tokens/s")


@pytest.fixture
def repository(huggingface: HubServer) -> HubServer:
    huggingface.add(REPO, {"model-Q4_1.gguf": smollm2().read_bytes()})
    return huggingface


@pytest.fixture
def notebook(hub: Hub, repository: HubServer) -> Iterator[Path]:
    path = write_notebook(hub.home("ada") / "behind.ipynb", *CELLS)
    yield path
    path.unlink()
    with hub.as_user("ada") as api:
        for session in api.get("api/sessions").json():
            api.delete(f"api/sessions/{session['id']}").raise_for_status()
        assert api.delete(f"v1/models/{PULL}").status_code in (200, 404)


def test_a_notebook_with_magics_and_widgets(
    hub: Hub, browser: Browser, notebook: Path, tmp_path: Path
) -> None:
    har = tmp_path / "traffic.har"
    page = new_page(
        browser,
        record_har_path=har,
        record_har_content="embed",
        record_har_url_filter=re.compile(r"^(?!.*/(static|lab/extensions|schemas)/)"),
    )
    frames: list[str | bytes] = []
    page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(data))
    )
    inline = {INLINE: {"model": "smollm2", "maxTokens": 16, "debounce": 50}}
    log_in(hub, page, "ada", settings=inline, path=f"lab/tree/{notebook.name}")
    wait_for_kernel(page)

    table = run_cell(page, TABLE).locator(".a3s-models")
    expect(row(table, "smollm2")).to_be_visible(timeout=60 * SECONDS)
    answer = run_cell(page, ANSWER)
    expect(answer.locator("small")).to_have_text(LINE, timeout=60 * SECONDS)
    expect(answer).to_contain_text("Paris")
    pull = run_cell(page, PULLING).locator(".a3s-one-pull")
    expect(pull).to_contain_text("done", timeout=60 * SECONDS)
    chat = run_cell(page, CHAT).locator(".a3s-chat")
    expect(chat).to_be_visible(timeout=60 * SECONDS)
    chat.get_by_text("Parameters").click()
    chat.get_by_label("Temperature").fill("0")
    chat.get_by_label("Message").fill(QUESTION)
    chat.get_by_role("button", name="Send").click()
    expect(chat.get_by_role("log")).to_contain_text("Paris", timeout=60 * SECONDS)
    expect(chat.get_by_role("status")).to_contain_text(LINE, timeout=60 * SECONDS)
    complete_code(page)
    explain_error(page)
    save(page, notebook)

    look_for_secrets(page, hub)
    page.reload()
    expect(chat.get_by_role("log")).to_contain_text("Paris", timeout=60 * SECONDS)
    expect(row(table, PULL)).to_be_visible(timeout=60 * SECONDS)
    expect(pull).to_contain_text("done")
    page.context.close()

    received = har.read_text() + "".join(map(str, frames))
    assert f"{hub.url_of('ada')}v1/chat/completions" in received
    assert "The capital city of France is Paris." in received
    secrets = secrets_of(hub, "ada")
    assert [what for what, secret in secrets.items() if secret in received] == []


def complete_code(page: Page) -> None:
    """Type until a completion of the model is shown, and accept it."""
    code = page.locator(".jp-Notebook .jp-Cell").nth(CODE).locator(".cm-content")
    code.click()
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    ghost = page.locator(".jp-GhostText")
    # JupyterLab enables the provider a moment after the settings are there.
    wait_until(lambda: is_completed_after(page, ghost), 60)
    before = code.inner_text()
    text = ghost.inner_text()
    page.keyboard.press("Tab")
    expect(ghost).to_have_count(0)
    assert text.split()[0] in code.inner_text()[len(before) - len(text) - 1 :]


def is_completed_after(page: Page, ghost: Locator) -> bool:
    """Type some code, and take it back if no completion appears."""
    page.keyboard.type("return sum(")
    try:
        ghost.wait_for(timeout=10 * SECONDS)
    except Error:
        for _ in "return sum(":
            page.keyboard.press("Backspace")
        return False
    return True


def explain_error(page: Page) -> None:
    """Let the model explain the error of a cell, in the sidebar."""
    run_cell(page, WRONG)
    page.locator(".a3s-errorbar").get_by_role("button", name="Explain").click()
    page.get_by_role("dialog").get_by_role("combobox").select_option("smollm2")
    page.get_by_role("button", name="Use this model").click()
    panel = page.locator("#a3s-power-assistant")
    expect(panel.get_by_role("article", name="Question").locator(".a3s-chip")).to_have_count(2)
    answer = panel.get_by_role("log").locator(".a3s-message:not(.a3s-user)").last
    expect(answer).to_contain_text(re.compile(r"\w{3}"), timeout=60 * SECONDS)
    expect(panel.get_by_role("button", name="Stop")).to_be_disabled(timeout=60 * SECONDS)


def save(page: Page, notebook: Path) -> None:
    page.locator(".jp-InputPrompt").first.click()
    with page.expect_response(lambda reply: reply.request.method == "PUT"):
        page.keyboard.press("Control+s")
    assert "The capital city of France is Paris." in notebook.read_text()


def look_for_secrets(page: Page, hub: Hub) -> None:
    """Check that only the server, and what JupyterHub lets kernels have, has its secrets."""
    secrets = secrets_of(hub, "ada")
    assert in_page(page, [hub.url_of("ada").removesuffix("/")]) != []  # it finds what is there
    assert in_page(page, [*secrets.values()]) == []
    key = secrets["key of the kernels"]
    secrets["token of the login"] = token_of_page(page)
    home = hub.home("ada")
    for what, secret in secrets.items():
        # Jupyter's runtime files and ours, which only the user can read, are for programs.
        found = [path for path in in_files(home, secret) if "/runtime/" not in path]
        assert found == [], what
    assert key not in (hub.folder / "hub.log").read_text(errors="replace")

    environs = environs_of(psutil.Process(hub.pid_of("ada")))
    assert any(KERNEL in command for command in environs)
    assert any(WORKER in command for command in environs)
    for what, secret in secrets.items():
        # JupyterHub gives its own token to the kernels of its user too.
        allowed = [KERNEL] if what == "token of the server" else []
        holders = [command for command, text in environs.items() if secret in text]
        assert [each for each in holders if not any(part in each for part in allowed)] == [], what


def environs_of(server: psutil.Process) -> dict[str, str]:
    """Return the values of the environment of each child process, by its command."""
    found = {}
    for child in server.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended
            found[" ".join(child.cmdline())] = "\n".join(child.environ().values())
    return found
