"""The arguments of the application: ``serve run a3s_power_jupyter.ray:app max_replicas=4``."""

from __future__ import annotations

import json
import os
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..contract.errors import InvalidKeepAlive
from ..contract.parameters import parse_keep_alive
from .options import unknown_option


class Arguments(BaseModel):
    """What can be set. The defaults suit one machine.

    Attributes
    ----------
    num_cpus, num_gpus : float
        What Ray reserves for each replica.
    memory_mb : float
        Memory in MiB that Ray reserves for each replica, and that its models may use together; 0
        means the free memory of the machine, whatever other replicas are there.
    min_replicas, max_replicas : int
        The number of replicas follows the requests under way, between these.
    target_ongoing_requests : float
        Requests under way per replica that autoscaling aims at.
    max_ongoing_requests : int
        Requests that a replica takes at once. Further ones go to another replica, or wait.
    max_queued_requests : int
        Requests that wait for a replica. Further ones are refused as ``server_busy``.
    upscale_delay_s, downscale_delay_s : float
        Seconds that the load must last before the number of replicas changes.
    graceful_shutdown_timeout_s : float
        Seconds that a replica that is stopped has to complete its answers.
    ingress_replicas : int
        Processes that forward requests.
    home : str
        Folder of the model store on each machine. Default: ``A3S_POWER_HOME``, else
        ``~/.a3s/power``. Replicas may share it.
    shared_homes : list of str
        Folders of stores whose models are used and never changed, such as on a network disk.
    models : dict of str to str
        Names of models, each with an absolute path to its files, or with the reference from which
        it is pulled when it is first used.
    pull_wait_s : float
        Seconds that a request waits for the pull of its model before it is refused as
        ``server_busy`` with the progress.
    keep_alive : str
        How long an idle model stays in memory.
    max_loaded_models : int
        Models in memory of a replica; 0 means no limit.
    max_request_mb : float
        Maximum size of the body of a request, in MiB.
    options : list of str
        Further options of ``jupyter power``, such as ``--PowerApp.gpu_layers=20``.
    """

    model_config = ConfigDict(extra="forbid")

    num_cpus: float = Field(default=1, ge=0)
    num_gpus: float = Field(default=0, ge=0)
    memory_mb: float = Field(default=0, ge=0)
    min_replicas: int = Field(default=1, ge=0)
    max_replicas: int = Field(default=1, ge=1)
    target_ongoing_requests: float = Field(default=4, gt=0)
    max_ongoing_requests: int = Field(default=8, ge=1)
    max_queued_requests: int = Field(default=256, ge=1)
    upscale_delay_s: float = Field(default=10, ge=0)
    downscale_delay_s: float = Field(default=300, ge=0)
    graceful_shutdown_timeout_s: float = Field(default=600, ge=0)
    ingress_replicas: int = Field(default=1, ge=1)
    home: str = ""
    shared_homes: list[str] = Field(default_factory=list)
    models: dict[str, str] = Field(default_factory=dict)
    pull_wait_s: float = Field(default=10, ge=0)
    keep_alive: str = ""
    max_loaded_models: int | None = Field(default=None, ge=0)
    max_request_mb: float = Field(default=32, gt=0)
    options: list[str] = Field(default_factory=list)

    @field_validator("shared_homes", "models", "options", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """Decode JSON, because `serve run` passes all arguments as texts."""
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            raise ValueError(f"{value!r} is not JSON. Write it like '[\"/srv/power\"]'.") from None

    @model_validator(mode="after")
    def _check(self) -> Arguments:
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"min_replicas ({self.min_replicas}) is more than max_replicas "
                f"({self.max_replicas}). Set max_replicas, too."
            )
        if self.keep_alive:
            try:
                parse_keep_alive(self.keep_alive)
            except InvalidKeepAlive as error:
                raise ValueError(error.message) from None
        for path in filter(None, [self.home, *self.shared_homes]):
            if not path.startswith("/"):
                raise ValueError(f"{path!r} is not an absolute path. Replicas have other folders.")
        if (problem := unknown_option(self.options)) is not None:
            raise ValueError(problem)
        return self

    def resources(self) -> dict[str, float]:
        """Return what Ray reserves for a replica, as ``ray_actor_options``."""
        resources = {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus}
        return resources | ({"memory": self.memory_limit} if self.memory_limit else {})

    @property
    def memory_limit(self) -> int:
        """Bytes that the models of a replica may use; 0 means no limit."""
        return int(self.memory_mb * 2**20)

    def environment(self) -> dict[str, str]:
        """Return the variables that configure ``jupyter power``."""
        models = "" if self.max_loaded_models is None else str(self.max_loaded_models)
        values = {
            "A3S_POWER_HOME": self.home,
            "A3S_POWER_SHARED_HOMES": os.pathsep.join(self.shared_homes),
            "A3S_POWER_KEEP_ALIVE": self.keep_alive,
            "A3S_POWER_MAX_MODELS": models,
        }
        return {name: value for name, value in values.items() if value}
