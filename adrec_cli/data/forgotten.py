"""Who left a data set, known by nothing but salted hashes, so that no later file brings them back."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import polars as pl

from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.data.interactions import Log
from adrec_cli.wording import say_count

L = TypeVar("L", bound=Log)
SALT, USERS, SEQUENCES = "salt", "users", "sequences"
_HASH_BYTES = 16


def add_forgotten(manifest: Manifest, users: Iterable[str], held: Iterable[str], salt: str) -> Manifest:
    """Return a manifest that knows of users who left.

    Args:
        manifest: to add to.
        users: their raw ids, of which only hashes are kept.
        held: sha256 of sequences that held them; what was trained on these has learned from them.
        salt: of a data set that has none yet.
    """
    before = manifest.forgotten or {SALT: salt, USERS: [], SEQUENCES: []}
    hashes = {_hash(user, before[SALT]) for user in users}
    forgotten = {
        SALT: before[SALT],
        USERS: sorted(hashes | set(before[USERS])),
        SEQUENCES: sorted({*held, *before[SEQUENCES]}),
    }
    return dataclasses.replace(manifest, forgotten=forgotten)


def new_salt() -> str:
    """Return a salt for a data set."""
    return secrets.token_hex(32)


def leave_out_forgotten(interactions: L, forgotten: dict[str, Any]) -> tuple[L, list[str]]:
    """Return the interactions of those who did not leave, and a line that counts the others, if there are any.

    Args:
        interactions: as read.
        forgotten: of the manifest.
    """
    gone = mask_forgotten(interactions.user_ids, forgotten)
    theirs = int(interactions.user_counts()[gone].sum())
    if not theirs:
        return interactions, []
    line = f"left out: {say_count(theirs, 'interaction')} of {say_count(int(gone.sum()), 'forgotten user')}"
    return interactions.leave_out_users(gone), [line]


def mask_forgotten(user_ids: pl.Series, forgotten: dict[str, Any]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return for each id whether its user was forgotten."""
    if not forgotten:
        return np.zeros(len(user_ids), dtype=np.bool_)
    hashes, salt = set(forgotten[USERS]), forgotten[SALT]
    return np.fromiter((_hash(user, salt) in hashes for user in user_ids.to_list()), np.bool_, len(user_ids))


def _hash(user: str, salt: str) -> str:
    return hashlib.blake2b(user.encode(), key=bytes.fromhex(salt), digest_size=_HASH_BYTES).hexdigest()
