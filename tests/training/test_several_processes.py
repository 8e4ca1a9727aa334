"""Which card each of several processes takes, and what a fault is called; `tests/experiments` tries what they say."""

from __future__ import annotations

import signal

import pytest
import torch
import torch.distributed as dist

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
            with pytest.raises(
                UsageError,
                match=rf"{here} processes on a machine with {cards} card\b" if cards == 1 else f"with {cards} cards",
            ):
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


PAIR = "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:553] "
OF_CONNECTIONS = [
    RuntimeError(PAIR + "Connection closed by peer [127.0.0.1]:32896. This is typically caused by a remote worker ..."),
    RuntimeError(PAIR + "Read error [127.0.0.1]:46822: Connection reset by peer. This is typically caused by ..."),
    RuntimeError("[C:\\gloo\\transport\\uv\\pair.cc:547] Timed out waiting 8000ms for send operation to complete"),
    RuntimeError("[gloo/transport/tcp/unbound_buffer.cc:129] Timed out waiting 8000ms for send operation to complete"),
    RuntimeError("[gloo/rendezvous/store.cc:20] Wait timeout for key(s): 0"),
    dist.DistNetworkError("Broken pipe"),
    dist.DistStoreError("wait timeout after 2000ms, keys: /default_pg/0//never"),
    dist.DistBackendError("NCCL error in: ProcessGroupNCCL.cpp:81, remote process exited or there was a network error\n"
                          "ncclRemoteError: A call failed possibly due to a network error or a remote process exiting"),
]  # fmt: skip
OF_THIS_PROCESS = [
    RuntimeError("[enforce fail at /gloo/gloo/alltoallv.cc:138] inLengthPerRank[myRank] == outLengthPerRank[myRank]. "),
    RuntimeError("[enforce fail at gloo/transport/tcp/pair.cc:450] op.preamble.length <= op.nbytes. 16 vs 12"),
    RuntimeError("Split sizes doesn't match total dim 0 size"),
    RuntimeError("CUDA error: the launch timed out and was terminated"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    dist.DistBackendError("NCCL error in: ProcessGroupNCCL.cpp:81, unhandled cuda error\n"
                          "ncclUnhandledCudaError: Call to CUDA function failed.\n"
                          "Last error:\nCuda failure 2 'out of memory'"),
    dist.DistBackendError("NCCL error in: NCCLUtils.hpp:268, invalid usage\nncclInvalidUsage: This usually reflects "
                          "invalid usage of NCCL library.\nLast error:\nDuplicate GPU detected"),
]  # fmt: skip


@pytest.mark.parametrize("error", [*OF_CONNECTIONS, *OF_THIS_PROCESS], ids=lambda error: str(error)[:60])
def test_only_what_a_connection_raises_is_called_one(error):
    """As PyTorch 2.13 words it, and NCCL 2.2x."""
    one = process(here=2, number=0)
    one.rank, one.count, one.lost = 0, 2, False
    connection = error in OF_CONNECTIONS
    with pytest.raises(RuntimeError if not connection else Stopped) as found, one._reaching():
        raise error
    assert found.value is error or found.value.__cause__ is error
    assert ("cannot reach another one" in str(found.value)) == connection
    assert one.lost, "whatever it was, the others are not where this one is"


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("laid_out", ["in a row", "transposed", "on a card that is shared"])
def test_what_is_shared_comes_to_where_it_is_kept(laid_out, rank, monkeypatch):
    """Also where what is sent is a copy."""
    one = process(here=2, number=rank)
    one.rank, one.count, one.lost = rank, 2, False
    kept = torch.zeros(2, 3).T if laid_out == "transposed" else torch.zeros(3, 2)
    if laid_out == "on a card that is shared":
        monkeypatch.setattr(one, "_as_sent", torch.clone)
    monkeypatch.setattr(dist, "broadcast", lambda sent, src: sent.fill_(7.0) if rank != src else None)
    one.share([kept])
    assert kept.tolist() == [[7.0 if rank else 0.0] * 2] * 3
