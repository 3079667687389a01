"""Send requests that Schemathesis derives from rest-api.yml, valid and invalid ones.

Each reply is an answer or an error, and has the form that the document gives it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis import Case

from support.fuzzing import Attack
from support.rest_document import load_document, problem_of

#: Their replies have no end.
ENDLESS = {"/v1/events"}
MODELS = ["good", "none", "a/b:c"]


def test_requests_from_the_document(attack: Attack) -> None:
    document = load_document()
    schema = schemathesis.openapi.from_dict(document)
    operations = [result.ok() for result in schema.get_all_operations()]
    operations = [operation for operation in operations if operation.path not in ENDLESS]
    while attack.running:
        attack.random.shuffle(operations)
        for operation in operations:
            for mode in schemathesis.GenerationMode:
                if attack.running:
                    cases = operation.as_strategy(generation_mode=mode)
                    _each(cases, attack.random.random(), lambda case: _send(attack, document, case))


def _each(cases: Any, seed: float, send: Callable[[Case], None]) -> None:
    """Call a function with a few examples of a strategy."""
    settings = hypothesis.settings(
        max_examples=8,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    hypothesis.seed(seed)(settings(hypothesis.given(cases)(send)))()


#: Routes that would change the model of the bystander.
CHANGING = ("/api/delete", "/api/pull", "/api/create", "/api/copy")


def _limited(body: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a body for a short answer."""
    if path.startswith("/api/"):
        options = body.get("options")
        if not isinstance(options, dict):
            return body
        return {**body, "options": {**options, "num_predict": 4}}
    name = "max_output_tokens" if path.startswith("/v1/responses") else "max_tokens"
    return {**body, name: 4}


def _send(attack: Attack, document: dict[str, Any], case: Case) -> None:
    body = case.body
    if isinstance(body, dict) and "model" in body:
        if case.operation.path not in CHANGING:
            body = {**body, "model": attack.random.choice([*MODELS, body["model"]])}
        body = _limited(body, case.operation.path)
    if isinstance(body, dict) and body.get("stream"):
        body = {**body, "stream": attack.random.choice([True, False, body["stream"]])}
    path = case.formatted_path.lstrip("/")
    # A pull or a load of the model would change the bystander's answers.
    if path.startswith("v1/models/good"):
        return
    if path in ("api/delete", "api/create") and isinstance(body, dict):
        body = {**body, "model": "none"}
    arguments: dict[str, Any] = {}
    if not isinstance(body, schemathesis.core.NotSet):
        arguments["content"] = body if isinstance(body, bytes) else json.dumps(body)
        arguments["headers"] = {"Content-Type": "application/json"}
    if isinstance(case.query, dict):
        arguments["params"] = {k: str(v) for k, v in case.query.items() if k != "token"}
    what = f"{case.method} {path} {str(arguments)[:500]}"
    reply = attack.send(case.method, path, what, **arguments)
    if "{name}" not in case.operation.path:  # a name may be that of another route
        problem = problem_of(document, case.operation.path, case.method, reply)
        assert problem is None, f"{what}: {reply.status_code} {problem}"
