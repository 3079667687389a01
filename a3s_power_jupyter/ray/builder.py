"""Build the Serve application from its arguments.

Annotations are evaluated here, because Ray Serve takes the type of the arguments from the
signature of `app`.
"""

import os

from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, RequestRouterConfig

from .arguments import Arguments
from .ingress import Ingress
from .replica import Replica

#: Variables of the environment of ``serve run`` that replicas get.
PASSED_ON = ("HF_ENDPOINT", "HF_TOKEN")

#: Requests that one process of the ingress forwards at once. It only waits for them.
_INGRESS_REQUESTS = 10_000

_ROUTER = "a3s_power_jupyter.ray.router.AffinityRouter"


def app(arguments: Arguments) -> Application:
    """Return the application: replicas of the runtime, and an ingress that forwards to them.

    Raises
    ------
    ValueError
        If the variable ``JUPYTER_TOKEN`` has no token.
    """
    token = os.environ.get("JUPYTER_TOKEN", "").strip()
    if not token:
        raise ValueError(
            "JUPYTER_TOKEN is not set. Set it to the token that clients have to send, in the "
            "environment of `serve run`, or in runtime_env.env_vars of a Serve config file."
        )
    environment = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
    replica = serve.deployment(
        Replica,
        name="Replica",
        ray_actor_options=arguments.resources(),
        max_ongoing_requests=arguments.max_ongoing_requests,
        max_queued_requests=arguments.max_queued_requests,
        autoscaling_config=AutoscalingConfig(
            min_replicas=arguments.min_replicas,
            max_replicas=arguments.max_replicas,
            target_ongoing_requests=arguments.target_ongoing_requests,
            upscale_delay_s=arguments.upscale_delay_s,
            downscale_delay_s=arguments.downscale_delay_s,
        ),
        graceful_shutdown_timeout_s=arguments.graceful_shutdown_timeout_s,
        request_router_config=RequestRouterConfig(request_router_class=_ROUTER),
    )
    ingress = serve.deployment(
        serve.ingress()(Ingress),
        name="Ingress",
        num_replicas=arguments.ingress_replicas,
        ray_actor_options={"num_cpus": 0},
        max_ongoing_requests=_INGRESS_REQUESTS,
        graceful_shutdown_timeout_s=arguments.graceful_shutdown_timeout_s,
    )
    replicas = replica.bind(arguments, token, environment)
    return ingress.bind(replicas, token, int(arguments.max_request_mb * 2**20))
