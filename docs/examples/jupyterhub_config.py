"""JupyterHub with local models for all users. Start it with ``jupyterhub -f jupyterhub_config.py``.

Every user has a server with this extension, and all of them use the models of one store, which an
administrator fills (see docs/jupyterhub.md). Programs that have the token of the service ``batch``
can use the servers of all users.
"""

import os
import sys

c = get_config()  # noqa: F821 - JupyterHub defines it

c.JupyterHub.spawner_class = "simple"  # or docker, kubespawner.KubeSpawner, ...
c.Spawner.default_url = "/lab"
c.Spawner.environment = {
    "A3S_POWER_SHARED_HOMES": "/srv/power",
    "A3S_POWER_MAX_MODELS": "1",  # in memory at once, for each user
    # For remote models of the store: their api_key_env. Users can read it.
    "GPU_BOX_TOKEN": os.environ.get("GPU_BOX_TOKEN", ""),
}

c.JupyterHub.services = [
    {"name": "batch", "api_token": os.environ["BATCH_TOKEN"]},
    # Stops servers without kernels, requests to models, and pulls for an hour.
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600"],
    },
]
c.JupyterHub.load_roles = [
    {
        "name": "batch",
        "services": ["batch"],
        "scopes": ["access:servers"],  # access:servers!user=ada for the server of one user
    },
    {
        "name": "idle-culler",
        "services": ["idle-culler"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    },
]
