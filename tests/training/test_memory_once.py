"""Memory that one process fills and another uses: the same content, in memory once, and never another's."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed.distributed_c10d import PrefixStore

from adrec_cli.training.memory_once import CAN_BE_SHARED, MemoryOnce

pytestmark = pytest.mark.skipif(not CAN_BE_SHARED, reason="memory is shared on Linux only")


class Gone(Exception):
    """A connection that has failed."""


@pytest.fixture
def two() -> tuple[MemoryOnce, MemoryOnce]:
    return make_two()


def make_two() -> tuple[MemoryOnce, MemoryOnce]:
    """Two that reach each other."""
    store = PrefixStore("test", dist.HashStore())
    return MemoryOnce(store, contextlib.nullcontext), MemoryOnce(store, contextlib.nullcontext)


def filling(value: int, found: str = "sha") -> Callable[[Sequence[np.ndarray]], str]:
    def fill(content: Sequence[np.ndarray]) -> str:
        for number, stretch in enumerate(content):
            stretch[:] = value + number
        return found

    return fill


def never(_content: object) -> str:
    raise AssertionError("what is there is not filled again")


def find_maps(array: np.ndarray) -> list[str]:
    """Return the maps of files without a name that an array lies in, as the system tells them."""
    begin = array.ctypes.data
    with open("/proc/self/maps") as file:
        return [
            line for line in file
            if "memfd:adrec" in line and int(line.split("-")[0], 16) <= begin < int(line.split()[0].split("-")[1], 16)
        ]  # fmt: skip


@given(sizes=st.lists(st.integers(0, 300), max_size=6))
def test_the_second_has_what_the_first_has_filled(sizes: list[int]) -> None:
    first, second = make_two()
    for once, fill in ((first, filling(7)), (second, never)):
        found = once("a", sizes, fill)
        assert found is not None
        content, said = found
        assert said == "sha"
        assert [stretch.tolist() for stretch in content] == [[7 + at] * size for at, size in enumerate(sizes)]
        assert all(stretch.ctypes.data % 64 == 0 for stretch in content if len(stretch))
    first.release()


def test_both_lie_in_the_same_memory_and_neither_sees_what_the_other_writes(two) -> None:
    (mine,), _ = two[0]("a", [5000], filling(1))
    (yours,), _ = two[1]("a", [5000], never)
    assert find_maps(mine)[0].split()[4] == find_maps(yours)[0].split()[4], "of the same inode"
    mine[:] = 9
    assert yours.tolist() == [1] * 5000
    yours[0] = 5
    assert mine[0] == 9


def test_nobody_changes_it_once_it_is_filled(two) -> None:
    two[0]("a", [10], filling(1))
    (descriptor,) = two[0]._held
    for change in (lambda: os.pwrite(descriptor, b"x", 0), lambda: os.truncate(descriptor, 0)):
        with pytest.raises(PermissionError):
            change()


def test_each_content_has_its_own(two) -> None:
    for identity, value in (("a", 1), ("b", 2)):
        two[0](identity, [3], filling(value, identity))
        (found,), said = two[1](identity, [3], never)
        assert (found.tolist(), said) == ([value] * 3, identity)


def test_where_filling_fails_the_other_is_left_to_itself(two) -> None:
    def fail(content: Sequence[np.ndarray]) -> str:
        content[0][:] = 1
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        two[0]("a", [3], fail)
    assert two[1]("a", [3], never) is None


@pytest.mark.parametrize("call", ["memfd_create", "truncate"])
def test_where_the_system_refuses_both_are_left_to_themselves(two, monkeypatch, call) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError("no memory")

    monkeypatch.setattr(os, call, refuse)
    assert two[0]("a", [3], never) is None
    assert two[1]("a", [3], never) is None


def test_what_is_released_is_not_taken_for_another_file_of_the_same_number(two) -> None:
    (mine,), _ = two[0]("a", [3], filling(1))
    (number,) = two[0]._held
    two[0].release()
    other = os.open(os.devnull, os.O_RDONLY)
    os.dup2(other, number)
    assert two[1]("a", [3], never) is None
    for descriptor in {other, number}:
        os.close(descriptor)
    assert two[1]("a", [3], never) is None
    assert mine.tolist() == [1] * 3


def test_the_second_waits_until_it_is_filled(two) -> None:
    going, found = threading.Event(), []

    def fill(content: Sequence[np.ndarray]) -> str:
        going.set()
        content[0][:] = 4
        return "sha"

    def ask() -> None:
        going.wait(10)
        found.append(two[1]("a", [3], never))

    asking = threading.Thread(target=ask)
    asking.start()
    two[0]("a", [3], fill)
    asking.join(10)
    assert found[0][0][0].tolist() == [4] * 3


def test_a_lost_connection_is_raised_as_one() -> None:
    @contextlib.contextmanager
    def reaching():
        raise Gone
        yield

    with pytest.raises(Gone):
        MemoryOnce(PrefixStore("test", dist.HashStore()), reaching)("a", [3], never)
