"""What comes from elsewhere: never from https to something less safe, never more than a table can be."""

from __future__ import annotations

import gzip
import io
import urllib.error
import urllib.request
import zipfile
from email.message import Message

import pyarrow as pa
import pytest

from adrec_cli.data import decoding
from adrec_cli.data.datasets import dataset_names, load_dataset_spec
from adrec_cli.data.download import _SafeRedirects, extract_member
from adrec_cli.errors import InputError
from tests.robustness.processes import typed_here

ZEROS = bytes(3_000_000)


@pytest.mark.parametrize("target", ["http://example.org/f", "ftp://example.org/f", "file:///etc/passwd"])
def test_no_redirect_leads_away_from_https(target):
    asked = urllib.request.Request("https://example.org/f")
    with pytest.raises(urllib.error.URLError, match="not https"):
        _SafeRedirects().redirect_request(asked, io.BytesIO(), 302, "Found", Message(), target)
    follow = _SafeRedirects().redirect_request(asked, io.BytesIO(), 302, "Found", Message(), "https://example.com/f")
    assert follow.full_url == "https://example.com/f"


def test_every_address_is_https():
    forms = [form for name in dataset_names() for form in load_dataset_spec(name).sources if form.url]
    assert forms
    assert all(form.url.startswith("https://") for form in forms)


@pytest.fixture
def small_limit(monkeypatch):
    """Let bombs be small ones."""
    monkeypatch.setattr(decoding, "ALWAYS_UNPACKED_BYTES", 1_000_000)


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_compressed_bomb_is_refused_before_it_fills_the_disk(small_limit, tmp_path, kind):
    path = tmp_path / f"shop.csv.{kind}"
    path.write_bytes(gzip.compress(ZEROS) if kind == "gz" else bytes(pa.compress(ZEROS, "zstd", asbytes=True)))
    done = typed_here(["preprocess", path, "--workspace", tmp_path / "workspace"])
    assert "500 times its size" in done.require_one_error(3)
    assert not [entry for entry in (tmp_path / "workspace").rglob("*") if entry.is_file()]


def test_an_archive_that_is_a_bomb_or_lies_about_its_size(small_limit, tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr("ratings.csv", ZEROS)
    with pytest.raises(InputError, match="500 times its size"):
        extract_member(archive, "ratings.csv", tmp_path / "ratings.csv")
    assert list(tmp_path.iterdir()) == [archive]


def test_a_member_cannot_choose_where_it_goes(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("../../outside.csv", "x")
    target = tmp_path / "in" / "ratings.csv"
    extract_member(archive, "../../outside.csv", target)
    assert sorted(tmp_path.rglob("*")) == [archive, target.parent, target]
