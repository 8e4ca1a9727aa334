"""The demo data set: generated from a seed, with sequential patterns that a model can learn."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.datasets import DEMO_SEED
from adrec_cli.data.interactions import Interactions
from adrec_cli.schema import CATEGORY, ITEM_ID, TITLE

USERS: Final = 2_000
SERIES: Final = 50
EPISODES: Final = 10

_SERIES_NAMES: Final = (
    "Ærø", "Åre", "Bjørn", "Café", "Čapek", "Dvořák", "Évora", "Fjord", "Göteborg", "Hōkūleʻa", "İzmir", "Jalapeño",
    "Kyōto", "Łódź", "Málaga", "Naïve", "Ōsaka", "Piñata", "Québec", "Reykjavík", "São Tomé", "Tōhoku", "Übung",
    "Việt", "Wrocław", "Xàtiva", "Yucatán", "Zürich", "Αθήνα", "Βόλος", "Москва", "Київ", "София", "Тбилиси",
    "東京", "京都", "大阪", "北京", "上海", "서울", "부산", "दिल्ली", "मुंबई", "ירושלים", "القاهرة", "ไทย", "Žižkov",
    "Ñandú", "Œuvre", "Þórsmörk",
)  # fmt: skip
_WORLDS: Final = (
    "lighthouse keepers", "beekeepers", "bell founders", "glassblowers", "cartographers", "night nurses",
    "clockmakers", "river pilots", "falconers", "puppeteers", "tea merchants", "tram drivers", "salt miners",
    "violin makers", "mountain guides", "printers", "pearl divers", "chess players", "bakers", "astronomers",
    "snake charmers", "locksmiths", "whale watchers", "weavers", "forgers", "perfumers", "shepherds", "stokers",
    "botanists", "swordsmiths", "translators", "kite builders", "archivists", "paper makers", "noodle cooks",
    "court poets", "stevedores", "gamblers", "ice skaters", "train dispatchers", "film extras", "lexicographers",
    "spice traders", "boat builders", "brewers", "acrobats", "truffle hunters", "meteorologists", "taxidermists",
    "volcanologists",
)  # fmt: skip
_TURNS: Final = (
    "an arrival", "a letter", "a wager", "a lost key", "a storm", "a stranger", "a wedding", "a trial", "a betrayal",
    "a farewell",
)  # fmt: skip
_CATEGORIES: Final = ("Krimi", "Comédie", "Документ", "冒険", "Ópera", "Märchen", "역사")
_START: Final = 1_672_531_200
_HOUR: Final = 3_600


def demo_interactions(seed: int = DEMO_SEED) -> Interactions:
    """Generate the demo's interactions.

    Users like a few series, popular ones more often (Zipf), and watch the episodes of a series mostly in order, a
    few in a session. So the next item often follows from the last one, which popularity cannot know.

    Args:
        seed: of the generator.
    """
    rng, follow_up = _begin(seed)
    popularity = 1 / np.arange(1, SERIES + 1)
    popularity /= popularity.sum()
    users, items, times = [], [], []
    for user in range(USERS):
        watched = _watch(rng, popularity, follow_up)
        users.append(np.full(len(watched), user))
        items.append(watched)
        times.append(_session_times(rng, len(watched)))
    ids = pl.Series([f"u{user:04d}" for user in range(USERS)])
    return Interactions(
        user=np.concatenate(users).astype(np.int32),
        item=np.concatenate(items).astype(np.int32),
        time=np.concatenate(times) * 10**6,
        part=None,
        user_ids=ids,
        item_ids=_item_ids(),
    )


def demo_metadata(seed: int = DEMO_SEED) -> pl.DataFrame:
    """Return `item_id`, `title`, `category` and `description` of every item of the demo.

    A description tells the people of a series, and those of the series that its viewers go on to.

    Args:
        seed: that the interactions are generated from.
    """
    _, follow_up = _begin(seed)
    return pl.DataFrame(
        {
            ITEM_ID: _item_ids(),
            TITLE: [f"{name} · {number + 1}" for name in _SERIES_NAMES for number in range(EPISODES)],
            CATEGORY: [_CATEGORIES[series % len(_CATEGORIES)] for series in range(SERIES) for _ in range(EPISODES)],
            "description": [
                f"Among {_WORLDS[series]}, part {number}: {turn}. In the end the {_WORLDS[follow_up[series]]} come."
                for series in range(SERIES)
                for number, turn in enumerate(_TURNS, start=1)
            ],
        }
    )


def _begin(seed: int) -> tuple[np.random.Generator, NDArray[np.int64]]:
    """Return the generator, and of every series the one that its viewers tend to go on to."""
    rng = np.random.default_rng(seed)
    return rng, rng.permutation(SERIES)


def _item_ids() -> pl.Series:
    return pl.Series([f"s{series:02d}e{number:02d}" for series in range(SERIES) for number in range(EPISODES)])


def _watch(
    rng: np.random.Generator, popularity: NDArray[np.float64], follow_up: NDArray[np.int64]
) -> NDArray[np.int64]:
    length = int(np.clip(rng.geometric(1 / 7) + 4, 5, 40))
    series = int(rng.choice(SERIES, p=popularity))
    episode = int(rng.integers(EPISODES // 2))
    watched: list[int] = []
    while len(watched) < length:
        watched.append(series * EPISODES + episode)
        chance = rng.random()
        if chance < 0.45:
            episode += 1
        elif chance < 0.57:
            episode += 2
        elif chance < 0.72:
            series, episode = int(follow_up[series]), 0
        else:
            series, episode = int(rng.choice(SERIES, p=popularity)), int(rng.integers(EPISODES))
        if episode >= EPISODES:
            series, episode = int(follow_up[series]), 0
    return np.array(watched)


def _session_times(rng: np.random.Generator, length: int) -> NDArray[np.int64]:
    """Return rising times in seconds: an hour apart within a session, days apart between sessions."""
    within = rng.random(length) < 0.6
    gaps = np.where(within, _HOUR, rng.integers(24, 24 * 14, size=length) * _HOUR)
    start = _START + int(rng.integers(0, 365 * 24)) * _HOUR
    return start + np.cumsum(gaps)
