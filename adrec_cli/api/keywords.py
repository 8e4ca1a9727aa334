"""What the functions of Python take by keyword: the options of the commands, under the same names.

Written out for type checkers and editors; a test holds them to the dataclasses that declare the options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from adrec_cli.api.frames import ArrowFrame
    from adrec_cli.api.places import Place
    from adrec_cli.models.sampling import Sampling
    from adrec_cli.recommending.item_choice import ItemChoice


class Ranking(TypedDict, total=False):
    """How a diffusion model ranks; see `adrec recommend --help`."""

    steps: int | None
    noise: str
    seed: int
    temperature: float | None
    sampler: str
    eta: float
    guidance: float | None
    samples: int
    merge: str


class Computing(TypedDict, total=False):
    """What is computed on."""

    device: str
    threads: int | None


class Wanted(Ranking, total=False):
    """What `LoadedRecommender.recommend` takes, as `RecommendOptions`; see `adrec recommend --help`.

    Attributes:
        k: largest number of items.
        include_seen: items of the history may come back.
        explain: say of each item what moved its score, in `explanations`.
        candidates, exclude_items: files of item ids.
        choice, sampling: several of these options in one.
    """

    k: int
    include_seen: bool
    explain: bool
    candidates: Place | None
    exclude_items: Place | None
    category: Sequence[str]
    min_count: int
    diversify: float
    max_per: Sequence[str]
    choice: ItemChoice
    sampling: Sampling


class Loading(Computing, total=False):
    """What a model is loaded with; see `load_recommender`."""

    new_items: Place | None
    exact: bool


class WantedAnew(Wanted, Loading, total=False):
    """What `recommend` takes, which loads a model too."""


class Evaluating(Ranking, Computing, total=False):
    """What `evaluate` takes, as `EvaluationOptions`; see `adrec evaluate --help`."""

    part: str
    negatives: int | Place | None
    mask_seen: bool
    protocol: str
    beyond_accuracy: bool


class Training(Computing, total=False):
    """What `train` takes, as `TrainingOptions`; see `adrec train --help-all`.

    Attributes:
        set: any option of the TOML file, as tables or as texts such as "training.seed=3".
    """

    track: Sequence[str]
    preset: str | None
    config: Place | None
    set: Mapping[str, Any] | Sequence[str]
    epochs: int | None
    patience: int | None
    monitor: str | None
    learning_rate: float | None
    batch_size: int | None
    mse_weight: float | None
    max_length: int | None
    precision: str | None
    compile: bool | None
    seed: int | None
    max_steps: int | None
    max_time: float | str | None
    resume: bool | None
    force: bool
    wait: float


class Preprocessing(TypedDict, total=False):
    """What `preprocess` takes, as `PreprocessOptions`; see `adrec preprocess --help-all`.

    Attributes:
        items, join: paths or frames.
        update: a data set, by its name, its folder, or as `preprocess` returned it.
    """

    user_column: str | int | None
    item_column: str | int | None
    timestamp_column: str | int | None
    rating_column: str | int | None
    timestamp_unit: str | None
    timestamp_format: str | None
    timezone: str | None
    header: bool | None
    separator: str | None
    encoding: str | None
    join: Place | ArrowFrame | None
    on: str | None
    sql: str | None
    database: str | None
    where: Sequence[str] | None
    items: Place | ArrowFrame | None
    items_column: str | int | None
    on_bad_row: str | None
    keep_blanks: bool | None
    max_rows: int | None
    max_bytes: int | None
    engine: str
    spark_master: str | None
    download_sha256: str | None
    yes: bool
    offline: bool
    name: str | None
    variant: str | None
    min_rating: float | None
    min_interactions: int | None
    min_user_interactions: int | None
    min_item_interactions: int | None
    duplicates: str | None
    ties: str | None
    split: str | None
    valid_from: str | None
    test_from: str | None
    strict: bool
    max_loss: float
    update: Place | None
    overlap: str | None
    retake: bool
    keep_data: int | None
    max_length: int | None
