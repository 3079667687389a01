"""What can be attached of notebooks, files and consoles, and code that is put into them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Locator, Page, expect

from support.lab_page import SECONDS, run_cell, wait_for_kernel, write_notebook

if TYPE_CHECKING:
    from conftest import Lab

pytestmark = pytest.mark.browser

FAILS = "def half(x):\n    return x / 0\n\nhalf(1)"
DEFINES = "api_key = 'sesame'\nnumber = 41\nprint('printed')"
PLOTS = """
from IPython.display import Image, HTML, display
display(HTML('<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>'))
Image(data=bytes.fromhex('89504e470d0a1a0a'), format='png')
"""

#: Gives the context of the page the name `context`.
LOAD = """async () => {
  const tokens = [...jupyterapp.pluginRegistry._services.keys()];
  const token = tokens.find(({name}) => name === 'a3s-power-jupyter:INotebookContext');
  window.context = await (await jupyterapp.resolveRequiredService(token)).load();
}"""
COLLECT = """([id, tokens]) =>
  context.context.list().find(source => source.id === id).collect(tokens).catch(String)"""
RUN = """([id, code]) => context.codeActions.find(action => action.id === id).run(code, 'python')"""
TOOLTIPS = """() => context.codeActions.map(action =>
  [action.isEnabled(), action.describe()])"""
OPEN_AS_TEXT = """() =>
  jupyterapp.commands.execute('docmanager:open', {path: 'code.ipynb', factory: 'Editor'})"""
#: Adds a place that attaches what is dropped on it.
DROP_PLACE = """() => {
  const place = document.createElement('div');
  place.id = 'drop-place';
  place.style = 'position: fixed; inset: auto 0 0 auto; width: 200px; height: 200px; z-index: 1';
  const isAccepted = event => context.context.accepts(event.mimeData);
  for (const type of ['lm-dragenter', 'lm-dragover', 'lm-drop']) {
    place.addEventListener(type, event => {
      if (isAccepted(event)) {
        event.preventDefault();
        event.stopPropagation();
        event.dropAction = event.proposedAction;
      }
    });
  }
  place.addEventListener('lm-drop', async event => {
    const dropped = await context.context.drop(event.mimeData, 500);
    place.textContent = dropped.map(({title, text}) => `${title}: ${text}`).join('; ');
  });
  document.body.append(place);
}"""


def collect(page: Page, source: str, tokens: int = 500) -> Any:
    return page.evaluate(COLLECT, [source, tokens])


def texts(attachments: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(each["kind"], each["title"], each["text"]) for each in attachments]


def sources_of(page: Page) -> list[str]:
    return [content.inner_text() for content in page.locator(".jp-CodeCell .cm-content").all()]


def drag(page: Page, source: Locator, target: Locator) -> None:
    start, end = source.bounding_box(), target.bounding_box()
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + 20, end["y"] + 20, steps=8)
    page.mouse.move(end["x"] + 40, end["y"] + 40, steps=4)
    page.mouse.up()


def test_the_context_of_a_notebook(
    open_lab: Callable[..., Lab], lab_root: Path, tmp_path: Path
) -> None:
    (lab_root / "data.csv").write_text("a,b\n1,2\n")
    (lab_root / "broken.bin").write_bytes(b"\xff\xfe\x00\x01")
    notebook = write_notebook(
        tmp_path / "context.ipynb", FAILS, DEFINES, PLOTS, "import time; time.sleep(60)"
    )
    page = open_lab("Light", notebook).page
    wait_for_kernel(page)
    page.evaluate(LOAD)
    expect(run_cell(page, 1)).to_contain_text("printed", timeout=60 * SECONDS)
    expect(run_cell(page, 2).locator("img")).to_be_attached(timeout=60 * SECONDS)
    plots = collect(page, "cell")
    assert [each["kind"] for each in plots] == ["cell", "output", "image"]
    assert plots[1]["text"] == "a | b |\n1 | 2 |"
    assert plots[2]["image"] == "data:image/png;base64,iVBORw0KGgo="

    expect(run_cell(page, 0)).to_contain_text("ZeroDivisionError", timeout=60 * SECONDS)
    prompt = page.locator(".jp-CodeCell").first.locator(".jp-InputPrompt")
    expect(prompt).to_have_text("[3]:")  # it comes after the output
    code, error = collect(page, "cell")
    assert code["text"] == FAILS
    assert (error["kind"], error["title"]) == ("error", "Error of Cell 1 [3]")
    assert error["text"].startswith("Cell In[3], line 4")
    assert error["text"].endswith("ZeroDivisionError: division by zero")
    [outline] = collect(page, "notebook", 60)
    assert outline["cut"] != ""
    assert "half(1)" in outline["text"]

    [variables] = collect(page, "variables")
    assert variables["text"] == "half: function = (x)\nnumber: int = 41"
    assert variables["cut"] == "Not sent, because they may be secrets: api_key."
    assert "Nothing more fits" in collect(page, "variables", 5)

    cell = page.locator(".jp-CodeCell").nth(3)
    cell.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[*]:")
    assert "The kernel is busy" in collect(page, "variables")

    page.evaluate(DROP_PLACE)
    place = page.locator("#drop-place")
    drag(page, page.locator(".jp-CodeCell").nth(1).locator(".jp-InputPrompt"), place)
    expect(place).to_have_text(f"Cell 2 [1]: {DEFINES}; Output of Cell 2 [1]: printed")
    drag(page, page.get_by_role("listitem", name="Name: data.csv"), place)
    expect(place).to_have_text("data.csv: a,b\n1,2\n")
    page.get_by_role("listitem", name="Name: broken.bin").click()
    assert "broken.bin is not a text" in collect(page, "selected-files")


def test_code_is_put_into_a_notebook(open_lab: Callable[..., Lab], tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "code.ipynb", "def f():\n    a = 1", "last")
    page = open_lab("Light", notebook).page
    wait_for_kernel(page)
    page.evaluate(LOAD)
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Control+End")
    page.evaluate(RUN, ["insert", "b = 2\nif b:\n    c()\n"])
    inserted = "def f():\n    a = 1\n    b = 2\n    if b:\n        c()"
    assert sources_of(page) == [inserted, "last"]
    expect(page.locator(".jp-CodeCell .cm-content").first).to_be_focused()
    page.evaluate(RUN, ["new-cell", "new = 1\n"])
    assert sources_of(page) == [inserted, "new = 1", "last"]
    assert page.evaluate(TOOLTIPS)[:2] == [
        [True, "Insert at the cursor of cell 2 of code.ipynb"],
        [True, "Replace all of cell 2 of code.ipynb"],
    ]
    page.keyboard.press("Shift+Home")
    page.keyboard.type("new")
    page.keyboard.press("Control+Shift+ArrowLeft")
    assert page.evaluate(TOOLTIPS)[1] == [True, "Replace the selection in cell 2 of code.ipynb"]
    assert texts(collect(page, "selection")) == [("selection", "Selection in cell 2", "new")]
    page.evaluate(RUN, ["replace", "old"])
    assert sources_of(page)[1] == "old"
    page.keyboard.press("Control+z")
    assert sources_of(page)[1] == "new"
    page.evaluate(OPEN_AS_TEXT)
    expect(page.locator(".jp-FileEditor .cm-content")).to_be_visible(timeout=30 * SECONDS)
    assert [enabled for enabled, _ in page.evaluate(TOOLTIPS)] == [True, False, False]
