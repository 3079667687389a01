"""The examples of the documentation, with local users, free ports and short times for the tests."""

import os
import sys
from pathlib import Path

EXAMPLES = Path(os.environ["EXAMPLES"])
FOLDER = Path(os.environ["HUB_FOLDER"])

#: Where the packages, kernels and extensions of the tests are.
FROM_TESTS = ("PYTHONPATH", "JUPYTER_PATH", "JUPYTER_CONFIG_PATH")

c = get_config()  # noqa: F821 - JupyterHub defines it
c.JupyterHub.last_activity_interval = 3  # an example changes it
load_subconfig(str(EXAMPLES / "jupyterhub_config.py"))  # noqa: F821
load_subconfig(str(EXAMPLES / "jupyterhub_prometheus.py"))  # noqa: F821

c.JupyterHub.bind_url = os.environ["HUB_URL"]
c.JupyterHub.hub_port = int(os.environ["HUB_PORT"])
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.cookie_secret_file = str(FOLDER / "cookie_secret")
c.JupyterHub.cleanup_servers = True
c.JupyterHub.allow_named_servers = True
c.ConfigurableHTTPProxy.command = [
    os.environ["PROXY_COMMAND"],
    *os.environ["PROXY_OPTIONS"].split(),
]
c.ConfigurableHTTPProxy.api_url = os.environ["PROXY_API_URL"]
c.ConfigurableHTTPProxy.pid_file = str(FOLDER / "proxy.pid")

c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "of-the-tests"
c.Authenticator.allowed_users = {"ada", "bob"}

c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = [
    "--allow-root",
    "--HubAuth.cache_max_age=5",
    "--LabApp.expose_app_in_browser=True",  # for `lab_page.each_theme`
]
c.Spawner.http_timeout = 120
c.Spawner.start_timeout = 120
c.SimpleLocalProcessSpawner.home_dir_template = str(FOLDER / "home" / "{username}")


def prepare(spawner):
    """Give each user folders of their own, as users of a system have."""
    home = FOLDER / "home" / spawner.user.name
    for name in ("config", "data", "runtime"):
        (home / name).mkdir(parents=True, exist_ok=True)
    spawner.environment = {
        **spawner.environment,
        "HOME": str(home),
        "A3S_POWER_HOME": str(home / "power"),
        "A3S_POWER_SHARED_HOMES": os.environ["SHARED_HOME"],
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERHUB_ACTIVITY_INTERVAL": "2",
        "HF_ENDPOINT": os.environ["HF_ENDPOINT"],
        "HF_HUB_DISABLE_XET": "1",
        **{name: os.environ[name] for name in FROM_TESTS},
        # Before the environment, which may have an older extension of JupyterLab.
        "JUPYTER_PATH": f"{home / 'data'}{os.pathsep}{os.environ['JUPYTER_PATH']}",
    }


c.Spawner.pre_spawn_hook = prepare

c.JupyterHub.api_page_default_limit = 1  # programs have to ask for more pages

PROGRAMS = {
    "idle-culler": [
        "-m",
        "jupyterhub_idle_culler",
        f"--timeout={os.environ['CULL_TIMEOUT']}",
        "--cull-every=3",
    ],
    "prometheus": [
        str(EXAMPLES / "prometheus_users.py"),
        c.JupyterHub.bind_url.removeprefix("http://"),
        str(FOLDER / "jupyterhub-users.json"),
        f"--every={os.environ['LIST_EVERY']}",
    ],
}
for service in c.JupyterHub.services:
    if service["name"] in PROGRAMS:
        service["command"] = [sys.executable, *PROGRAMS[service["name"]]]

c.JupyterHub.services = [
    *c.JupyterHub.services,
    {"name": "stranger", "api_token": os.environ["STRANGER_TOKEN"]},
    {"name": "admin", "api_token": os.environ["ADMIN_TOKEN"], "admin": True},
]
