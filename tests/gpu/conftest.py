"""Skip the tests of this folder if torch cannot use an NVIDIA GPU. `make gpu` runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    import torch

    if not torch.cuda.is_available():
        skip = pytest.mark.skip(reason="needs an NVIDIA GPU and a CUDA build of torch")
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(skip)
