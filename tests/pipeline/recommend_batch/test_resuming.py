"""A batch that was interrupted goes on from its parts, and from nothing if a list would be another."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace

import pytest

from adrec_cli.artifacts.lock import exclusive
from adrec_cli.errors import GrowingFileError, InterruptedRun, LockedError
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.pipeline import recommend_batch as batch
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.recommend_batch import recommend_batch
from adrec_cli.ranking.samples import Merging
from adrec_cli.recommending.batch_options import AudienceOptions, BatchOutput
from adrec_cli.recommending.item_choice import ItemChoice
from adrec_cli.recommending.options import Diversity, RecommendOptions
from tests.conftest import write_interactions
from tests.pipeline.recommend_batch.conftest import OPTIONS
from tests.tiers import sampled


def test_an_interrupted_batch_goes_on_and_gives_the_same_file(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "CHUNK_USERS", 30)
    run = {"audience": AudienceOptions(all_users=True), "workspace": trained, "options": OPTIONS}
    recommend_batch(output=BatchOutput(path=tmp_path / "whole.csv"), **run)

    def stop_after_two(event):
        if event.done == 60:
            raise InterruptedRun("stopped", signal_number=15)

    with pytest.raises(InterruptedRun, match="stopped") as stopped:
        recommend_batch(output=BatchOutput(path=tmp_path / "r.csv"), **run, on_event=stop_after_two)
    assert (stopped.value.exit_code, stopped.value.hint[:20]) == (143, "run the same command")
    assert not (tmp_path / "r.csv").exists()
    damaged = next((tmp_path / ".r.csv.parts").glob("000001-*.parquet"))
    # In the midst of its data: its footer is whole, and it could be read.
    content = damaged.read_bytes()
    damaged.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    assert recommend_batch(output=BatchOutput(path=tmp_path / "r.csv"), **run).resumed == 30
    assert (tmp_path / "r.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "whole.csv"]


def test_parts_of_other_options_do_not_count(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "CHUNK_USERS", 30)

    def stop(event):
        raise InterruptedRun("stopped", signal_number=2)

    audience = AudienceOptions(all_users=True)
    with pytest.raises(InterruptedRun):
        recommend_batch(
            audience, output=BatchOutput(path=tmp_path / "r.csv"), workspace=trained, options=OPTIONS, on_event=stop
        )
    other = RecommendOptions(k=4, sampling=FAST_SAMPLING)
    summary = recommend_batch(audience, output=BatchOutput(path=tmp_path / "r.csv"), workspace=trained, options=other)
    assert (summary.resumed, summary.rows) == (0, 480)


@pytest.mark.parametrize("name", ["users", "candidates"])
def test_a_file_that_changes_while_it_is_read_leaves_no_parts_for_the_next_run(trained, tmp_path, monkeypatch, name):
    """They would be of what it said before, under the key of what it says now."""
    monkeypatch.setattr(batch, "CHUNK_USERS", 30)
    now = {"users": [f"u{n}" for n in range(40, 80)], "candidates": [f"i{n}" for n in range(20, 40)]}
    before = {"users": [f"u{n}" for n in range(40)], "candidates": [f"i{n}" for n in range(20)]}
    for one, ids in before.items():
        (tmp_path / f"{one}.txt").write_text("\n".join(ids))
    audience = AudienceOptions(users=tmp_path / "users.txt")
    options = replace(OPTIONS, choice=ItemChoice(candidates=tmp_path / "candidates.txt"))
    collect = batch.collect_audience

    def read_and_change(*arguments):
        found = collect(*arguments)
        (tmp_path / "new.txt").write_text("\n".join(now[name]))
        (tmp_path / "new.txt").replace(tmp_path / f"{name}.txt")
        return found

    def stop(event):
        raise InterruptedRun("stopped", signal_number=2)

    def write(out, on_event):
        return recommend_batch(
            audience, output=BatchOutput(path=tmp_path / out), workspace=trained, options=options, on_event=on_event
        )

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(batch, "collect_audience", read_and_change)
        with pytest.raises((InterruptedRun, GrowingFileError)):
            write("recs.csv", stop)
    write("recs.csv", lambda event: None)
    write("new.csv", lambda event: None)
    assert (tmp_path / "recs.csv").read_bytes() == (tmp_path / "new.csv").read_bytes()


FIRST = RecommendOptions(
    k=5, sampling=Sampling(steps=2, sampler="ddim", eta=0.5), merging=Merging(samples=2), choice=ItemChoice(min_count=1)
)
OTHER_SAMPLING = {
    "steps": 3, "noise": "common", "seed": 7, "temperature": 0.5, "sampler": "ddpm", "eta": 0.25, "guidance": 0.0,
}  # fmt: skip
OTHER_MERGING = {"samples": 3, "merge": "mean-score"}
OTHER_CHOICE = {"candidates": "some.txt", "excluded": "some.txt", "categories": ("tea",), "min_count": 2}
OTHER_OPTIONS = {
    "k": [replace(FIRST, k=4)],
    "include_seen": [replace(FIRST, include_seen=True)],
    "sampling": [
        replace(FIRST, sampling=replace(FIRST.sampling, **{name: value, **({"eta": 0.0} if value == "ddpm" else {})}))
        for name, value in OTHER_SAMPLING.items()
    ],
    "merging": [
        replace(FIRST, merging=replace(FIRST.merging, **{name: value})) for name, value in OTHER_MERGING.items()
    ],
    "choice": [replace(FIRST, choice=replace(FIRST.choice, **{name: value})) for name, value in OTHER_CHOICE.items()],
    "diversity": [replace(FIRST, diversity=one) for one in (Diversity(weight=0.5), Diversity(most=(("category", 1),)))],
    "explain": [replace(FIRST, explain=True)],
    "threads": [replace(FIRST, threads=1)],
    "device": [replace(FIRST, device="cpu")],
    # No index here: an index that answers is in the key by itself.
    "exact": [replace(FIRST, exact=True)],
}
"""For each option, others in which it, or one of its fields, has another value."""


def half_done(out, workspace, options, audience) -> None:
    """Stop a batch after its first chunk."""

    def stop(event):
        raise InterruptedRun("stopped", signal_number=2)

    with pytest.raises(InterruptedRun):
        recommend_batch(audience, output=BatchOutput(path=out), workspace=workspace, options=options, on_event=stop)


def test_every_option_has_another_value_to_be_tried():
    """A new option must be added above, and with it to the key of what is resumed."""
    # A file of new items needs a model with content: tests/pipeline/test_new_items.py tries it.
    names = {"options": {*OTHER_OPTIONS, "new_items"}, "sampling": set(OTHER_SAMPLING), "merging": set(OTHER_MERGING)}
    kinds = {"options": RecommendOptions, "sampling": Sampling, "merging": Merging}
    assert {name: {field.name for field in fields(kind)} for name, kind in kinds.items()} == names
    assert {field.name for field in fields(ItemChoice)} == set(OTHER_CHOICE)


@sampled("name", list(OTHER_OPTIONS), quick=["k", "sampling", "merging"])
def test_whatever_changes_a_list_begins_anew_and_nothing_else_does(sorted_shop, tmp_path, name, monkeypatch):
    monkeypatch.setattr(batch, "CHUNK_USERS", 2)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users.txt").write_text("u1\nu2\nu3\n")
    (tmp_path / "some.txt").write_text("".join(f"i{number}\n" for number in range(20)))
    audience = AudienceOptions(users=tmp_path / "users.txt")
    for other in OTHER_OPTIONS[name]:
        if isinstance(other.choice.candidates or other.choice.excluded, str):
            named = {n: tmp_path / v for n in ("candidates", "excluded") if (v := getattr(other.choice, n))}
            other = replace(other, choice=replace(other.choice, **named))
        half_done(tmp_path / "r.csv", sorted_shop, FIRST, audience)
        summary = recommend_batch(
            audience, output=BatchOutput(path=tmp_path / "r.csv"), workspace=sorted_shop, options=other
        )
        assert summary.resumed == (2 if name in ("threads", "device", "explain", "exact") else 0), other


def test_other_people_histories_data_and_models_begin_anew(sorted_shop, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "CHUNK_USERS", 2)
    workspace = tmp_path / "workspace"
    shutil.copytree(sorted_shop, workspace)
    users, events, out = tmp_path / "users.txt", tmp_path / "new.csv", tmp_path / "r.csv"
    users.write_text("u1\nu2\nu3\n")
    events.write_text("user_id,item_id,timestamp\nu1,i2,1700000000\n")

    def resumed(audience: AudienceOptions) -> int:
        return recommend_batch(audience, output=BatchOutput(path=out), workspace=workspace, options=FIRST).resumed

    half_done(out, workspace, FIRST, AudienceOptions(users=users))
    assert resumed(AudienceOptions(users=users, events=events)) == 0
    half_done(out, workspace, FIRST, AudienceOptions(users=users, events=events))
    events.write_text("user_id,item_id,timestamp\nu1,i3,1700000000\n")
    assert resumed(AudienceOptions(users=users, events=events)) == 0
    half_done(out, workspace, FIRST, AudienceOptions(users=users))
    users.write_text("u2\nu1\nu3\n")
    assert resumed(AudienceOptions(users=users)) == 0
    half_done(out, workspace, FIRST, AudienceOptions(users=users))
    # Two people have changed places: the same items, so that the model still fits, and the same file of users.
    source = tmp_path / "shop.csv"
    write_interactions(source)
    rows = source.read_text().replace("\nu1,", "\nx,").replace("\nu2,", "\nu1,").replace("\nx,", "\nu2,")
    source.write_text(rows)
    items = PreprocessOptions(items=sorted_shop.parent / "items.csv")
    preprocess(str(source), workspace=workspace, options=items)
    assert resumed(AudienceOptions(users=users)) == 0
    half_done(out, workspace, FIRST, AudienceOptions(users=users))
    assert resumed(AudienceOptions(users=users)) == 2, "nothing has changed since"


def test_one_process_at_a_time_makes_a_file(trained, tmp_path):
    with exclusive(tmp_path / ".r.csv.parts", "recommend"), pytest.raises(LockedError):
        recommend_batch(
            AudienceOptions(all_users=True),
            output=BatchOutput(path=tmp_path / "r.csv"),
            workspace=trained,
            options=OPTIONS,
        )
