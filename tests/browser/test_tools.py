"""Tools of the notebook in the chat: what a call shows, and what it does when it is allowed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from playwright.sync_api import Locator, Page, expect

from support import servers
from support.lab_page import (
    SECONDS,
    axe_violations,
    each_theme,
    register_remote,
    run_command,
    wait_for_kernel,
)
from support.upstream_server import Upstream, run_upstream

if TYPE_CHECKING:
    from conftest import Lab

BEFORE = "total = 1\nprint('total', total)"
AFTER = "total = 2\nprint('total', total)"
#: An image that would tell its server that it was loaded.
IMAGE = "![](http://tracker.invalid/pixel.png)"


def write_cells(path: Path) -> Path:
    """Write a notebook with the cells `code` and `text`."""
    code = nbformat.v4.new_code_cell(BEFORE, id="code")
    text = nbformat.v4.new_markdown_cell("# Title", id="text")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[code, text], metadata=kernel), path)
    return path


class Chat:
    """The chat of a page, with a model that makes the calls that the question lists."""

    def __init__(self, page: Page, upstream: Upstream) -> None:
        self.page = page
        self.upstream = upstream
        self.panel = page.locator("#a3s-power-assistant")

    def open(self) -> None:
        run_command(self.page, "Chat with a Local Model")
        self.panel.get_by_label("Model", exact=True).select_option("agent", timeout=30 * SECONDS)

    def ask(self, *rounds: list[list[Any]]) -> None:
        self.panel.get_by_label("Message", exact=True).fill(json.dumps(rounds))
        self.page.keyboard.press("Enter")

    def question(self, summary: str) -> Locator:
        question = self.panel.get_by_role("group", name=summary)
        expect(question).to_be_visible(timeout=30 * SECONDS)
        return question

    def allow(self, summary: str) -> None:
        self.question(summary).get_by_role("button", name="Allow", exact=True).click()

    def expect_end(self, text: str) -> None:
        """Expect the answer, which quotes the last result."""
        answer = self.panel.locator(".a3s-message .a3s-content").last
        expect(answer).to_contain_text(f"The end: {text}", timeout=30 * SECONDS)
        expect(self.panel.get_by_role("button", name="Stop")).to_be_disabled()

    @property
    def results(self) -> list[str]:
        """The results that the model got with its last request."""
        messages = self.upstream.bodies[-1]["messages"]
        return [message["content"] for message in messages if message["role"] == "tool"]


def test_a_model_works_in_a_notebook_with_calls_that_are_allowed(
    open_lab: Callable[..., Lab],
    lab_server: servers.Server,
    lab_root: Path,
    images: Path,
    tmp_path: Path,
) -> None:
    with run_upstream() as upstream:
        register_remote(lab_server, upstream, "agent")
        page = open_lab("Light", write_cells(tmp_path / "work.ipynb")).page
        loaded: list[str] = []
        page.on("request", lambda request: loaded.append(request.url))
        wait_for_kernel(page)
        chat = Chat(page, upstream)
        chat.open()
        check_that_tools_are_off_at_first(chat)
        check_edit_and_run(chat, images)
        check_refusals(chat)
        check_markdown(chat)
        check_files(chat, lab_root)
        assert [url for url in loaded if "tracker" in url] == []
        check_stop_and_reload(chat)


def check_that_tools_are_off_at_first(chat: Chat) -> None:
    chat.ask([["list_cells", {}]])
    chat.expect_end("")
    assert "tools" not in chat.upstream.bodies[-1]
    toggle = chat.panel.get_by_role("button", name="Notebook tools")
    expect(toggle).to_have_attribute("aria-pressed", "false")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")


def check_edit_and_run(chat: Chat, images: Path) -> None:
    """Read the cells, edit one of them, undo and repeat that, and run it."""
    code = chat.page.locator(".jp-CodeCell .cm-content").first
    edit = ["edit_cell", {"cell": "code", "source": AFTER}]
    chat.ask([["read_cells", {}]], [edit], [["run_cell", {"cell": "code"}]])
    chat.allow("Read cells 1 to 2 of work.ipynb with their outputs")
    question = chat.question("Edit cell 1 of work.ipynb")
    expect(question.locator(".a3s-diff-line")).to_have_text(
        ["- total = 1", "+ total = 2", "  print('total', total)"]
    )
    for theme in each_theme(chat.page):
        expect(question.get_by_role("button", name="Allow", exact=True)).to_be_enabled()
        question.screenshot(path=images / f"tool-question-{theme}.png")
        assert axe_violations(chat.page, "#a3s-power-assistant") == [], theme
    expect(code).to_have_text(BEFORE.replace("\n", ""))
    chat.allow("Edit cell 1 of work.ipynb")
    chat.question("Run cell 1 of work.ipynb")
    expect(code).to_have_text(AFTER.replace("\n", ""))
    code.click()
    chat.page.keyboard.press("Control+z")
    expect(code).to_have_text(BEFORE.replace("\n", ""))
    chat.page.keyboard.press("Control+Shift+z")
    expect(code).to_have_text(AFTER.replace("\n", ""))
    chat.allow("Run cell 1 of work.ipynb")
    chat.expect_end("total 2")
    expect(chat.page.locator(".jp-CodeCell .jp-OutputArea-output")).to_have_text("total 2")
    read, edited, output = chat.results
    assert read == f"[1] code code\n{BEFORE}\n\n[2] text markdown\n# Title"
    assert (edited, output) == ("The cell was edited. It was not run.", "total 2")


def check_refusals(chat: Chat) -> None:
    """Refuse a call with a reason, and allow another one for the chat."""
    run = ["run_cell", {"cell": "code"}]
    chat.ask([run, ["list_variables", {}], ["list_variables", {}]])
    question = chat.question("Run cell 1 of work.ipynb")
    question.get_by_label("Reason for the model").fill("not now")
    chat.page.keyboard.press("Enter")
    question = chat.question("List the variables of work.ipynb")
    question.get_by_role("button", name="Allow for this chat").click()
    chat.expect_end("total: int = 2")
    assert chat.results[-3:] == [
        "The user did not allow this call: not now",
        "total: int = 2",
        "total: int = 2",
    ]


def check_markdown(chat: Chat) -> None:
    """Markdown that a model writes is not rendered, because that would load its images."""
    add = ["add_cell", {"source": IMAGE, "type": "markdown"}]
    edit = ["edit_cell", {"cell": "text", "source": IMAGE}]
    chat.ask([add, edit])
    question = chat.question("Add a Markdown cell at the end of work.ipynb")
    expect(question).to_contain_text("it may load images from other servers")
    chat.allow("Add a Markdown cell at the end of work.ipynb")
    chat.allow("Edit cell 2 of work.ipynb")
    chat.expect_end("The cell was edited")
    cells = chat.page.locator(".jp-MarkdownCell")
    expect(cells).to_have_count(2)
    expect(cells.locator(".cm-content")).to_have_text([IMAGE, IMAGE])
    expect(chat.page.locator(".jp-MarkdownCell.jp-mod-rendered")).to_have_count(0)
    expect(chat.page.locator(".jp-MarkdownCell img")).to_have_count(0)


def check_files(chat: Chat, root: Path) -> None:
    (root / "notes.txt").write_text("first\nsecond\nthird\n")
    read = ["read_file", {"path": "notes.txt", "first_line": 2, "line_count": 1}]
    chat.ask([["list_folder", {}], read, ["read_file", {"path": "missing.txt"}]])
    chat.allow("List the folder /")
    chat.allow('Read the file "notes.txt", lines 2 to 2')
    chat.allow('Read the file "missing.txt", lines 1 to 200')
    chat.expect_end("")
    listed, found, missing = chat.results[-3:]
    assert listed.splitlines() == ["notes.txt (19 bytes)", listed.splitlines()[1]]
    assert found == "second\n[2 more lines]"
    assert missing == "Error: missing.txt does not exist."


def check_stop_and_reload(chat: Chat) -> None:
    page, edit = chat.page, ["edit_cell", {"cell": "code", "source": "3"}]
    summary = "Edit cell 1 of work.ipynb"
    chat.ask([edit])
    question = chat.question(summary)
    chat.panel.get_by_role("button", name="Stop").click()
    expect(question).to_have_count(0)
    chat.ask([edit, ["list_variables", {}]])
    chat.question(summary)
    assert "stopped the answer before this call" in chat.results[-1]
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    requests = len(chat.upstream.bodies)
    page.wait_for_timeout(2 * SECONDS)  # JupyterLab saves its layout after a second
    page.reload()
    wait_for_kernel(page)
    chat.question(summary)
    assert len(chat.upstream.bodies) == requests
    chat.allow(summary)
    chat.question("List the variables of work.ipynb")  # what was allowed is forgotten
    expect(page.locator(".jp-CodeCell .cm-content").first).to_have_text("3")
    chat.allow("List the variables of work.ipynb")
    chat.expect_end("total: int = 2")
