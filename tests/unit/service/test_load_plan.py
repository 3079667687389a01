"""Load plans: parameters and keep-alive from the load, the model and the settings."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import InvalidISQ
from a3s_power_jupyter.contract.parameters import DefaultParameters, LoadParameters
from a3s_power_jupyter.contract.types import Manifest
from a3s_power_jupyter.convert.conversion_manager import ConversionManager
from a3s_power_jupyter.service.load_plan import LoadPlanner
from a3s_power_jupyter.service.settings import Settings
from a3s_power_jupyter.store.model_store import ModelStore
from a3s_power_jupyter.store.threads import StoreThreads


@pytest.fixture
def planner(tmp_path: Path) -> LoadPlanner:
    store = ModelStore(tmp_path)
    threads = StoreThreads(tmp_path)
    conversions = ConversionManager(tmp_path, store, threads, 1.0, logging.getLogger("tests"))
    return LoadPlanner(Settings(tmp_path, keep_alive=300.0), store, threads, conversions)


def manifest(**defaults: object) -> Manifest:
    parameters = DefaultParameters(**defaults)  # type: ignore[arg-type]
    return Manifest("m", "gguf", created=1, default_parameters=parameters)


def test_parameters_of_a_load_precede_those_of_the_model(planner: LoadPlanner) -> None:
    model = manifest(num_ctx=512, num_batch=64)
    assert planner.plan(model).parameters == LoadParameters(num_ctx=512, num_batch=64)
    plan = planner.plan(model, LoadParameters(num_ctx=1024))
    assert plan.parameters == LoadParameters(num_ctx=1024, num_batch=64)


def test_keep_alive_of_the_model_precedes_the_setting(planner: LoadPlanner) -> None:
    assert planner.plan(manifest()).keep_alive == 300.0
    assert planner.plan(manifest(keep_alive="1h")).keep_alive == 3600.0
    assert planner.plan(manifest(keep_alive=-1)).keep_alive == math.inf


def test_a_gguf_model_is_not_quantized_on_load(planner: LoadPlanner) -> None:
    planner.plan(manifest(), LoadParameters(isq="none"))
    with pytest.raises(InvalidISQ) as caught:
        planner.plan(manifest(), LoadParameters(isq="Q4K"))
    assert caught.value.param == "isq"
