"""A shop as plain lists, what is asked of its model, and what every item scores for one history at a time."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from adrec_cli.loading.making_ready import Opening
from adrec_cli.loading.recommender import MODEL, POPULAR
from adrec_cli.models.registry import find_facts
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.samples import Merging
from adrec_cli.serving.choice import Choice
from tests.pipeline.agreement.cases import Values
from tests.reference.lists import merge_ranks, require_best, score_everything
from tests.robustness.processes import Ended, typed_here

USERS, ITEMS, DEPTH, NEAR = 24, 30, 8, 2e-4
CATEGORIES = ("tea", "coffee", "Böcker")
"""Few, so that items of one content score alike."""
SMALL = {
    "hidden_size": 8, "heads": 1, "cam_blocks": 1, "adm_blocks": 1, "blocks": 1, "diffusion_steps": 3, "gru_size": 8,
}  # fmt: skip


class Shop:
    """A log, what is known of its items, and a model of it, as plain lists."""

    def __init__(self, made: Values, folder: Path, seed: int) -> None:
        self.made, self.folder, self.workspace = made, folder, folder / "ws"
        self.random = random.Random(seed)
        self.categories = {f"i{n}": CATEGORIES[n * n % 5 : n * n % 5 + 1] for n in range(ITEMS + 3)}
        self.events = self.draw_events([f"u{n}" for n in range(USERS)], ITEMS, 1_600_000_000)
        self.write(folder / "shop.csv", self.events)
        with open(folder / "products.csv", "w", newline="", encoding="utf-8") as file:
            rows = [(item, "|".join(names)) for item, names in self.categories.items()]
            csv.writer(file).writerows([("item_id", "category"), *rows])

    def draw_events(self, users: list[str], items: int, begin: int) -> list[tuple[str, str, int]]:
        events = []
        for user in users:
            time = begin
            for _ in range(self.random.choice([1, 2, 4, 9])):
                events.append((user, f"i{int(items * self.random.random() ** 2)}", time))
                # Equal times stay in the order of the file, and equal events may be one.
                events += events[-1:] * (self.random.random() < 0.1)
                time += self.random.choice([0, 60, 90_000])
        self.random.shuffle(users)
        return sorted(events, key=lambda event: users.index(event[0]))

    def write(self, path: Path, events: list[tuple[str, str, int]]) -> None:
        with open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("user_id", "item_id", "timestamp"), *events])

    def type(self, *arguments: object) -> Ended:
        done = typed_here([*arguments, "--workspace", self.workspace])
        assert done.exit_code == 0, (arguments, done.stderr)
        return done

    def train(self) -> None:
        """Make the data set and the model, which is promoted."""
        reading = ["--items", self.folder / "products.csv", "--min-interactions", 0, "--split", self.made["split"]]
        moments = ["--valid-from", "2020-09-14", "--test-from", "2020-09-15"] * (self.made["split"] == "time")
        duplicates = ["--duplicates", self.made["duplicates"]]
        self.type("preprocess", self.folder / "shop.csv", *reading, *moments, *duplicates)
        if self.made["content"] != "none":
            self.type("encode", "shop", "--encoder", "categories=category")
        known = find_facts(self.made["model"]).config_type.__dataclass_fields__
        options = {name: value for name, value in {**SMALL, **self.made}.items() if name in known}
        words = [word for name, value in options.items() for word in ("--set", f"model.{name}={value}")]
        short = ["--epochs", 1, "--learning-rate", 0.05, "--threads", 1, "--batch-size", 16]
        self.type("run", "shop", "--model", self.made["model"], *words, *short)

    def grow(self) -> None:
        """Let the data set have newer events than the model, of new users and items too."""
        if self.made["updated"]:
            newest = self.draw_events(["u1", "u2", "new"], ITEMS + 3, 1_700_000_000)
            self.write(self.folder / "newest.csv", newest)
            self.type("preprocess", self.folder / "newest.csv", "--update", "shop")
            self.events += newest

    def histories(self) -> dict[str, list[tuple[str, int]]]:
        """Return item and time of each user's events, oldest first."""
        found: dict[str, list[tuple[str, int]]] = {}
        for user, item, time in sorted(self.events, key=lambda event: event[2]):
            history = found.setdefault(user, [])
            if self.made["duplicates"] == "keep" or (item, time) not in history:
                history.append((item, time))
        return found


class Asked:
    """A wish with the items it is about, as each way to ask takes it."""

    def __init__(self, wish: Values, shop: Shop) -> None:
        self.wish, self.k, self.shop = wish, wish["k"], shop
        self.samples = wish.get("samples", 1)
        self.by_rank = self.samples > 1 and wish["merge"] == "reciprocal-rank"
        drawn = "draws" in wish
        self.sampling = Sampling(steps=wish["steps"], noise=wish["draws"], seed=3) if drawn else Sampling()
        self.merging = Merging(samples=self.samples, merge=wish["merge"]) if drawn else Merging()
        some = [f"i{number}" for number in range(0, ITEMS, 3)]
        self.named = {"candidates": some, "exclude": some, "one": ["i0"]}.get(wish["choice"], [])

    def allowed(self, plain: Plain) -> list[str]:
        """Return the items that may come back."""
        if self.wish["choice"] == "category":
            return [item for item in plain.ids if CATEGORIES[0] in plain.categories[item]]
        wanted = self.wish["choice"] not in ("all", "exclude")
        return [item for item in plain.ids if (item in self.named) == wanted]

    def flags(self) -> list[object]:
        """Return it as words behind a command that recommends."""
        words: list[object] = ["-k", self.k, *["--include-seen"] * self.wish["include_seen"]]
        if self.named:
            path = self.shop.folder / f"{self.wish['choice']}.txt"
            path.write_text("\n".join(self.named))
            words += ["--exclude-items" if self.wish["choice"] == "exclude" else "--candidates", path]
        words += ["--category", CATEGORIES[0]] * (self.wish["choice"] == "category")
        return words + self.sampled_flags()

    def sampled_flags(self) -> list[object]:
        if "draws" not in self.wish:
            return []
        words: list[object] = ["--steps", self.wish["steps"], "--noise", self.wish["draws"], "--seed", 3]
        return words + ["--samples", self.samples, "--merge", self.wish["merge"]] * (self.samples > 1)

    def choice(self) -> Choice:
        """Return the choice of items as a question names it."""
        if self.wish["choice"] == "category":
            return Choice(categories=(CATEGORIES[0],))
        if self.wish["choice"] == "exclude":
            return Choice(exclude=tuple(self.named))
        return Choice(candidates=tuple(self.named) or None)


class Plain:
    """A model's vectors and what they say of one history at a time."""

    def __init__(self, shop: Shop) -> None:
        self.recommender = Opening(
            workspace=shop.workspace, dataset_name="shop", model=shop.made["model"], device="cpu", threads=1
        ).open()
        self.model = self.recommender.model.eval()
        self.ids = self.recommender.items["item_id"].to_list()
        self.number = {item: number for number, item in enumerate(self.ids, start=1)}
        self.categories = shop.categories

    def know(self, history: list[tuple[str, int]]) -> tuple[list[int], list[int]]:
        known = [(self.number[item], time) for item, time in history if item in self.number]
        return [item for item, _ in known], [time for _, time in known]

    def require(
        self, found: list[tuple[str, float]], history: list[tuple[str, int]], asked: Asked, source: str
    ) -> None:
        """Check a list against all scores of a history."""
        items, seconds = self.know(history)
        allowed = {self.number[item] for item in asked.allowed(self)}
        numbered = [(self.number[item], score) for item, score in found]
        assert source == (MODEL if items else POPULAR), asked.wish
        if not items:
            counts = self.recommender.items["count"].to_list()
            return require_best(numbered, {item: counts[item - 1] for item in allowed}, asked.k, 0, asked.wish)
        allowed -= set() if asked.wish["include_seen"] else set(items)
        scores_SV = score_everything(
            self.model, self.recommender.checkpoint.metadata.output, items, seconds, asked.sampling, asked.samples
        )
        if asked.by_rank:
            merged = merge_ranks(scores_SV, allowed, max(asked.k, DEPTH), NEAR)
            return None if merged is None else require_best(numbered, merged, asked.k, 1e-7, asked.wish)
        scores_V = scores_SV.mean(axis=0)
        return require_best(numbered, {item: scores_V[item] for item in allowed}, asked.k, NEAR, asked.wish)
