"""The page that `adrec report` writes: self-contained, unharmed by what the data hold, true, the same each time."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import shlex
import shutil
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.main import get_command

from adrec_cli.artifacts.evaluation import list_evaluations, read_evaluation
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.artifacts.sweep_files import read_sweep
from adrec_cli.choices import build_options
from adrec_cli.cli.app import app
from adrec_cli.cli.options.declared import Declared
from adrec_cli.cli.options.evaluation import build_evaluation
from adrec_cli.cli.options.preprocess import preprocess_options
from adrec_cli.config import merge
from adrec_cli.data.moments import read_moment
from adrec_cli.evaluating.given_negatives import Looking
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.options import ExperimentOptions, TrainingOptions
from adrec_cli.loading.opening import open_dataset
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.inspect import inspect
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.report import report
from adrec_cli.pipeline.sweep import sweep
from adrec_cli.pipeline.train import train
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.reporting.data_section import describe_source
from adrec_cli.reporting.embeddings_section import embeddings_section
from adrec_cli.reporting.examples import EXAMPLES, SHOWN
from adrec_cli.reporting.material import gather_material
from adrec_cli.reporting.pipeline_section import duration
from adrec_cli.reporting.reproduction import evaluate_command, preprocess_command, seeds_command, train_command
from adrec_cli.reporting.reproduction_section import reproduction_section
from adrec_cli.sweeping.sweep_options import Design, SweepOptions
from adrec_cli.sweeping.varied import parse_varied
from tests.conftest import TINY, write_interactions
from tests.reporting.made_up import a_stage, an_evaluation

HOSTILE = (
    "<script>alert(1)</script>",
    "</style></title><img src=x onerror=alert(2)>",
    '" onmouseover="alert(3)',
    "\u202egnp.exe & co\x00\x1b[31m",
    "{{7*7}} ${7*7} &lt;b&gt;",
)
QUICK = merge(TINY, {"stages": {"pretrain": {"epochs": 1}, "align": {"epochs": 1}, "finetune": {"epochs": 1}}})
EXPERIMENT = ExperimentOptions(overrides=QUICK)


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A workspace with hostile titles, two models, evaluations and a sweep; tests only read it, or copy it."""
    folder = tmp_path_factory.mktemp("report")
    write_interactions(folder / "tiny.csv", users=60, items=20)
    titles = "".join(
        f'i{number},"{HOSTILE[number % 5].replace(chr(0), "").replace(chr(34), chr(34) * 2)}"\n' for number in range(20)
    )
    (folder / "titles.csv").write_text(f"item_id,title\n{titles}", encoding="utf-8")
    workspace = folder / "workspace"
    options = PreprocessOptions(items=folder / "titles.csv", min_interactions=2, user_column="user_id")
    preprocess(str(folder / "tiny.csv"), workspace=workspace, options=options)
    train("tiny", workspace=workspace, experiment=EXPERIMENT)
    sasrec = ExperimentOptions(overrides={"model": {"hidden_size": 8}, "stages": {"train": {"epochs": 1}}})
    train("tiny", model_name="sasrec", workspace=workspace, experiment=sasrec)
    for name in ("finetune", "tiny/sasrec/train.safetensors", "mostpop"):
        path = str(workspace / name) if "/" in name else name
        evaluate(path, workspace=workspace, dataset_name="tiny")
    evaluate("finetune", workspace=workspace, options=EvaluationOptions(negatives=9, sampling=Sampling(steps=2)))
    design = Design(vary=(parse_varied("sampling.steps=1,2"),))
    sweep("tiny", workspace=workspace, experiment=EXPERIMENT, options=SweepOptions(design=design, picture=False))
    return workspace


class Page(HTMLParser):
    """What stands in a page: tags with their attributes, and text."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.pieces, self.open = [], [], []
        self.feed(content.decode())
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.pieces.append(data)

    @property
    def text(self):
        return "".join(self.pieces)

    def values(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module")
def page(reported):
    made = report("tiny", workspace=reported)
    assert made.models == ["adrec", "sasrec"]
    assert (made.evaluations, made.sweeps, made.left_out) == (4, 1, [])
    return made.path.read_bytes()


# Markup


def test_the_page_loads_nothing_and_runs_nothing(page):
    found = Page(page)
    names = {tag for tag, _ in found.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "form", "base", "foreignobject", "use"}
    assert all(source.startswith("data:image/") for source in found.values("src"))
    assert all(link.startswith("#") for link in found.values("href"))
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on") or name == "style"]
    assert b"http://" not in re.sub(rb'src="data:[^"]*"', b"", page)
    assert b"@import" not in page
    assert b"url(" not in re.sub(rb'src="data:[^"]*"', b"", page)


def test_examples_are_what_the_command_recommends_and_tell_of_no_person(page, reported):
    text = page.decode()
    section = re.search(r'<section id="examples">.*?</section>', text)
    lists = re.findall(r"<strong>([^<]*(?:<code>[^<]*</code>)?)</strong></figcaption><ol[^>]*>(.*?)</ol>", section[0])
    assert len(lists) == EXAMPLES
    for item, recommended in lists:
        (item_id,) = re.findall(r"<code>(.*?)</code>", item) or [item]
        options = RecommendOptions(k=SHOWN, sampling=FAST_SAMPLING)
        found = recommend(histories=[[item_id]], workspace=reported, dataset_name="tiny", options=options)
        rows = re.findall(r"<li>(.*?)</li>", recommended)
        assert [(re.findall(r"<code>(.*?)</code>", row) or [row])[0] for row in rows] == [
            one.item_id for one in found.results[0].items
        ]
    assert "adrec</strong> (" in section[0]
    assert ", not promoted)" in section[0]


def test_the_policy_allows_this_style_alone(page):
    (policy,) = (
        attributes["content"]
        for tag, attributes in Page(page).tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    (style,) = re.findall(rb"<style>(.*?)</style>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_what_stands_in_the_data_is_only_shown(page):
    found = Page(page)
    for title in HOSTILE[:3]:
        assert title in found.text
    assert "\\u202egnp.exe & co" in found.text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", found.text)
    assert sum(tag == "style" for tag, _ in found.tags) == 1


@pytest.mark.parametrize("most", [6, 20])
def test_a_sample_of_items_is_said_where_there_is_one(reported, monkeypatch, most):
    monkeypatch.setattr("adrec_cli.inspecting.embeddings.MAX_MEASURED_ITEMS", most)
    text = embeddings_section(inspect(["finetune"], workspace=reported), []).text
    assert re.findall("Here are ([^.]*)[.]", text) == (["figures of 6 items, evenly spaced"] if most == 6 else [])


def test_links_lead_to_sections(page):
    found = Page(page)
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in found.values("href")} == set(ids)
    assert set(ids) == {"data", "pipeline", "results", "examples", "sweeps", "embeddings", "reproduction"}


def test_pictures_have_words(page):
    pytest.importorskip("matplotlib")
    images = [attributes for tag, attributes in Page(page).tags if tag == "img"]
    assert len(images) >= 4
    assert all(image["alt"] for image in images)
    for image in images:
        content = base64.b64decode(image["src"].partition("base64,")[2])
        assert b"<script" not in content
        assert content.startswith((b"<?xml", b"\x89PNG"))


def test_runs_of_a_sweep_have_their_difference_to_the_base(page, reported):
    (name,) = (reported / "tiny" / "sweeps").iterdir()
    told = read_sweep(name)[0].differences
    assert [one.run for one in told] == ["sampling.steps=1", "sampling.steps=2"]
    text = Page(page).text
    section = text[text.index("to base") :]
    for one in told:
        assert f"{one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}]" in section[section.index(one.run) :]


def test_figures_are_those_of_the_reports(page, reported):
    text = Page(page).text
    for path in list_evaluations(reported / "tiny"):
        evaluation = read_evaluation(path)
        low, high = evaluation.intervals["ndcg@10"]
        # In the table of models, which comes before what slices repeat.
        models = text[text.index(evaluation.protocol) :].partition("by slice")[0]
        assert f"{evaluation.metrics['ndcg@10']:.4f} [{low:.4f}, {high:.4f}]" in models
        assert evaluation.protocol in text
    manifest = read_manifest(reported / "tiny")
    assert f"{manifest.statistics['interactions']:,}" in text
    assert manifest.sequences_sha256[:12] in text


@pytest.mark.parametrize("seconds", [0, 1, 59, 60, 61, 3599, 3600, 3660, 7325, 360_000])
def test_durations_can_be_read_back(seconds):
    shown = duration(seconds + 0.4)
    units = {"s": 1, "min": 60, "h": 3600}
    parts = [(int(number), units[unit]) for number, unit in re.findall("([0-9]+) ([a-z]+)", shown)]
    assert sum(number * unit for number, unit in parts) == (seconds if seconds < 3600 else seconds - seconds % 60)
    assert all(number < 60 for number, _ in parts[1:])
    assert parts[0][0] or seconds == 0


def test_what_began_with_other_weights_is_said_and_nothing_else(reported):
    material = gather_material(open_dataset(reported / "tiny"))
    assert "earlier model" not in reproduction_section(material).text
    for model, stages in material.models.items():
        (first, *others) = stages
        warm = dataclasses.replace(first.metadata, parent_sha256="0" * 64)
        models = material.models | {model: [dataclasses.replace(first, metadata=warm), *others]}
        text = Page(reproduction_section(dataclasses.replace(material, models=models)).text.encode()).text
        assert f"{model} began with the weights of an earlier model" in text


def test_the_same_artifacts_give_the_same_bytes(reported, tmp_path):
    one, two = (
        report("tiny", workspace=reported, pictures=False, out=tmp_path / name) for name in ("one.html", "two.html")
    )
    assert one.path.read_bytes() == two.path.read_bytes()
    assert (one.sha256, one.size) == (two.sha256, len(two.path.read_bytes()))


@pytest.mark.slow
def test_the_same_pictures_give_the_same_bytes(page, reported, tmp_path):
    assert report("tiny", workspace=reported, out=tmp_path / "again.html").path.read_bytes() == page


def test_a_dataset_without_models_has_a_page(workspace):
    made = report("tiny", workspace=workspace, pictures=False)
    text = Page(made.path.read_bytes()).text
    assert "Nothing is trained yet" in text
    assert "adrec preprocess tiny.csv" in text
    assert "Without pictures: not asked for" in text


def test_what_is_damaged_is_left_out_and_named(reported, tmp_path):
    shutil.copytree(reported, tmp_path / "workspace")
    folder = tmp_path / "workspace/tiny"
    for path in (
        folder / "sasrec/train.safetensors",
        folder / "reports/mostpop-loo-full-test.json",
        folder / "reports/adrec-finetune-loo-full-test.ranks.parquet",
        next(folder.glob("sweeps/*/results.parquet")),
    ):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    made = report("tiny", workspace=tmp_path / "workspace", pictures=False)
    assert made.models == ["adrec"]
    text = Page(made.path.read_bytes()).text
    for name in ("train.safetensors", "mostpop-loo-full-test.json", "adrec-finetune-loo-full-test", "results.parquet"):
        assert any(name in line for line in made.left_out), name
        assert name in text


# Commands


def read_command(line):
    words = shlex.split(line)
    assert words[0] == "adrec"
    command = get_command(app).commands[words[1]]
    return command.make_context(words[1], words[2:]).params


def test_the_command_of_preprocessing_makes_the_same_data(reported, tmp_path):
    manifest = read_manifest(reported / "tiny")
    params = read_command(preprocess_command(manifest, has_item_file=True))
    assert (params["source"], str(params["items"])) == ("tiny.csv", "titles.csv")
    names = [field.name for field in dataclasses.fields(PreprocessOptions)]
    typed = {name: params[name] for name in names if name in params} | {"items": reported.parent / "titles.csv"}
    options = preprocess_options(Declared(PreprocessOptions, typed), tmp_path)
    made = preprocess(str(reported.parent / "tiny.csv"), workspace=tmp_path, options=options)
    assert made.manifest == manifest


def test_a_file_of_items_is_typed_where_there_is_one_beside_the_source(reported):
    manifest = read_manifest(reported / "tiny")
    alone = dataclasses.replace(manifest, sources=manifest.sources[:1])
    for told, has, typed in ((manifest, True, "titles.csv"), (manifest, False, None), (alone, True, None)):
        items = read_command(preprocess_command(told, has_item_file=has))["items"]
        assert (items and str(items)) == typed


@given(
    moments=st.tuples(*[st.integers(-(10**15), 2 * 10**15) | st.sampled_from([0, 86_400 * 10**6, "-2w"])] * 2),
    zone=st.sampled_from([None, "UTC", "Asia/Kolkata", "America/New_York"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_moments_are_typed_as_they_were(reported, moments, zone):
    manifest = read_manifest(reported / "tiny")
    split = {"split": "time", "valid_from": moments[0], "test_from": moments[1], "timezone": zone}
    manifest = dataclasses.replace(manifest, parameters={**manifest.parameters, **split})
    params = read_command(preprocess_command(manifest, has_item_file=True))
    keys = ("valid_from", "test_from")
    assert tuple(read_moment(params[key], key, params["timezone"] or "UTC") for key in keys) == moments


def test_the_command_of_training_composes_the_same_experiment(reported):
    from adrec_cli.artifacts.checkpoint_metadata import read_metadata

    metadata = read_metadata(reported / "tiny/adrec/finetune.safetensors")
    params = read_command(train_command(metadata))
    composed = (
        build_options(TrainingOptions, params)
        .experiment(params["model"])
        .on_dataset(params["model"], params["dataset"])
    )
    assert composed == EXPERIMENT.on_dataset("adrec", "tiny")
    assert params["threads"] == metadata.threads


def test_the_command_of_evaluating_has_the_same_protocol(reported):
    path = reported / "tiny/reports/adrec-finetune-loo-sampled-9-test.json"
    params = read_command(evaluate_command(read_evaluation(path)))
    assert params["name"] == "workspace/tiny/adrec/finetune.safetensors"
    options = build_evaluation(Declared(EvaluationOptions, {**params, "threads": None}), Looking())
    assert options == EvaluationOptions(negatives=9, sampling=Sampling(steps=2))


@pytest.mark.parametrize(
    ("protocol", "changed", "wanted"),
    [
        ("cold/cold-items/test", {}, EvaluationOptions(protocol="cold-items")),
        ("cold/full/valid", {}, EvaluationOptions(part="valid")),
        (
            "time/full/test/mask-seen",
            {"mask_seen": True, "seed": 3},
            EvaluationOptions(mask_seen=True, seed=3, sampling=Sampling(seed=3)),
        ),
        ("loo/full/test", {"beyond_accuracy": {"gini@10": 0.5}}, EvaluationOptions(beyond_accuracy=True)),
    ],
)
def test_the_command_of_evaluating_measures_the_same(protocol, changed, wanted):
    made = an_evaluation("sasrec", 0.1, protocol=protocol, checkpoint="train.safetensors",
                         path=f"r/sasrec-train-seed-43-{protocol.replace('/', '-')}.json", **changed)  # fmt: skip
    params = read_command(evaluate_command(made))
    assert params["name"] == "workspace/tiny/sasrec/seed-43/train.safetensors"
    assert build_evaluation(Declared(EvaluationOptions, {**params, "threads": None}), Looking()) == wanted


def test_the_command_of_several_seeds_trains_the_same():
    made = a_stage("sasrec", "train", config={"dropout": 0.3}, training={"training": {"seed": 7}}, threads=2).metadata
    params = read_command(seeds_command(made, 3))
    assert (params["models"], params["seeds"], params["threads"]) == ("sasrec", 3, 2)
    # Its seed is that of drawn negatives.
    options = build_options(TrainingOptions, {**params, "seed": None})
    composed = options.experiment("sasrec").on_dataset("sasrec", params["dataset"])
    assert (composed.model.dropout, composed.training.seed) == (0.3, 7)


def test_licence_and_citation_of_the_data_are_named(reported, page):
    assert "licencenot known to adreccitationnot known to adrec" in Page(page).text
    manifest = dataclasses.replace(read_manifest(reported / "tiny"), dataset="demo")
    assert describe_source(manifest)["licence"] == "MIT, as adrec itself"
    assert describe_source(manifest)["citation"].startswith("none; generated")
    named = describe_source(dataclasses.replace(manifest, dataset="ml-1m"))
    assert named.keys() == {"data set", "homepage", "licence", "citation"}
    assert "Harper" in named["citation"]
