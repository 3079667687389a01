"""Let Prometheus read the metrics of all users' servers (see docs/monitoring.md).

In jupyterhub_config.py: ``load_subconfig("/etc/jupyterhub/jupyterhub_prometheus.py")``.
"""

import os
import sys

c = get_config()  # noqa: F821 - JupyterHub defines it

# The hub runs the program, which lists the users' servers in a file for prometheus.yml.
c.JupyterHub.services.append(
    {
        "name": "prometheus",
        "api_token": os.environ["PROMETHEUS_TOKEN"],  # also in credentials_file of prometheus.yml
        "command": [
            sys.executable,
            "/etc/jupyterhub/prometheus_users.py",
            "hub.example.org",
            "/etc/prometheus/jupyterhub-users.json",
        ],
    }
)
c.JupyterHub.load_roles.append(
    {
        "name": "prometheus",
        "services": ["prometheus"],
        # The first one opens the servers, of all users or of some: access:servers!group=students.
        "scopes": ["access:servers", "list:users", "read:servers"],
    }
)
# Servers report their activity themselves. The hub would also count requests that pass its proxy,
# and so take a server that Prometheus reads for one that is used: the culler would not stop it.
c.JupyterHub.last_activity_interval = 0
