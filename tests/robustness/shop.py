"""A shop whose events are known outside of adrec: what a data set must hold can be counted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import polars as pl

from adrec_cli.artifacts.dataset import verify_dataset
from adrec_cli.artifacts.manifest import read_manifest
from tests.robustness.processes import TINY, Ended, typed_here

NIGHT = [*TINY, "--tolerance", "1", "--quiet"]
Event = tuple[str, str, int]


class Shop:
    """A workspace, a folder for files, and commands typed in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = folder / "workspace"
        self.inbox = folder / "incoming"
        self.inbox.mkdir(parents=True, exist_ok=True)

    @property
    def dataset(self) -> Path:
        return self.workspace / "shop"

    def types(self, *arguments: object) -> Ended:
        return typed_here([*arguments, "--workspace", self.workspace])

    def makes(self, name: str = "shop.csv", users: range = range(40), day: int = 0) -> Path:
        """Preprocess a first file."""
        path = write_events(self.folder / name, events_of(users, day))
        assert self.types("preprocess", path, "--name", "shop").exit_code == 0
        return path

    def arrives(self, name: str, events: list[Event]) -> Path:
        """Put a file into the inbox."""
        return write_events(self.inbox / name, events)

    def night(self, *more: object) -> Ended:
        return self.types("run", "shop", "--inbox", self.inbox, *NIGHT, *more)

    def holds(self) -> Counter[Event]:
        """Return every event of the data set, read without adrec."""
        return events_in(self.dataset)

    def holds_as_read(self) -> Counter[Event]:
        """Return the same as adrec reads it, also between two moves of a killed change."""
        manifest = read_manifest(self.dataset)
        files = verify_dataset(self.dataset, manifest)
        return events_of_files(files.sequences, files.items)

    def manifest(self) -> dict:
        return json.loads((self.dataset / "manifest.json").read_text())

    def generations(self) -> list[int]:
        return sorted(int(path.name) for path in (self.dataset / "generations").glob("[0-9]*"))


def events_in(dataset: Path) -> Counter[Event]:
    return events_of_files(dataset / "sequences.parquet", dataset / "items.parquet")


def events_of_files(sequences: Path, items_file: Path) -> Counter[Event]:
    items = pl.read_parquet(items_file)["item_id"].to_list()
    rows = pl.read_parquet(sequences, columns=["user_id", "items", "timestamps"]).rows()
    return Counter(
        (user, items[item - 1], time // 1_000_000)
        for user, bought, times in rows
        for item, time in zip(bought, times, strict=True)
    )


def events_of(users: range, day: int, *, items: int = 12, each: int = 4) -> list[Event]:
    """Return events of a day, no two alike, also with those of other days."""
    return [
        (f"u{user}", f"i{(user * 7 + event * 3 + day) % items}", 1_600_000_000 + day * 86_400 + event * 60)
        for user in users
        for event in range(each)
    ]


def write_events(path: Path, events: list[Event]) -> Path:
    lines = ["user_id,item_id,timestamp", *(",".join(map(str, event)) for event in events)]
    path.write_text("\n".join(lines) + "\n")
    return path
