"""Recognize the prefixes that torch's wrappers put in front of the names of tensors."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.store.formats.tensor_names import wrapper_prefix


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        ([], ""),
        (["model.norm.weight", "lm_head.weight"], ""),
        (["_orig_mod.a", "_orig_mod.b"], "_orig_mod."),
        (["module.a", "module.b"], "module."),
        (["module._orig_mod.a", "module._orig_mod.b"], "module._orig_mod."),
        (["_orig_mod.module.a"], "_orig_mod.module."),
        (["_orig_mod.a", "b"], ""),
        (["module.a", "modules.b"], ""),
    ],
)
def test_only_a_common_prefix_counts(names: list[str], prefix: str) -> None:
    assert wrapper_prefix(names) == prefix
