"""Where a workspace names a person, found out without adrec."""

from __future__ import annotations

from pathlib import Path

import polars as pl


def places_of(workspace: Path, person: str) -> set[str]:
    """Return every file in a workspace that names a person."""
    found = set()
    for path in (path for path in workspace.rglob("*") if path.is_file()):
        if path.suffix == ".parquet":
            table = pl.read_parquet(path)
            kinds = (pl.String, pl.Categorical)
            text = [name for name, kind in table.schema.items() if isinstance(kind, kinds)]
            named = any((table[name].cast(pl.String) == person).any() for name in text)
        else:
            content = path.read_text(errors="replace")
            named = f'"{person}"' in content or f"\n{person}," in content
        if named:
            found.add(str(path.relative_to(workspace)))
    return found
