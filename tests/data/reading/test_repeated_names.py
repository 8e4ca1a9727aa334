"""Of columns that share a name the one that was asked for is read, from the first file and from every later one."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from adrec_cli.errors import InputError
from tests.data.table_files import START, read_sequences, run

pytestmark = pytest.mark.usefixtures("in_shell")

SHARED = {"user": "user_id", "item": "item_id", "timestamp": "timestamp", "rating": "rating"}


def write(path: Path, header: list[str], night: int) -> Path:
    """Write two rows; a column holds its place from 1 and its role, so that no two hold the same."""
    rows = []
    for row in range(2):
        values = {
            name: [f"{name[0]}{place}-{row}" for place in range(1, 9)] for name in ("user_id", "item_id", "itemId")
        }
        values |= {"timestamp": [str(START + 10 * night + place) for place in range(1, 9)]}
        values |= {"rating": [str(place % 5 + 1) for place in range(1, 9)]}
        rows.append(",".join(values[name][place] for place, name in enumerate(header)))
    path.write_text("\n".join([",".join(header), *rows]) + "\n")
    return path


@pytest.mark.parametrize("role", ["user", "item"])
@pytest.mark.parametrize("place", range(3))
def test_no_column_is_taken_for_another_of_its_name(tmp_path: Path, role: str, place: int) -> None:
    header = ["user_id", "item_id", "timestamp"]
    header.insert(place, SHARED[role])
    first = write(tmp_path / "1.csv", header, 1)
    both = [number + 1 for number, name in enumerate(header) if name == SHARED[role]]
    with pytest.raises(InputError, match=rf"column {both[0]}, .* and column {both[1]}, .* could each be the {role}"):
        run(first, tmp_path / "ws")
    for chosen in both:
        folder = run(first, tmp_path / f"ws{chosen}", **{f"{role}_column": chosen}).folder
        run(write(tmp_path / "2.csv", header, 2), tmp_path / f"ws{chosen}", update=folder)
        found = read_sequences(folder)
        ids = set(found) if role == "user" else {item for items in found.values() for item in items}
        assert ids == {f"{SHARED[role][0]}{chosen}-{row}" for row in range(2)}
        for other in permutations(header):
            if other[chosen - 1] != SHARED[role]:
                with pytest.raises(InputError, match=f"expected {SHARED[role]} in column {chosen}"):
                    run(write(tmp_path / "3.csv", list(other), 3), tmp_path / f"ws{chosen}", update=folder)
                break


def test_names_that_mean_the_same_are_told_apart_too(tmp_path: Path) -> None:
    source = write(tmp_path / "1.csv", ["user_id", "itemId", "item_id", "timestamp"], 1)
    with pytest.raises(InputError, match=r"column 2, itemId .* and column 3, item_id .* could each be the item"):
        run(source, tmp_path / "ws")
    assert read_sequences(run(source, tmp_path / "ws", item_column="item_id").folder)["u1-0"] == ["i3-0"]


def test_ratings_that_nothing_reads_may_be_several(tmp_path: Path) -> None:
    source = write(tmp_path / "1.csv", ["user_id", "item_id", "rating", "rating", "timestamp"], 1)
    assert len(read_sequences(run(source, tmp_path / "ws").folder)) == 2
    with pytest.raises(InputError, match="could each be the rating"):
        run(source, tmp_path / "other", min_rating=1)
