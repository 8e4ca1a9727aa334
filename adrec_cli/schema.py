"""Names and versions that several parts must agree on; imports no module of adrec."""

from __future__ import annotations

from typing import Final

FORMAT_VERSION: Final = 1
"""Version of the artifacts this package writes and the only one it reads."""

PAD: Final = 0
"""The item index that means "no item"; never stored, never ranked."""

MAX_ROW_GROUP_USERS: Final = 65_536
"""Rows per Parquet row group, so that a shard of users is read without the rest."""

SEQUENCES_FILE: Final = "sequences.parquet"
ITEMS_FILE: Final = "items.parquet"
PENDING_FILE: Final = "pending.parquet"
ITEM_VECTORS_FILE: Final = "items.vectors.safetensors"
MANIFEST_FILE: Final = "manifest.json"
CURRENT_FILE: Final = "current.json"
NIGHTS_FILE: Final = "nights.jsonl"
CHECKPOINT_SUFFIX: Final = ".safetensors"
STATE_SUFFIX: Final = ".state.safetensors"
REPORTS_FOLDER: Final = "reports"
PROMOTION_REPORT_SUFFIX: Final = "-promotion.json"
GENERATIONS_FOLDER: Final = "generations"
RANKS_SUFFIX: Final = ".ranks.parquet"
SWEEPS_FOLDER: Final = "sweeps"
SWEEP_FILE: Final = "sweep.json"
RESULTS_FILE: Final = "results.parquet"
SEED_FOLDER: Final = "seed-"
"""What the names of folders begin with that hold a model trained with another seed."""

USER_ID: Final = "user_id"
ITEMS: Final = "items"
TIMESTAMPS: Final = "timestamps"
TRAIN_END: Final = "train_end"
VALID_END: Final = "valid_end"

ITEM_INDEX: Final = "item_index"
ITEM_ID: Final = "item_id"
COUNT: Final = "count"
TITLE: Final = "title"
CATEGORY: Final = "category"
BRAND: Final = "brand"
PRICE: Final = "price"
TRAIN_EVENTS: Final = "train events"
"""What stands for a column of the items that encoders read: their neighbours in train."""

TIMESTAMP: Final = "timestamp"
POSITION: Final = "position"
NEGATIVES: Final = "neg_items"
