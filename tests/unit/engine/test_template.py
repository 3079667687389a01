"""Chat templates."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter, ModelLoadFailed
from a3s_power_jupyter.engine.template import ChatTemplate


def test_a_template_cannot_leave_its_sandbox() -> None:
    escape = ChatTemplate("{{ ''.__class__.__mro__ }}", bos_token="", eos_token="")
    with pytest.raises(InvalidParameter):
        escape.render([])


def test_a_template_can_reject_messages() -> None:
    template = ChatTemplate("{{ raise_exception('no system role') }}", bos_token="", eos_token="")
    with pytest.raises(InvalidParameter, match="no system role"):
        template.render([])


def test_an_invalid_template_is_refused() -> None:
    with pytest.raises(ModelLoadFailed, match="chat template is not valid"):
        ChatTemplate("{% if %}", bos_token="", eos_token="")
