"""Test that messages name settings as in the request, the code or the magic of the reader."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.contract.spelling import in_python
from a3s_power_jupyter.magics.spelling import in_options


@pytest.mark.parametrize(
    ("message", "python", "options"),
    [
        ('Choose another name, or set "overwrite": true.', "set overwrite=True.",
         "set --overwrite."),
        ("or unload it with ?force=true.", "unload it with force=True.", "unload it with --force."),
        ('pull the model again with "force": true, or', "again with force=True, or",
         "again with --force, or"),
        ("load the model with a larger num_ctx.", "a larger num_ctx.", "a larger -p num_ctx."),
        ("Load it with num_batch=512.", "with num_batch=512.", "with -p num_batch=512."),
        ("default_parameters.num_ctx must be between 16 and 32, not 8.",
         "default_parameters.num_ctx must be", "-p num_ctx must be between 16 and 32, not 8."),
        ("default_parameters.keep_alive must be a duration", "default_parameters.keep_alive",
         "-p keep_alive must be a duration"),
        ("Unknown parameter 'num_ctz' in 'default_parameters'. Did you mean 'num_ctx'?",
         "in 'default_parameters'.", "Unknown parameter 'num_ctz'. Did you mean 'num_ctx'?"),
        ("Raise max_rounds, or", "Raise max_rounds, or", "Raise --max-rounds, or"),
        ("that base_url is correct.", "that base_url is", "that --upstream-url is correct."),
        ("base_url[1] is the same server as base_url[0].", "base_url[1] is the same",
         "--upstream-url number 2 is the same server as --upstream-url number 1."),
        ("upstream.base_url must have at most 16 elements, not 21.", "at most 16 elements",
         "--upstream-url can be given 16 times at most, not 21."),
        ("default_parameters.stop[1] must be a string, not 1.", "default_parameters.stop[1]",
         "-p stop[1] must be a string, not 1."),
        ("Unknown parameter 'foo'. Use one of: isq, num_ctx. Or set num_ctx.", "Use one of: isq",
         "Use one of: isq, num_ctx. Or set -p num_ctx."),
        ("reasoning_effort must be 'low'.", "reasoning_effort must", "--effort must be 'low'."),
        ("Check upstream.api_key_env.", "upstream.api_key_env.", "Check --api-key-env."),
    ],
)  # fmt: skip
def test_settings(message: str, python: str, options: str) -> None:
    assert python in in_python(message)
    assert options in in_options(message)
    assert in_options(in_python(message)) == in_options(message)
    assert in_options(in_options(message)) == in_options(message)


@pytest.mark.parametrize(
    "message",
    [
        "There is no model 'num_ctx'. Did you mean 'my-num_ctx'?",
        "Could not read /data/num_ctx/model.gguf.",
        "The hub may force you to wait; copy the address.",
        "--keep-alive must be a string, and -p num_ctx an integer.",
    ],
)
def test_other_text_is_unchanged(message: str) -> None:
    assert in_python(message) == message
    assert in_options(message) == message
