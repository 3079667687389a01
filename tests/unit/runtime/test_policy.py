from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from a3s_power_jupyter.runtime.policy import Candidate, Evict, Fits, Refuse, Wait, decide


def place(name: str, last_used: float = 0, memory: int = 10, **state: bool) -> Candidate:
    return Candidate(name, memory, last_used, state.get("busy", False), state.get("pinned", False))


def test_a_free_place_is_taken() -> None:
    assert decide([place("a")], need=5, free=5, max_models=2) == Fits()


def test_no_limit_on_places_at_zero() -> None:
    assert decide([place(str(i)) for i in range(9)], need=5, free=5, max_models=0) == Fits()


def test_the_least_recently_used_goes() -> None:
    loaded = [place("new", 3), place("old", 1), place("middle", 2)]
    assert decide(loaded, need=0, free=100, max_models=3) == Evict(("old",))


def test_as_many_go_as_the_memory_needs_and_no_more() -> None:
    loaded = [place("a", 1), place("b", 2), place("c", 3)]
    assert decide(loaded, need=25, free=10, max_models=0) == Evict(("a", "b"))


def test_busy_and_pinned_models_stay() -> None:
    loaded = [place("busy", 1, busy=True), place("pinned", 2, pinned=True), place("idle", 3)]
    assert decide(loaded, need=0, free=0, max_models=3) == Evict(("idle",))


def test_the_newcomer_waits_for_a_busy_model() -> None:
    assert decide([place("a", busy=True)], need=0, free=0, max_models=1) == Wait()


def test_nothing_is_evicted_while_that_would_not_be_enough() -> None:
    loaded = [place("idle", 1), place("busy", 2, busy=True)]
    assert decide(loaded, need=30, free=10, max_models=0) == Wait()


def test_no_room_when_all_are_pinned() -> None:
    assert decide([place("a", pinned=True)], need=0, free=0, max_models=1) == Refuse(False)


def test_no_room_when_the_machine_is_too_small() -> None:
    assert decide([place("a")], need=100, free=10, max_models=0) == Refuse(out_of_memory=True)


candidates = st.lists(
    st.builds(
        Candidate,
        name=st.uuids().map(str),
        memory=st.integers(0, 100),
        last_used=st.floats(0, 100),
        busy=st.booleans(),
        pinned=st.booleans(),
    ),
    max_size=8,
)


@given(candidates, st.integers(0, 300), st.integers(-50, 300), st.integers(0, 8))
def test_an_eviction_takes_only_idle_models_and_is_enough(
    loaded: list[Candidate], need: int, free: int, max_models: int
) -> None:
    decision = decide(loaded, need=need, free=free, max_models=max_models)
    if not isinstance(decision, Evict):
        return
    gone = [p for p in loaded if p.name in decision.names]
    assert not any(p.busy or p.pinned for p in gone)

    def after(evicted: list[Candidate]) -> object:
        left = [p for p in loaded if p not in evicted]
        freed = free + sum(p.memory for p in evicted)
        return decide(left, need=need, free=freed, max_models=max_models)

    assert after(gone) == Fits()
    most_recent = max(gone, key=lambda p: decision.names.index(p.name))
    assert after([p for p in gone if p is not most_recent]) != Fits()
