"""Errors of the service name the fields of the dialect."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.handlers.anthropic.handlers import MessagesHandler
from a3s_power_jupyter.handlers.inference import InferenceHandler, own_names
from a3s_power_jupyter.handlers.ollama.handlers import ChatHandler, GenerateHandler
from a3s_power_jupyter.handlers.openai.handlers import ChatCompletionsHandler
from a3s_power_jupyter.handlers.responses.handlers import ResponsesHandler


@pytest.mark.parametrize(
    ("handler", "param", "expected"),
    [
        (ResponsesHandler, "messages", "input"),
        (ResponsesHandler, "messages[3].content", "input[3].content"),
        (ResponsesHandler, "max_tokens", "max_output_tokens"),
        (ResponsesHandler, "tools[2].function.parameters#/a", "tools[2].parameters#/a"),
        (MessagesHandler, "tools[2].function.parameters", "tools[2].input_schema"),
        (ChatCompletionsHandler, "tools[2].function.parameters", "tools[2].function.parameters"),
        (MessagesHandler, "prompt", "messages"),
        (ResponsesHandler, "text.format.schema#/a", "text.format.schema#/a"),
        (ChatHandler, "max_tokens", "options.num_predict"),
        (ChatHandler, "mirostat", "options.mirostat"),
        (ChatHandler, "messages[0]", "messages[0]"),
        (GenerateHandler, "messages[0]", "prompt[0]"),
        (ChatHandler, "path", "model"),
        (ChatCompletionsHandler, "path", "model"),
        (ChatCompletionsHandler, "messages", "messages"),
        (ChatCompletionsHandler, None, None),
    ],
)
def test_errors_name_the_fields_of_the_dialect(
    handler: type[InferenceHandler], param: str | None, expected: str | None
) -> None:
    shared = InvalidParameter("Wrong.", param=param)
    with pytest.raises(InvalidParameter) as caught, own_names(handler.param_names):
        raise shared
    assert caught.value.param == expected
    assert shared.param == param  # other requests may raise the same error
