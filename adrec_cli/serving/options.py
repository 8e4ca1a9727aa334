"""How models are served, and what a request may ask for: what a user can choose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from adrec_cli.choices import choice, embed, require_allowed
from adrec_cli.errors import UsageError
from adrec_cli.models.sampling import FAST_SAMPLING, RANKING, Sampling
from adrec_cli.ranking.samples import SINGLE, Merging
from adrec_cli.runtime import device_choice, threads_choice
from adrec_cli.wording import flag, option

LIMITS: Final = "Limits"
"""The panel of the help that lists what a request may ask for."""
_LONGEST: Final = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a request may ask for.

    Attributes:
        body: bytes.
        k: items.
        history: items given, also as candidates or to exclude.
        users: of one request.
        batch: questions answered together.
        waiting: questions in the queue; one more is refused with "try again later".
    """

    k: int = choice(
        1_000,
        int,
        "Maximum number of items in an answer.",
        key="max_k",
        metavar="N",
        panel=LIMITS,
        least=1,
        most=1_000_000,
    )
    history: int = choice(
        10_000,
        int,
        "Maximum number of items in a history or a list.",
        key="max_history",
        metavar="N",
        panel=LIMITS,
        least=1,
        most=10_000_000,
    )
    users: int = choice(
        100,
        int,
        "Maximum number of users in a request.",
        key="max_users",
        metavar="N",
        panel=LIMITS,
        least=1,
        most=100_000,
    )
    body: int = choice(
        1_000_000,
        int,
        "Maximum size of a request body.",
        key="max_body",
        metavar="BYTES",
        panel=LIMITS,
        least=1,
        most=2**30,
    )
    batch: int = choice(
        64,
        int,
        "Maximum number of questions answered together.",
        key="max_batch",
        metavar="N",
        panel=LIMITS,
        least=1,
        most=1_000_000,
    )
    waiting: int = choice(
        1_024,
        int,
        "Maximum number of waiting questions; further ones are answered with 503.",
        key="max_waiting",
        metavar="N",
        panel=LIMITS,
        least=1,
        most=1_000_000,
    )

    def __post_init__(self) -> None:
        require_allowed(self)


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """How to serve.

    Attributes:
        host, port: to listen on.
        workers: processes that share the port, each with the model in memory.
        allowed_hosts: further names by which requests may call the server.
        limits: of requests.
        connections: at once, in each process.
        client_seconds: a client may take for its headers, for its body, and for taking an answer.
        grace: seconds that requests under way have once a signal to end has come.
        sampling: of a diffusion model, without noise unless it says another.
        temperature: of noise common to all; None draws it where there are several samples.
        merging: how many samples, and how they become one list.
        poll_seconds: between looks for a newly promoted model.
        new_items: file of items that came after the training; read again when it changes.
        ui: serve pages to look at, too.
        beside: model or checkpoint whose lists the page shows beside the served one's; None for none.
        exact: score all items, also where the promoted model has an index.
        device, threads: to compute on.
    """

    host: str = choice("127.0.0.1", str, "Address to listen on.", metavar="ADDRESS", usual=True)
    port: int = choice(8000, int, "Port to listen on.", metavar="N", least=0, most=65_535, usual=True)
    allowed_hosts: tuple[str, ...] = choice(
        (),
        list[str],
        "Name by which a request may call the server; repeatable; * allows all. [default: addresses, localhost, "
        f"{flag('host')} and the name of this machine, which are always allowed]",
        metavar="NAME",
        usual=True,
    )
    workers: int = choice(
        1, int, "Number of processes that share the port.", metavar="N", least=1, most=256, usual=True
    )
    grace: float = choice(
        10.0,
        float,
        "Time for open requests after SIGTERM or Ctrl-C.",
        metavar="SECONDS",
        least=0,
        most=_LONGEST,
        usual=True,
    )
    new_items: Path | None = choice(
        None,
        Path,
        "File of items that came after the training; read again when it changes.",
        metavar="FILE",
        usual=True,
    )
    ui: bool = choice(
        False, bool, "Serve pages, too: recommendations and their reasons at /, the last nights at /nights.", usual=True
    )
    beside: str | None = choice(
        None, str, "Second model or checkpoint whose lists the page shows beside the first one's.", metavar="NAME"
    )
    limits: Limits = embed(Limits())
    connections: int = choice(
        1_000,
        int,
        "Maximum number of connections per process; further ones are answered with 503.",
        key="max_connections",
        metavar="N",
        panel=LIMITS,
        least=1,
        most=100_000,
    )
    client_seconds: float = choice(
        10.0,
        float,
        "Time limit of a client for its headers, its body, and reading an answer.",
        metavar="SECONDS",
        panel=LIMITS,
        least=0.001,
        most=_LONGEST,
    )
    sampling: Sampling = embed(FAST_SAMPLING, without=("noise", "temperature"), panel=RANKING)
    temperature: float | None = choice(
        None,
        float,
        "Standard deviation of the noise. [default: 0, or 1 with several samples]",
        metavar="X",
        panel=RANKING,
    )
    merging: Merging = embed(SINGLE)
    poll_seconds: float = 2.0
    exact: bool = choice(False, bool, "Score all items, even if the promoted model has an index.", panel=RANKING)
    device: str = device_choice()
    threads: int | None = threads_choice()

    def __post_init__(self) -> None:
        require_allowed(self)
        if self.beside is not None and not self.ui:
            raise UsageError(f"{option('beside')} is shown on the page", hint=f"give {option('ui', True)} too")

    @property
    def drawn(self) -> Sampling:
        """The sampling, with noise common to all, so that answers repeat, where one asked for a temperature."""
        asked = self.temperature
        if self.sampling.noise != "zero":
            return self.sampling if asked is None else replace(self.sampling, temperature=asked)
        temperature = float(self.merging.samples > 1) if asked is None else asked
        return replace(self.sampling, noise="common", temperature=temperature) if temperature else self.sampling
