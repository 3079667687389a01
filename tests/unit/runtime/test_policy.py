"""The eviction policy, as a pure function."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from a3s_power_jupyter.runtime.policy import Candidate, Evict, Fits, Refuse, Wait, decide


def candidate(name: str, last_used: float = 0, memory: int = 10, **state: bool) -> Candidate:
    return Candidate(
        name, memory, memory, last_used, state.get("busy", False), state.get("pinned", False)
    )


def test_a_newcomer_fits_below_the_limits() -> None:
    assert decide([candidate("a")], need=5, free=5, room=inf, max_models=2) == Fits()


def test_max_models_zero_means_no_limit() -> None:
    assert (
        decide([candidate(str(i)) for i in range(9)], need=5, free=5, room=inf, max_models=0)
        == Fits()
    )


def test_the_least_recently_used_model_is_evicted() -> None:
    loaded = [candidate("new", 3), candidate("old", 1), candidate("middle", 2)]
    assert decide(loaded, need=0, free=100, room=inf, max_models=3) == Evict(("old",))


def test_no_more_models_are_evicted_than_necessary() -> None:
    loaded = [candidate("a", 1), candidate("b", 2), candidate("c", 3)]
    assert decide(loaded, need=25, free=10, room=inf, max_models=0) == Evict(("a", "b"))


def test_busy_and_pinned_models_are_not_evicted() -> None:
    loaded = [
        candidate("busy", 1, busy=True),
        candidate("pinned", 2, pinned=True),
        candidate("idle", 3),
    ]
    assert decide(loaded, need=0, free=0, room=inf, max_models=3) == Evict(("idle",))


def test_the_newcomer_waits_for_a_busy_model() -> None:
    assert decide([candidate("a", busy=True)], need=0, free=0, room=inf, max_models=1) == Wait()


def test_no_idle_model_is_evicted_if_a_busy_one_is_needed_as_well() -> None:
    loaded = [candidate("idle", 1), candidate("busy", 2, busy=True)]
    assert decide(loaded, need=30, free=10, room=inf, max_models=0) == Wait()


def test_a_newcomer_is_refused_if_all_models_are_pinned() -> None:
    assert decide([candidate("a", pinned=True)], need=0, free=0, room=inf, max_models=1) == Refuse(
        out_of_memory=False
    )


def test_an_eviction_frees_what_the_model_has_taken_beyond_its_size() -> None:
    grown = Candidate("a", memory=10, frees=40, last_used=0, busy=False, pinned=False)
    assert decide([grown], need=40, free=5, room=inf, max_models=0) == Evict(("a",))


def test_a_limit_on_the_sizes_does_not_count_what_models_have_taken_beyond() -> None:
    grown = Candidate("a", memory=10, frees=40, last_used=0, busy=False, pinned=False)
    refused = decide([grown], need=40, free=100, room=20, max_models=0)
    assert refused == Refuse(out_of_memory=True)
    assert decide([grown], need=30, free=100, room=20, max_models=0) == Evict(("a",))


def test_a_newcomer_is_refused_if_the_memory_is_too_small() -> None:
    assert decide([candidate("a")], need=100, free=10, room=inf, max_models=0) == Refuse(
        out_of_memory=True
    )


candidates = st.lists(
    st.builds(
        Candidate,
        name=st.uuids().map(str),
        memory=st.integers(0, 100),
        frees=st.integers(0, 150),
        last_used=st.floats(0, 100),
        busy=st.booleans(),
        pinned=st.booleans(),
    ),
    max_size=8,
)


room = st.integers(-50, 300) | st.just(inf)


@given(candidates, st.integers(0, 300), st.integers(-50, 300), room, st.integers(0, 8))
def test_an_eviction_is_sufficient_minimal_and_limited_to_idle_models(
    loaded: list[Candidate], need: int, free: int, room: float, max_models: int
) -> None:
    decision = decide(loaded, need=need, free=free, room=room, max_models=max_models)
    if not isinstance(decision, Evict):
        return
    victims = [c for c in loaded if c.name in decision.names]
    assert not any(c.busy or c.pinned for c in victims)

    def decide_without(evicted: list[Candidate]) -> object:
        remaining = [c for c in loaded if c not in evicted]
        freed = free + sum(c.frees for c in evicted)
        left = room + sum(c.memory for c in evicted)
        return decide(remaining, need=need, free=freed, room=left, max_models=max_models)

    assert decide_without(victims) == Fits()
    last = max(victims, key=lambda c: decision.names.index(c.name))
    assert decide_without([c for c in victims if c is not last]) != Fits()
