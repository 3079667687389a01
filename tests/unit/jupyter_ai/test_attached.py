"""Files, notebooks, cells and images that are attached to a message in Jupyter AI."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace as Attachment
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.jupyter_ai.attached import parts_of

NOTEBOOK = {
    "cells": [
        {"id": "a", "cell_type": "markdown", "source": ["# Title\n", "text"]},
        {
            "id": "b",
            "cell_type": "code",
            "source": "1 / 0",
            "outputs": [
                {"output_type": "stream", "text": "so far"},
                {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "by zero"},
                {"output_type": "execute_result", "data": {"text/plain": ["4", "2"]}},
            ],
        },
    ]
}


def text_of(root: Path, **attachment: Any) -> str:
    [part] = parts_of([Attachment(**attachment)], root, images=False)
    return str(part["text"])


def test_a_file_is_fenced(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("```\ncode\n```\n")
    assert text_of(tmp_path, value="a.md") == "File a.md:\n\n````md\n```\ncode\n```\n````"


@pytest.mark.parametrize("make", [dict, lambda **fields: Attachment(**fields)])
def test_a_selection_is_taken_instead_of_the_file(tmp_path: Path, make: Any) -> None:
    text = text_of(tmp_path, value="a.py", selection=make(content="x = 1"))
    assert text == "Selection in a.py:\n\n```py\nx = 1\n```"


def test_cells_come_with_their_outputs(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text(json.dumps(NOTEBOOK))
    text = text_of(tmp_path, value="a.ipynb", cells=[Attachment(id="b", selection=None)])
    assert "Title" not in text
    assert all(each in text for each in ("1 / 0", "so far", "ZeroDivisionError: by zero", "42"))
    assert "# Title\ntext" in text_of(tmp_path, value="a.ipynb")


def test_images_are_for_models_that_see_them(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"image")
    [part] = parts_of([Attachment(value="a.png")], tmp_path, images=True)
    assert part["image_url"]["url"] == "data:image/png;base64,aW1hZ2U="
    with pytest.raises(InvalidParameter, match="does not see images"):
        text_of(tmp_path, value="a.png")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "data.bin").write_bytes(b"\xff\xfe")
    (root / "large.txt").write_bytes(b"x" * ((1 << 20) + 1))
    (root / "bad.ipynb").write_text("[]")
    (root / "a.ipynb").write_text(json.dumps(NOTEBOOK))
    os.mkfifo(root / "pipe")
    names = ["absent", "../secret.txt", "link.txt", str(tmp_path / "secret.txt"), "data.bin"]
    for name in [*names, "large.txt", "bad.ipynb", "pipe"]:
        with pytest.raises(InvalidParameter, match="cannot be attached"):
            text_of(root, value=name)
    with pytest.raises(InvalidParameter, match="Save it first"):
        text_of(root, value="a.ipynb", cells=[{"id": "new"}])
