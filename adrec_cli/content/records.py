"""Encoders as they are written down with the vectors they made, and back."""

from __future__ import annotations

from collections.abc import Sequence

from adrec_cli.artifacts.item_vectors import EncoderRecord
from adrec_cli.content.encoders import FittedEncoder
from adrec_cli.errors import AdrecError, ArtifactError
from adrec_cli.wording import command, say_count


def record_encoders(encoders: Sequence[FittedEncoder]) -> tuple[EncoderRecord, ...]:
    """Return encoders as they are written."""
    return tuple(
        EncoderRecord(name=one.name, columns=one.columns, width=one.width, arrays=one.state) for one in encoders
    )


def restore_encoders(records: Sequence[EncoderRecord]) -> list[FittedEncoder]:
    """Return encoders as they were fitted.

    Raises:
        ArtifactError: what is written fits no encoder.
    """
    fitted = []
    for record in records:
        try:
            encoder = FittedEncoder(name=record.name, columns=record.columns, state=record.arrays)
            if encoder.width != record.width:
                raise ValueError(f"{say_count(encoder.width, 'entry', 'entries')}, {record.width} are said")
        except (AdrecError, ValueError) as error:
            raise ArtifactError(
                f"the item vectors are damaged: encoder {record.name[:40]!r}: {error}",
                hint=f"make them again: {command('encode')}",
            ) from error
        fitted.append(encoder)
    return fitted
