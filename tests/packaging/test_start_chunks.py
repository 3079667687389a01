"""Check which code the JupyterLab extension loads when JupyterLab starts.

It reads what ``npm run build`` has left in the package. The time is measured by
`benchmarks/lab_start.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import a3s_power_jupyter

pytestmark = pytest.mark.packaging

STATIC = Path(a3s_power_jupyter.__file__).parent / "labextension/static"

#: A text of each part that is loaded on first use only, as it is in minified code.
LATER = {
    "the models panel": "Filter models",
    "the view to add models": "Model to pull",
    "Markdown": "Wrong `markdown-it` preset",
    "the chat": "a3s-log",
    "links of answers": "a3s-target-url",
    "the context of notebooks": "application/vnd.jupyter.cells",
}


@pytest.fixture(scope="module")
def chunks() -> dict[str, str]:
    """The chunks by number."""
    files = {path.name.partition(".")[0]: path.read_text() for path in STATIC.glob("[0-9]*.js")}
    assert files, "run npm run build in labextension/"
    return files


@pytest.fixture(scope="module")
def at_start() -> set[str]:
    """The chunks of the module that JupyterLab requests at its start, and of what it imports."""
    (path,) = STATIC.glob("remoteEntry.*.js")
    entry = path.read_text()
    (loading,) = re.findall(r'"\./extension":\(\)=>(.*?)\.then', entry)
    start = set(re.findall(r"\.e\((\d+)\)", loading))
    (mapping,) = re.findall(r"chunkMapping:\{(.*?)\}", entry)
    shared = [
        number
        for chunk, modules in re.findall(r"(\d+):\[(.*?)\]", mapping)
        if chunk in start
        for number in re.findall(r"\d+", modules)
    ]
    for number in shared:
        (consumed,) = re.findall(rf"[{{,]{number}:\{{(shareScope.*?)\}}", entry)
        start |= set(re.findall(r"\.e\((\d+)\)", consumed))  # unless JupyterLab has the package
    return start


@pytest.mark.parametrize("part", LATER)
def test_a_part_is_loaded_on_first_use(
    part: str, chunks: dict[str, str], at_start: set[str]
) -> None:
    styles = {number for number, text in chunks.items() if ".a3s-button" in text}
    scripts = {number for number, text in chunks.items() if LATER[part] in text} - styles
    assert scripts, f"{part} is in no chunk: choose another text of it"
    assert not scripts & at_start, f"{part} is loaded when JupyterLab starts"
