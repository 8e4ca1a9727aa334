"""Addresses are shown, and others' errors repeated, without what is secret in them."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adrec_cli.data.addresses import hide_secrets, is_address, show_address

SECRETS = st.text("ABCabc019/+=%&?#@:", min_size=4, max_size=20).map(lambda text: f"canary{text}canary")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://bucket/events/a.csv", "s3://bucket/events/a.csv"),
        ("s3://KEY:SECRET@bucket/a@b.csv?region=x", "s3://bucket/a@b.csv"),
        ("https://shop.example:8443/a.csv?sig=SECRET#part", "https://shop.example:8443/a.csv"),
        ("hf://datasets/owner/name@main/a.csv", "hf://datasets/owner/name@main/a.csv"),
        ("s3://KEY:SEC/RET@bucket/a.csv", "s3://***"),
        ("events/a.csv?", "events/a.csv?"),
    ],
)
def test_an_address_is_shown_without_user_and_query(address: str, shown: str) -> None:
    assert show_address(address) == shown


def test_paths_and_named_sets_are_no_addresses() -> None:
    assert not any(map(is_address, ("demo", "a/b.csv", "/a://b", "C://b")))
    assert is_address("S3://bucket/a")


@given(SECRETS)
@example("canary://?canary")
@example("canary://a@canary")
def test_no_part_of_a_secret_is_shown_or_repeated(secret: str) -> None:
    spelled = quote(secret, safe="")
    for address in (f"s3://KEYID:{spelled}@bucket/a.csv", f"https://h/a.csv?sig={spelled}"):
        assert "canary" not in show_address(address)
        for said in (f"cannot parse {address}!", f"bad {secret}", f"bad {spelled}", f"({address[8:]})"):
            assert "canary" not in hide_secrets(said, address)


@given(st.text("ab01/+", max_size=12))
def test_a_key_with_slashes_that_nobody_quoted_is_not_shown(start: str) -> None:
    assert "canary" not in show_address(f"s3://KEYID:{start}/canary@bucket/a.csv")
    assert "canary" not in show_address(f"s3://KEYID:{start}canary@bucket/a.csv")


def test_secrets_of_the_environment_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-in-env")
    assert hide_secrets("refused: canary-in-env", "s3://bucket/a") == "refused: ***"
