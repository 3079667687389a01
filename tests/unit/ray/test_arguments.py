"""Test the arguments of the application for Ray Serve."""

from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

import a3s_power_jupyter.ray
from a3s_power_jupyter.ray.arguments import Arguments


def test_the_defaults_leave_the_settings_to_the_server() -> None:
    assert Arguments().environment() == {}


def test_settings_become_variables_of_the_server() -> None:
    arguments = Arguments(
        home="/a", shared_homes=["/b", "/c"], keep_alive="1h", max_loaded_models=0
    )
    assert arguments.environment() == {
        "A3S_POWER_HOME": "/a",
        "A3S_POWER_SHARED_HOMES": os.pathsep.join(["/b", "/c"]),
        "A3S_POWER_KEEP_ALIVE": "1h",
        "A3S_POWER_MAX_MODELS": "0",
    }


def test_ray_reserves_the_memory_that_models_may_use() -> None:
    arguments = Arguments(num_gpus=1, memory_mb=1000)
    assert arguments.memory_limit == 1000 * 2**20
    assert arguments.resources() == {"num_cpus": 1, "num_gpus": 1, "memory": 1000 * 2**20}
    assert "memory" not in Arguments().resources()  # Ray refuses 0


def test_arguments_of_the_command_line_are_texts() -> None:
    texts = {
        "max_replicas": "2",
        "num_gpus": "0.5",
        "shared_homes": '["/a"]',
        "models": '{"small": "tests/Chat-GGUF"}',
        "keep_alive": "1h",
    }
    arguments = Arguments.model_validate(texts)
    assert (arguments.max_replicas, arguments.num_gpus) == (2, 0.5)
    assert (arguments.shared_homes, arguments.models) == (["/a"], {"small": "tests/Chat-GGUF"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"min_replicas": 3}, "Set max_replicas, too"),
        ({"home": "models"}, "not an absolute path"),
        ({"replicas": 2}, "replicas"),
        ({"shared_homes": "/srv/power"}, "not JSON"),
        ({"keep_alive": "abc"}, "keep_alive"),
        ({"options": '["--PowerApp.gpus=2"]'}, "no option '--PowerApp.gpus'"),
    ],
)
def test_mistakes_are_explained(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Arguments.model_validate(given)


def test_other_names_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = a3s_power_jupyter.ray.nothing
