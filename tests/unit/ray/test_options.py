"""Options of ``jupyter power`` that it does not have are refused."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.ray.options import unknown_option


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--PowerApp.gpu_layers=20", "--gpu-layers=20", "--debug", "-y"],
        ["--PowerApp.gpu_layers", "20", "--log-level", "DEBUG"],
        ["--Application.log_level=10", "--ServerApp.tornado_settings.key=1", "--no-browser"],
        ["--IdentityProvider.token=x", "--PasswordIdentityProvider.password_required=True"],
    ],
)
def test_options_of_the_server_are_known(options: list[str]) -> None:
    assert unknown_option(options) is None


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--PowerApp.gpu_layer=20", "'--PowerApp.gpu_layer'. Do you mean --PowerApp.gpu_layers?"),
        ("--PowerAp.gpu_layers=20", "'--PowerAp.gpu_layers'. Do you mean --PowerApp.gpu_layers?"),
        ("--gpu_layers=20", "'--gpu_layers'. Do you mean --gpu-layers?"),
        ("--xyzzy", "'--xyzzy'."),
        ("--PowerApp.log=1", "'--PowerApp.log'"),
    ],
)
def test_other_options_are_named(option: str, message: str) -> None:
    assert message in (unknown_option(["--debug", option]) or "")
