"""A set of ids with its holes."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from booktape.model.id_sets import IdSet


@given(st.lists(st.integers(0, 60)))
def test_ids_are_a_set_with_its_holes(numbers: Sequence[int]) -> None:
    ids, model = IdSet(), set[int]()
    for number in numbers:
        assert ids.add(number) == (number not in model)
        model.add(number)
    if model:
        whole = set(range(min(model), max(model) + 1))
        holes = [number for number in whole - model if number - 1 in model]
        assert (ids.first, ids.last, len(ids)) == (min(model), max(model), len(model))
        assert (ids.missing, ids.gaps) == (len(whole - model), len(holes))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 10))))
def test_ranges_are_added_and_taken_out_as_their_ids_would_be(changes: Sequence[tuple[bool, int, int]]) -> None:
    ids, model = IdSet(), set[int]()
    for adds, first, length in changes:
        if adds:
            ids.cover(first, first + length)
            model |= set(range(first, first + length + 1))
        else:
            ids.remove(first, first + length)
            model -= set(range(first, first + length + 1))
    ranges = ids.ranges()
    assert [number for first, last in ranges for number in range(first, last + 1)] == sorted(model)
    assert all(after - last > 1 for (_, last), (after, _) in pairwise(ranges))
    assert [n for first, last in ids.within(10, 20) for n in range(first, last + 1)] == sorted(
        model & set(range(10, 21))
    )
    assert [number for number in range(60) if number in ids] == sorted(model)
