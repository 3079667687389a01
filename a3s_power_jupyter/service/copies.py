"""Further names for models, with the same files."""

from __future__ import annotations

from ..contract.parameters import DefaultParameters
from ..contract.types import Manifest
from ..hub.pull_manager import PullManager
from ..store.model_store import ModelStore
from ..store.threads import Threads
from .catalog import Catalog


class Copies:
    """Gives models further names.

    Parameters
    ----------
    threads : Threads
        Threads for work on the home of the store.
    """

    def __init__(
        self, catalog: Catalog, pulls: PullManager, store: ModelStore, threads: Threads
    ) -> None:
        self._catalog = catalog
        self._pulls = pulls
        self._store = store
        self._threads = threads

    async def copy(
        self, source: str, name: str, parameters: DefaultParameters | None = None
    ) -> Manifest:
        """Give the model `source` the further name `name`, if it does not have it.

        A model that is loaded under this name with other default parameters is unloaded once it
        is idle.

        Raises
        ------
        ModelBusy
            If a model called `name` is being pulled.
        PowerError
            As `ModelStore.copy`.
        """
        await self._pulls.refuse_if_pulled(name)
        manifest, replaced = await self._threads.run(self._store.copy, source, name, parameters)
        await self._catalog.registered(name, replaced)
        return manifest
