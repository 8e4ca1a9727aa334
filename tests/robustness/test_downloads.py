"""What comes from elsewhere: never from https to something less safe, never more than a table can be."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import urllib.error
import urllib.request
import zipfile
from email.message import Message

import pyarrow as pa
import pytest

from adrec_cli.data import download
from adrec_cli.data.download import _SafeRedirects, extract_member
from adrec_cli.data.named_datasets import dataset_names, load_dataset_spec
from adrec_cli.data.reading import read_limits
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
    specs = [load_dataset_spec(name) for name in dataset_names()]
    addresses = [url for s in specs for form in (*s.sources, *s.items) for one in form.published for url in one.urls]
    assert len(addresses) > 10
    assert all(url.startswith("https://") for url in addresses)


@pytest.fixture
def shipped(monkeypatch):
    """Let every download arrive at once, as rows of the demo in the form of Amazon's reviews."""
    rows = [
        {"reviewerID": f"u{n % 8}", "asin": f"i{n % 6}", "unixReviewTime": 1_400_000_000 + n, "overall": 5.0}
        for n in range(400)
    ]
    content = gzip.compress("\n".join(json.dumps(row) for row in rows).encode(), mtime=0)
    asked = []

    def fetch(url, part, expected, on_event):
        asked.append(url)
        part.write_bytes(content)

    monkeypatch.setattr(download, "_fetch", fetch)
    return asked, hashlib.sha256(content).hexdigest()


def test_a_download_that_nobody_knows_must_be_accepted(shipped, tmp_path):
    asked, digest = shipped
    line = ["preprocess", "baby", "--workspace", tmp_path]
    assert "names no SHA-256" in typed_here(line).require_one_error(3)
    assert not asked
    assert "sha256" in typed_here([*line, "--download-sha256", "0" * 64]).require_one_error(3)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    typed_here([*line, "--download-sha256", "none"]).require_one_error(2)
    taken = typed_here([*line, "--download-sha256", "any"])
    assert taken.exit_code == 0, taken.stderr
    assert "warning: reviews_Baby_5.json.gz was not checked" in taken.stderr
    assert f"--download-sha256 {digest}" in taken.stderr
    manifest = json.loads((tmp_path / "baby/manifest.json").read_text())
    assert digest in {source["sha256"] for source in manifest["sources"]}
    again = typed_here([*line, "--force"])
    assert again.exit_code == 0
    assert len(asked) == 2


def test_a_download_that_is_pinned(shipped, tmp_path):
    digest = shipped[1]
    done = typed_here(["preprocess", "baby", "--workspace", tmp_path, "--download-sha256", digest])
    assert done.exit_code == 0, done.stderr
    assert "taken as it came" not in done.stderr


def test_what_a_data_set_names_cannot_be_waived(shipped, tmp_path):
    for accepted in ("any", shipped[1]):
        line = ["preprocess", "lastfm", "--workspace", tmp_path, "--download-sha256", accepted]
        assert "expected 6738f4819566" in typed_here(line).require_one_error(3)


@pytest.fixture
def small_limit(monkeypatch):
    """Let bombs be small ones."""
    monkeypatch.setattr(read_limits, "ALWAYS_UNPACKED_BYTES", 1_000_000)


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
