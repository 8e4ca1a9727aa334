"""The demo data set: generated from a seed, with sequential patterns that a model can learn."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.interactions import Interactions
from adrec_cli.schema import CATEGORY, ITEM_ID, TITLE

DEMO_SEED: Final = 20250519
DEMO_VERSION: Final = 1
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
    rng = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, SERIES + 1)
    popularity /= popularity.sum()
    # Every series has a follow-up that its viewers tend to go on to.
    follow_up = rng.permutation(SERIES)
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


def demo_metadata() -> pl.DataFrame:
    """Return `item_id`, `title` and `category` of every item of the demo."""
    return pl.DataFrame(
        {
            ITEM_ID: _item_ids(),
            TITLE: [f"{name} · {number + 1}" for name in _SERIES_NAMES for number in range(EPISODES)],
            CATEGORY: [_CATEGORIES[series % len(_CATEGORIES)] for series in range(SERIES) for _ in range(EPISODES)],
        }
    )


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
