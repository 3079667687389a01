"""Load plans: parameters and keep-alive from the load, the model and the settings."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import FileChanged, InvalidISQ
from a3s_power_jupyter.contract.parameters import DefaultParameters, LoadParameters
from a3s_power_jupyter.contract.types import Device, Manifest, RegisterRequest
from a3s_power_jupyter.convert.conversion_manager import ConversionManager
from a3s_power_jupyter.engine.protocol import PromptCacheSettings
from a3s_power_jupyter.service.load_plan import LoadPlanner
from a3s_power_jupyter.service.settings import Settings
from a3s_power_jupyter.store.model_store import ModelStore
from a3s_power_jupyter.store.prompts import prompt_folder
from a3s_power_jupyter.store.threads import StoreThreads
from support import model_files


@pytest.fixture
def planner(tmp_path: Path) -> LoadPlanner:
    return planner_for(Settings(tmp_path, keep_alive=300.0))


def planner_for(settings: Settings, *gpus: Device) -> LoadPlanner:
    home = settings.home
    store = ModelStore(home)
    threads = StoreThreads(home)
    conversions = ConversionManager(home, store, threads, 1.0, logging.getLogger("tests"))

    async def list_gpus() -> list[Device]:
        return [*gpus]

    return LoadPlanner(settings, store, threads, conversions, list_gpus)


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


async def prompt_cache_of(settings: Settings) -> PromptCacheSettings | None:
    plan = planner_for(settings).plan(manifest())
    assert plan.prompt_cache == settings.prompt_cache
    return (await plan.prepare(lambda _progress: None)).prompt_cache


async def test_warm_conversations_are_kept_in_memory_and_on_disk(tmp_path: Path) -> None:
    folder = str(prompt_folder(tmp_path, manifest()))
    assert Path(folder).parent == tmp_path / "prompts"
    settings = await prompt_cache_of(Settings(tmp_path, prompt_cache_disk=5))
    assert settings == PromptCacheSettings(directory=folder, disk_bytes=5)


async def test_warm_conversations_can_be_switched_off(tmp_path: Path) -> None:
    assert await prompt_cache_of(Settings(tmp_path, prompt_cache=0)) is None
    in_memory = await prompt_cache_of(Settings(tmp_path, prompt_cache_disk=0))
    assert in_memory == PromptCacheSettings()


async def test_a_renewed_plan_knows_what_the_model_needs(
    planner: LoadPlanner, tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(model_files.gguf())
    store = ModelStore(tmp_path)
    store.register(RegisterRequest(name="m", path=str(path)), DefaultParameters())
    small = await planner.plan(store.get("m"), LoadParameters(num_ctx=16)).renew()
    large = await planner.plan(store.get("m"), LoadParameters(num_ctx=16384)).renew()
    # 2 layers with 2 heads of 16 keys and values, in f16; and the mask of a batch of 256 tokens
    assert large.need - small.need > (16384 - 256) * (2 * 2 * 2 * 16 * 2)
    path.write_bytes(model_files.gguf(fill=b"\1"))
    with pytest.raises(FileChanged):
        await planner.plan(store.get("m")).renew()
