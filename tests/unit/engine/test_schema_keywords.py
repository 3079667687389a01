"""Refuse what llama.cpp's schema converter would silently ignore."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.engine.llamacpp.grammar import to_gbnf
from support.json_schemas import IGNORED, KEPT


@pytest.mark.parametrize(("schema", "keyword"), IGNORED)
def test_a_keyword_that_would_be_ignored_is_refused(schema: dict[str, Any], keyword: str) -> None:
    for whole in (schema, {"type": "array", "items": schema, "$defs": schema.get("$defs", {})}):
        with pytest.raises(InvalidParameter, match=f"'{keyword}'") as caught:
            to_gbnf(whole)
        assert caught.value.param == "response_format"


@pytest.mark.parametrize("schema", KEPT)
def test_a_schema_that_is_kept_is_converted(schema: dict[str, Any]) -> None:
    assert "root ::=" in to_gbnf(schema)


def test_a_property_that_allows_no_value() -> None:
    with pytest.raises(InvalidParameter, match="allows no value"):
        to_gbnf({"properties": {"a": False}})
