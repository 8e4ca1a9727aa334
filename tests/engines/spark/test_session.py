"""What opening Spark leaves as it was, by a stand-in for Spark itself: no Java is needed."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from adrec_cli.engines.spark.session import open_context

pyspark = pytest.importorskip("pyspark", reason="the extra spark is not installed")


class Context:
    """A Spark that takes the signal of Ctrl-C for itself, as the real one does where it may."""

    _active_spark_context: Context | None = None

    def __init__(self, conf: Any) -> None:
        self.conf = conf
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, lambda number, frame: None)
        type(self)._active_spark_context = self

    def setLogLevel(self, level: str) -> None:
        """Be quiet."""

    def stop(self) -> None:
        """End."""
        type(self)._active_spark_context = None


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Context, "_active_spark_context", None)
    monkeypatch.setattr(pyspark, "SparkContext", Context)
    # Without what a Spark has set that other tests keep running in this process.
    settings = functools.partial(pyspark.SparkConf, loadDefaults=False)
    monkeypatch.setattr(pyspark, "SparkConf", settings)
    # It is not started.
    monkeypatch.setenv("JAVA_HOME", "nowhere")
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def answer(number: int, frame: object) -> None:
    """Stand for whatever answers Ctrl-C."""


@pytest.mark.parametrize("fails", [False, True])
def test_who_answered_ctrl_c_before_does_so_again(fails: bool) -> None:
    signal.signal(signal.SIGINT, answer)
    try:
        with open_context("local[1]"):
            assert signal.getsignal(signal.SIGINT) is not answer
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    assert signal.getsignal(signal.SIGINT) is answer
    assert Context._active_spark_context is None


def test_in_a_thread_which_may_not_set_signals_none_is_set() -> None:
    raised: list[Exception] = []

    def open_in_thread() -> None:
        try:
            with open_context("local[1]"):
                # Whatever the main thread sets meanwhile stays.
                changed.set()
                assert set_by_main.wait(60)
        except Exception as error:
            raised.append(error)

    changed, set_by_main = threading.Event(), threading.Event()
    thread = threading.Thread(target=open_in_thread)
    thread.start()
    assert changed.wait(60)
    signal.signal(signal.SIGINT, answer)
    set_by_main.set()
    thread.join()
    assert raised == []
    assert signal.getsignal(signal.SIGINT) is answer


@pytest.mark.parametrize(
    ("asked", "submitted", "master"),
    [("local[3]", None, "local[3]"), ("yarn", None, "yarn"), (None, None, "local[*]"), (None, "1", None)],
)
def test_the_master_is_the_one_asked_for_else_spark_submit_s_else_this_machine(
    asked: str | None, submitted: str | None, master: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    if submitted is not None:
        monkeypatch.setenv("PYSPARK_GATEWAY_PORT", submitted)
    with open_context(asked) as context:
        assert context.conf.get("spark.master") == master
        nobody_else = context.conf.get("spark.driver.bindAddress") == "127.0.0.1"
        assert nobody_else == (master is not None and master.startswith("local"))


def test_a_spark_that_runs_already_is_used_and_left_running() -> None:
    running = Context(conf=None)
    running.master = "local[2]"  # type: ignore[attr-defined]
    with open_context(None) as context:
        assert context is running
    assert Context._active_spark_context is running
