"""Change the default parameters of models."""

from __future__ import annotations

from typing import Any

from ..contract.types import Model
from ..runtime.scheduler import Scheduler
from ..store.defaults import change_parameters
from ..store.manifest import loaded_content
from ..store.model_store import ModelStore
from ..store.threads import Threads
from .catalog import Catalog
from .changes import Change, Changes
from .load_plan import LoadPlanner


class Defaults:
    """Changes the default parameters of models.

    Parameters
    ----------
    threads : Threads
        Threads for work on the home of the store.
    """

    def __init__(
        self,
        catalog: Catalog,
        planner: LoadPlanner,
        scheduler: Scheduler,
        store: ModelStore,
        threads: Threads,
        changes: Changes,
    ) -> None:
        self._catalog = catalog
        self._planner = planner
        self._scheduler = scheduler
        self._store = store
        self._threads = threads
        self._changes = changes

    async def change(self, name: str, changes: dict[str, Any]) -> Model:
        """Change default parameters of a model, and return it.

        Defaults of requests apply from the next request on. If load parameters change, a model in
        memory is unloaded once it is idle, so that the next request loads it with them.

        Parameters
        ----------
        changes : dict
            New values by name; None removes a parameter.

        Raises
        ------
        PowerError
            As `change_parameters`.
        """
        before, after = await self._threads.run(change_parameters, self._store, name, changes)
        if loaded_content(before) != loaded_content(after):
            self._scheduler.retire(name, "replaced")
        elif before != after:
            self._scheduler.renew(self._planner.plan(after))
        self._changes.publish(Change("model", name))
        return self._catalog.describe(after)
