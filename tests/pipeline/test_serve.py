"""The server: right answers, hostile requests, limits, metrics, and another model under load."""

from __future__ import annotations

import errno
import json
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")
uvicorn = pytest.importorskip("uvicorn", reason="the extra serve is not installed")

from adrec_cli.errors import ArtifactError, StorageError, UsageError  # noqa: E402
from adrec_cli.experiments.options import ExperimentOptions  # noqa: E402
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling  # noqa: E402
from adrec_cli.pipeline import serve as serve_module  # noqa: E402
from adrec_cli.pipeline.recommend import recommend  # noqa: E402
from adrec_cli.pipeline.rollback import rollback  # noqa: E402
from adrec_cli.pipeline.run import RunOptions, run  # noqa: E402
from adrec_cli.pipeline.serve import make_server  # noqa: E402
from adrec_cli.promotion.options import PromotionOptions  # noqa: E402
from adrec_cli.ranking.samples import Merging  # noqa: E402
from adrec_cli.recommending.options import RecommendOptions  # noqa: E402
from adrec_cli.serving.options import Limits, ServeOptions  # noqa: E402
from adrec_cli.serving.questions import parse_questions  # noqa: E402
from adrec_cli.serving.served_model import Question  # noqa: E402
from tests.conftest import TINY, write_interactions  # noqa: E402

LIMITS = Limits(body=2_000_000, k=100, history=10_000)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace in which two models were promoted."""
    folder = tmp_path_factory.mktemp("serve")
    for users in (120, 140):
        write_interactions(folder / "shop.csv", users=users)
        run(
            str(folder / "shop.csv"),
            workspace=folder / "workspace",
            options=RunOptions(experiment=ExperimentOptions(overrides=TINY), promotion=PromotionOptions(tolerance=1.0)),
        )
    return folder / "workspace"


class Running:
    """A server in a thread of this process, on a port the system chose."""

    def __init__(self, workspace, model=None, names=(), **options):
        self.options = ServeOptions(port=0, threads=1, device="cpu", **{"limits": LIMITS, **options})
        self.reloads = []
        self.server = self.make(workspace, model, names)
        config = uvicorn.Config(
            self.server.app, port=0, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=20
        )
        self.uvicorn = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.uvicorn.run, daemon=True)

    def make(self, workspace, model, names):
        dataset = next(iter(names), None)
        return make_server(
            workspace=workspace, dataset_name=dataset, model=model, options=self.options,
            on_reload=lambda *told: self.reloads.append(told),
        )  # fmt: skip

    def __enter__(self):
        self.thread.start()
        while not self.uvicorn.started:
            assert self.thread.is_alive()
            time.sleep(0.01)
        self.port = self.uvicorn.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self.uvicorn.should_exit = True
        self.thread.join()

    def send(self, method, path, body=None, headers=None):
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, content

    def ask(self, **question):
        status, content = self.send("POST", "/recommend", json.dumps(question))
        return status, json.loads(content)


@pytest.fixture(scope="module")
def running(workspace):
    with Running(workspace) as server:
        yield server


def expected(workspace, **asked):
    options = RecommendOptions(k=5, sampling=FAST_SAMPLING)
    return [item.item_id for item in recommend(workspace=workspace, options=options, **asked).results[0].items]


def test_it_answers_what_the_command_does(running, workspace):
    status, found = running.ask(user="u1", k=5)
    assert status == 200
    assert [item["item_id"] for item in found["items"]] == expected(workspace, users=["u1"])
    assert [item["rank"] for item in found["items"]] == [1, 2, 3, 4, 5]
    assert (found["source"], found["unknown_items"]) == ("model", [])
    assert running.ask(user=" u1 ", k=5) == (200, found), "blanks around an id are none of it"
    assert [running.ask(user=nobody)[0] for nobody in ("", "  ", "u")] == [404] * 3
    status, found = running.ask(history=["i1", "nothing", "i2"], k=5)
    assert [item["item_id"] for item in found["items"]] == expected(workspace, histories=[["i1", "i2"]])
    assert found["unknown_items"] == ["nothing"]
    assert running.ask(history=[])[1]["source"] == "popular"
    seen = running.ask(history=["i1"], k=100, include_seen=True)[1]["items"]
    assert len(seen) == len(running.ask(history=["i1"], k=100)[1]["items"]) + 1


def test_it_says_why_where_that_is_asked(running):
    assert "explanations" not in running.ask(user="u1", k=3)[1]
    status, found = running.ask(user="u1", k=3, explain=True, diversify=0.4, max_per={"item_id": 1})
    assert status == 200, found
    assert [one["item_id"] for one in found["explanations"]] == [item["item_id"] for item in found["items"]]
    assert {"item_id", "influence", "position", "shared", "cosine", "title"} == set(
        found["explanations"][0]["influences"][0]
    )
    assert running.ask(user="u1", max_per={"nothing": 1})[0] == 404
    assert running.ask(users=["u1"], explain=True)[0] == 400


def test_requests_at_once_get_each_its_own(running):
    questions = [{"user": f"u{n}", "k": n % 7 + 1, "include_seen": n % 3 == 0} for n in range(60)]
    questions += [{"history": [f"i{n}", "i1"], "k": 3} for n in range(30)] + [{"user": "nobody"}] * 5
    alone = [running.ask(**question) for question in questions]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda question: running.ask(**question), questions))
    for (status, one), (again, other) in zip(alone, together, strict=True):
        assert status == again
        if status == 200:
            assert [item["item_id"] for item in one["items"]] == [item["item_id"] for item in other["items"]]
            assert [i["score"] for i in one["items"]] == pytest.approx([i["score"] for i in other["items"]], abs=1e-5)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"[]", 400), (b"null", 400), (b"\xff\xfe", 400), (b"[" * 100_000, 400),
        (b'{"user": "u1", "k": 0}', 400), (b'{"user": "u1", "k": 101}', 400), (b'{"user": "u1", "k": true}', 400),
        (b'{"user": "u1", "k": 1e99}', 400), (b'{"user": "u1", "K": 5}', 400), (b'{"user": "u1", "history": []}', 400),
        (b'{"user": null}', 400), (b'{"user": null, "history": null}', 400), (b'{"user": "u1", "k": 2.5}', 400),
        (b'{"user": "u1", "history": null, "k": 5.0}', 200), (b'{"user": null, "history": ["i1", 7.0]}', 200),
        (b'{"history": "i1"}', 400), (b'{"history": [null]}', 400),
        (b'{"history": [["i1"]]}', 400), (b'{"history": [1.5]}', 400), (b'{"user": "u1", "include_seen": 1}', 400),
        (b'{"history": [' + b",".join([b'"i1"'] * 10_001) + b"]}", 400),
        (b'{"history": [' + b",".join([b'"i1"'] * 10_000) + b"]}", 200),
        (b'{"history": ["\\ud800", "i1", "a,b\\n"]}', 200),
        (b'{"user": "nobody"}', 404), (b'{"history": ["x", "y"]}', 404), (b'{"user": "\\ud800"}', 404),
        (b" " * 2_000_001, 413),
    ],
    ids=range(29),
)  # fmt: skip
def test_hostile_requests(running, body, status):
    found, content = running.send("POST", "/recommend", body)
    assert found == status
    answer = json.loads(content)
    assert ("error" in answer) is (status != 200)
    assert "Traceback" not in content.decode()


def test_a_body_without_an_end_is_cut(running):
    connection = HTTPConnection("127.0.0.1", running.port, timeout=30)
    sent = (b" " * 100_000 for _ in range(30))
    try:
        connection.request("POST", "/recommend", sent, encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server may hang up while more is sent
    finally:
        connection.close()
    assert running.ask(user="u1")[0] == 200


def test_health_metrics_and_description(running):
    running.ask(user="u1")
    status, content = running.send("GET", "/healthz")
    health = json.loads(content)
    assert (status, health["status"], health["promoted"], health["dataset"]) == (200, "ok", True, "shop")
    text = running.send("GET", "/metrics")[1].decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert int(values['adrec_requests_total{status="200"}']) >= 1
    buckets = [int(value) for name, value in values.items() if name.startswith("adrec_request_seconds_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == int(values["adrec_request_seconds_count"])
    assert f'checkpoint="{health["checkpoint_sha256"]}"' in text
    description = json.loads(running.send("GET", "/openapi.json")[1])
    assert set(description["paths"]) == {"/recommend", "/items", "/healthz", "/readyz", "/metrics"}
    assert running.send("GET", "/recommend")[0] == 405
    assert running.send("GET", "/nothing")[0] == 404


def test_another_model_is_taken_without_dropping_a_request(workspace, tmp_path):
    own = tmp_path / "workspace"
    shutil.copytree(workspace, own)
    with Running(own, poll_seconds=0.05) as server:
        before = server.server.model.name
        answers, stop = [], threading.Event()

        def keep_asking(user):
            while not stop.is_set():
                answers.append(server.ask(user=user, k=3))

        with ThreadPoolExecutor(4) as pool:
            for number in range(4):
                pool.submit(keep_asking, f"u{number}")
            time.sleep(0.3)
            after = rollback("shop", workspace=own).current.sha256[:16]
            deadline = time.monotonic() + 20
            while server.server.model.name == before and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.3)
            stop.set()
        assert {status for status, _ in answers} == {200}
        assert {answer["model"] for _, answer in answers} == {before, after}
        assert server.reloads == [(after, "")]
        assert "adrec_reloads_total 1" in server.send("GET", "/metrics")[1].decode()
        (own / "shop/adrec/current.json").write_text("{")
        while len(server.reloads) < 2 and time.monotonic() < deadline + 20:
            time.sleep(0.02)
        assert "damaged" in server.reloads[1][1]
        assert server.ask(user="u1")[1]["model"] == after


def test_when_too_many_wait_the_rest_is_told_to_come_back(workspace):
    with Running(workspace, limits=Limits(waiting=1, batch=1)) as server:
        slow = server.server._answer

        def answer(questions):
            time.sleep(0.2)
            return slow(questions)

        server.server._batcher._answer = answer
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: server.ask(user="u1")[0], range(8)))
    assert set(found) == {200, 503}


def test_several_samples_repeat_whoever_else_asks(workspace):
    sampling, merging = Sampling(steps=2, noise="common", temperature=2), Merging(samples=3)
    with Running(workspace, sampling=sampling, merging=merging) as server:
        alone = [server.ask(user=f"u{n}", k=5) for n in range(20)]
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda n: server.ask(user=f"u{n}", k=5), range(20)))
    assert [answer["items"] for _, answer in alone] == [answer["items"] for _, answer in together]
    found = recommend(users=["u3"], workspace=workspace, options=RecommendOptions(sampling=sampling, merging=merging))
    assert [item["item_id"] for item in alone[3][1]["items"]] == [item.item_id for item in found.results[0].items][:5]


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        (Sampling(steps=1000, noise="zero"), "steps= must be between"),
        (Sampling(steps=1, noise="zero", guidance=2.0), "guidance needs a model"),
    ],
)
def test_what_the_model_cannot_sample_is_refused_before_anyone_asks(workspace, sampling, said):
    with pytest.raises(UsageError, match=said):
        make_server(workspace=workspace, options=ServeOptions(sampling=sampling))


def test_what_cannot_be_served(tmp_path):
    with pytest.raises(ArtifactError):
        make_server(workspace=tmp_path, options=ServeOptions())
    with pytest.raises(UsageError):
        ServeOptions(port=70_000)
    with pytest.raises(UsageError):
        Limits(k=0)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("refused", ["bind", "listen"])
def test_an_address_that_is_taken_in_the_very_moment_is_named(monkeypatch, workers, refused):
    """Linux lets two bind an address and tells the second that listens."""
    made = []

    class Busy(socket.socket):
        def __init__(self, *given):
            super().__init__(*given)
            made.append(self)

    def refuse(self, *given):
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(Busy, refused, refuse)
    monkeypatch.setattr(serve_module.socket, "socket", Busy)
    with pytest.raises(StorageError, match="port 0: Address already in use"):
        serve_module.listen(ServeOptions(host="127.0.0.1", port=0, workers=workers))
    assert made
    assert all(one.fileno() == -1 for one in made), "none stays open"


def test_where_few_items_are_allowed_fewer_are_the_default():
    assert parse_questions(b'{"user": "u1"}', Limits(k=3)).questions[0].k == 3
    (question,) = parse_questions(b'{"user": 12.0}', Limits(k=30)).questions
    assert question == Question(user="12", history=None, k=10)
