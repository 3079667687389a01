"""Test which replica a request belongs to."""

from __future__ import annotations

from a3s_power_jupyter.ray.sessions import replica_of, session_of

ID = "resp_ab12cd34_" + "0" * 32


def test_turns_of_a_conversation_have_one_session() -> None:
    first = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    answer = [{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "More"}]
    second = first | {"messages": [*first["messages"], *answer]}
    assert session_of("/v1/chat/completions", "", first) != ""
    assert session_of("/v1/chat/completions", "", first) == session_of("/chat", "", second)


def test_a_response_names_its_replica() -> None:
    for session in (
        session_of(f"/v1/responses/{ID}", "", {}),
        session_of(f"/responses/{ID}/cancel", "own", {}),
        session_of("/v1/responses", "own", {"previous_response_id": ID}),
    ):
        assert replica_of(session) == "ab12cd34"


def test_clients_cannot_name_a_replica() -> None:
    for own in ("replica:ab12cd34", ID):
        assert replica_of(session_of("/v1/chat/completions", own, {})) is None
    assert replica_of(session_of("/v1/responses", "", {"previous_response_id": "resp_1"})) is None


def test_a_client_chooses_its_session() -> None:
    body = {"model": "m", "prompt": "Hello"}
    assert session_of("/v1/completions", "mine", body) == session_of("/v1/messages", "mine", {})
    assert session_of("/v1/completions", "mine", body) != session_of("/v1/completions", "", body)
