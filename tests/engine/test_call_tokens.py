"""Which tokens of a tokenizer a grammar of calls asks for."""

from __future__ import annotations

import llguidance.hf
import pytest
from llguidance import LLMatcher
from transformers import PreTrainedTokenizerFast

from a3s_power_jupyter.contract.types import ToolChoice
from a3s_power_jupyter.engine.chat.call_grammar import SpecialTokens, forced_calls
from a3s_power_jupyter.engine.chat.format import GENERIC_CALLS, ChatFormat, JsonCalls
from support.tiny_models import byte_level

TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
CALL = '{"name": "f", "arguments": {}}'


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize(
    ("calls", "start", "end"),
    [
        (GENERIC_CALLS, "<tool_call>", "</tool_call>"),
        (JsonCalls(start="[CALL]", end="[/CALL]"), "[CALL]", "[/CALL]"),
    ],
)
def test_an_added_token_is_not_spelled_out(
    special: bool, calls: JsonCalls, start: str, end: str
) -> None:
    """Qwen's tokens of calls are not special for transformers, but they are for llguidance."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level("gpt-2"), eos_token="</s>")
    tokenizer.add_tokens([start, end], special_tokens=special)
    described = llguidance.hf.from_tokenizer(tokenizer, eos_token=[tokenizer.eos_token_id])
    format_ = ChatFormat(calls)
    found = SpecialTokens.used(format_, described)
    grammar = forced_calls(format_, [TOOL], ToolChoice("required"), False, special=found)
    text = f"{calls.start}{CALL}{calls.end}"
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokens[0] == tokenizer.convert_tokens_to_ids(start)
    matcher = LLMatcher(described, grammar, log_level=0)
    assert matcher.try_consume_tokens(tokens) == len(tokens)
    assert matcher.is_accepting()
