"""Which card each of several processes takes; what they say to each other is tried in `tests/experiments`."""

from __future__ import annotations

import signal

import pytest
import torch

from adrec_cli.errors import DivergedError, Stopped, UsageError
from adrec_cli.training.several_processes import SeveralProcesses


def process(*, here: int, number: int) -> SeveralProcesses:
    """One of some on a machine, that has met nobody."""
    one = SeveralProcesses.__new__(SeveralProcesses)
    one.here, one._local_rank, one._own_card = here, number, True
    return one


@pytest.fixture
def taken(monkeypatch) -> list[int]:
    """The cards that processes take."""
    cards: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", cards.append)
    return cards


class Elsewhere(torch.Tensor):
    """A tensor that is on a card as far as one can see here."""

    def cpu(self) -> torch.Tensor:
        return torch.zeros(1)


@pytest.mark.parametrize("cards", range(4))
@pytest.mark.parametrize("here", [1, 2, 3])
@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:0", "cpu"])
def test_each_takes_a_card_of_its_own_or_the_one_that_is_named(cards, here, name, taken, monkeypatch):
    """Of a card that is shared, everything goes through the host."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    own = cards > 0 and name in ("auto", "cuda")
    for number in range(here):
        one = process(here=here, number=number)
        if own and cards < here:
            with pytest.raises(UsageError, match=f"{here} processes on a machine with {cards} cards"):
                one.choose_device(name)
            continue
        assert one.choose_device(name) == (f"cuda:{number}" if own else name)
        assert isinstance(one._as_sent(Elsewhere()), Elsewhere) is own
    assert taken == (list(range(here)) if own and cards >= here else [])


@pytest.mark.parametrize("own", [True, False])
def test_what_goes_wrong_here_is_said_although_the_others_are_gone(own, monkeypatch):
    one = process(here=2, number=0)
    one.lost = False

    def lose(_content: bytes) -> list[bytes]:
        one.lost = True
        raise Stopped("another one is gone", signal_number=signal.SIGTERM)

    monkeypatch.setattr(one, "_gather_bytes", lose)

    def compute() -> None:
        if own:
            raise DivergedError("a loss is nan")

    with pytest.raises(DivergedError if own else Stopped, match="a loss is nan" if own else "is gone"):
        one.gather(compute)
    assert one.lost
