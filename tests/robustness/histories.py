"""Random histories of a shop: commands at once over days, killed anywhere, and a ledger of what must be there."""

from __future__ import annotations

import functools
import json
import random
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from adrec_cli.data import inbox as inbox_files
from tests.robustness.customers import Customers, customers_of
from tests.robustness.people import places_of
from tests.robustness.processes import TINY, Running
from tests.robustness.shop import Event, Shop, events_of, write_events
from tests.robustness.test_kill import killed_before_write

QUICK = [*TINY, "--epochs", "1", "--tolerance", "1", "--quiet"]
OTHER = ["--set", "model.hidden_size=8", "--epochs", "1", "--threads", "1", "--tolerance", "1", "--quiet"]
LEAVERS = ["u3", "u11", "u17"]
"""Who may be forgotten; the others are asked for all the time."""
LOCKED, KILLED = 5, -signal.SIGKILL

NIGHT = ["run", "shop", "--inbox", "INBOX", *QUICK]
COMMANDS: dict[str, tuple[list[str], set[int]]] = {
    "night": (NIGHT, {0, 5, 8}),
    "archiving night": ([*NIGHT, "--archive", "ARCHIVE"], {0, 5, 8}),
    "forced night": ([*NIGHT, "--retake", "--force"], {0, 5, 8}),
    "waiting night": ([*NIGHT, "--wait", "60"], {0, 5, 8}),
    "other model": (["run", "shop", "--inbox", "INBOX", "--model", "gru4rec", *OTHER], {0, 5, 8}),
    "rollback": (["rollback", "shop"], {0, 4, 5}),
    "rollback of data": (["rollback", "shop", "--data"], {0, 4, 5}),
    "forget": (["forget", "shop", "--user", "LEAVER"], {0, 5}),
    "forget and retrain": (["forget", "shop", "--user", "LEAVER", "--retrain", "--threads", "1"], {0, 5}),
    "recommend": (["recommend", "--user", "u1", "--dataset", "shop", "--threads", "1"], {0}),
    "batch": (["recommend", "--all", "-k", "3", "--dataset", "shop", "--out", "OUT", "--threads", "1"], {0, 5}),
    "evaluate": (["evaluate", "mostpop", "--dataset", "shop", "--threads", "1"], {0}),
    "clean": (["clean", "--yes"], {0}),
    "train": (["pretrain", "shop", *QUICK[:-3]], {0, 5}),
}
"""What may be typed, and how it may end, if it is not killed."""
WEIGHTS = [6, 2, 2, 2, 1, 2, 4, 2, 1, 4, 2, 2, 2, 1]


def prepare(kill_before: int | None) -> None:
    """Let a night look at files twice in no time, and perhaps kill it before its n-th change of the file system."""
    inbox_files.SETTLING_SECONDS = 0.0
    if kill_before is not None:
        killed_before_write(kill_before)


@dataclass
class Ledger:
    """What is known outside of adrec.

    Attributes:
        files: events of every file that ever arrived, by name.
        gone: users of which nothing may be there.
        doubtful: users whose `forget` was killed: they are there or not, but not half.
        promoted: whether a model was promoted once; it is never gone again.
    """

    files: dict[str, list[Event]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    promoted: bool = False


class History:
    """One shop and what happens to it."""

    def __init__(self, folder: Path, begun: Shop, seed: int) -> None:
        shutil.copytree(begun.folder, folder)
        self.shop = Shop(folder)
        self.random = random.Random(seed)
        self.ledger = Ledger(files={"shop.csv": events_of(range(24), 0)}, promoted=True)
        self.log: list[str] = []
        self.killed = 0
        self.customers: Customers | None = None

    def require_served_through(self, days: int, seed: int, neighbour: str = "") -> None:
        """Live through days with a server that customers ask all the time; it ends in good order.

        Args:
            days, seed: of the history.
            neighbour: data set in the same workspace that is served too and to which nothing happens.
        """
        with customers_of(self.shop, seed, neighbour) as self.customers:
            self.require_whole_through(days)
            self.customers.end()

    def require_whole_through(self, days: int) -> None:
        """Live through days, and check after each; then a quiet night must bring everything in."""
        for day in range(1, days + 1):
            for _ in range(self.random.choice([0, 1, 1, 2])):
                self.file_arrives(day)
            self.commands_at_once()
            self.require_whole()
        self.file_arrives(days + 1)
        ended = self.shop.types(*[self._word(word) for word in NIGHT])
        assert ended.exit_code in (0, 8), ended.stderr
        manifest = self.require_whole()
        self.require_nothing_lost(manifest)

    def file_arrives(self, day: int) -> None:
        """Put a file into the inbox, whole at once."""
        name = f"day{day:02}-{len(self.ledger.files):02}.csv"
        first = self.random.randrange(18)
        events = events_of(range(first, first + 8), len(self.ledger.files), each=2)
        self.ledger.files[name] = events
        write_events(self.shop.inbox / f".{name}", events).rename(self.shop.inbox / name)

    def commands_at_once(self) -> None:
        """Type two to four commands at once, and kill some of them."""
        names = self.random.choices(list(COMMANDS), WEIGHTS, k=self.random.randint(2, 4))
        running: list[tuple[str, str, Running, float]] = []
        for name in names:
            leaver = self.random.choice(LEAVERS)
            kill_before = self.random.randrange(60) if self.random.random() < 0.25 else None
            line = [self._word(word, leaver) for word in COMMANDS[name][0]]
            self.log.append(f"{' '.join(map(str, line))} (killed before change {kill_before})")
            started = Running(
                [*line, "--workspace", self.shop.workspace], self.shop.folder, functools.partial(prepare, kill_before)
            )
            moment = self.random.random() * 0.5 if self.random.random() < 0.2 else float("inf")
            running.append((name, leaver, started, time.monotonic() + moment))
        meddling = time.monotonic()
        while any(process.process.is_alive() for _, _, process, _ in running):
            for _, _, process, moment in running:
                if process.process.is_alive() and time.monotonic() > moment:
                    process.send(signal.SIGKILL)
            if self.customers is not None and time.monotonic() > meddling:
                meddling = time.monotonic() + 1
                self.log += [f"  server: {done}" for done in [self.customers.meddle()] if done]
            time.sleep(0.01)
        for name, leaver, process, _ in running:
            self._note_end(name, leaver, process)

    def _note_end(self, name: str, leaver: str, process: Running) -> None:
        ended = process.ended()
        self.log.append(f"  {name}: {ended.exit_code}")
        if ended.exit_code == KILLED:
            self.killed += 1
            if name.startswith("forget"):
                self.ledger.doubtful.add(leaver)
            return
        assert ended.exit_code in COMMANDS[name][1], (name, ended.exit_code, ended.stderr, self.log)
        assert "Traceback" not in ended.stderr
        if name.startswith("forget") and ended.exit_code == 0:
            self.ledger.gone.add(leaver)

    def _word(self, word: str, leaver: str = "") -> object:
        places = {
            "INBOX": self.shop.inbox, "ARCHIVE": self.shop.folder / "archive", "LEAVER": leaver,
            "OUT": self.shop.workspace / "recs.jsonl",
        }  # fmt: skip
        return places.get(word, word)

    def require_whole(self) -> dict:
        """Check all that must hold after anything."""
        verified = self.shop.types("verify", "--json")
        assert verified.exit_code == 0, (verified.stdout, self.log)
        manifest = self.shop.manifest()
        names = [source["name"] for source in manifest["sources"]]
        assert len(set(names)) == len(names), self.log
        held = self.shop.holds_as_read()
        assert max(held.values()) == 1, ("an event was doubled", self.log)
        present = {user for user, _, _ in held}
        assert not present & self.ledger.gone, self.log
        left = self.ledger.gone | {user for user in self.ledger.doubtful if user not in present}
        expected = Counter(event for name in names for event in self.ledger.files[name] if event[0] not in left)
        assert held == expected, ("events were lost or came from nowhere", self.log)
        withdrawn = {source["name"] for source in manifest["withdrawn"]}
        assert not withdrawn & set(names), self.log
        for user in self.ledger.gone - self.ledger.doubtful:
            assert not places_of(self.shop.workspace, user), (user, self.log)
        answered = self.shop.types("recommend", "--user", "u1", "--dataset", "shop", "--threads", 1, "--json")
        assert answered.exit_code == 0, (answered.stderr, self.log)
        assert json.loads(answered.stdout)["promoted"] or not self.ledger.promoted
        if self.customers is not None:
            self.customers.require_served(self.ledger.gone - self.ledger.doubtful, self.log)
        return manifest

    def require_nothing_lost(self, manifest: dict) -> None:
        """After a quiet night every file that ever arrived is in the data set or withdrawn, and where it was put."""
        names = {source["name"] for source in (*manifest["sources"], *manifest["withdrawn"])}
        assert names == set(self.ledger.files), self.log
        kept = {path.name for place in (self.shop.inbox, self.shop.folder / "archive") for path in place.glob("*.csv")}
        assert kept | {"shop.csv"} == set(self.ledger.files), self.log
