"""Signed tokens say what was signed, on every process of the site, and nothing else is believed."""

from __future__ import annotations

import time

import msgspec
import pytest
from itsdangerous import TimestampSigner
from reelkit.access.tokens import LIFETIME, Claims, Tokens
from reelkit.site_secrets import Secrets

CLAIMS = Claims("ke1", "default", "sandbox", "se1")


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(Secrets(["n" * 32, "o" * 32]))


def at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    moment = int(time.time() + seconds)
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: moment)


def test_a_token_says_what_was_signed_on_every_process(tokens: Tokens) -> None:
    elsewhere = Tokens(Secrets(["n" * 32, "o" * 32]))
    for kind in LIFETIME:
        assert elsewhere.read(kind, tokens.sign(kind, CLAIMS)) == CLAIMS


def test_secrets_rotate_without_a_break(tokens: Tokens) -> None:
    before = Tokens(Secrets(["o" * 32]))
    after = Tokens(Secrets(["n" * 32]))
    assert tokens.read("access", before.sign("access", CLAIMS)) == CLAIMS, "older secrets verify"
    assert after.read("access", tokens.sign("access", CLAIMS)) == CLAIMS, "the newest signs"
    assert after.read("access", before.sign("access", CLAIMS)) is None, "a secret that was taken out does not"


@pytest.mark.parametrize(("seconds", "read"), [(1799, True), (1801, False), (-60, False)])
def test_a_token_lives_its_time(tokens: Tokens, monkeypatch: pytest.MonkeyPatch, seconds: int, read: bool) -> None:
    token = tokens.sign("session", CLAIMS)
    at(monkeypatch, seconds)
    assert (tokens.read("session", token) == CLAIMS) is read


def test_one_kind_of_token_is_not_another(tokens: Tokens) -> None:
    assert tokens.read("access", tokens.sign("session", CLAIMS)) is None
    assert tokens.read("session", tokens.sign("access", CLAIMS)) is None


def test_nothing_else_is_believed(tokens: Tokens) -> None:
    good = tokens.sign("session", CLAIMS)
    body, stamp, signature = good.split(".")
    other = Tokens(Secrets(["x" * 32])).sign("session", CLAIMS)
    wrong = [
        "",
        ".",
        "..",
        "\0",
        "ü.ü.ü",
        "a" * 100_000,
        body,
        f"{body}.{stamp}",
        good[:-1],
        good + "A",
        good.upper(),
        other,
    ]
    wrong += [f"{body[:-2]}.{stamp}.{signature}", f"{body}.AAAAAA.{signature}", f"{body}.{stamp}.", f".{stamp}.{signature}"]
    for position in range(len(body)):
        changed = "A" if body[position] != "A" else "B"
        wrong.append(f"{body[:position]}{changed}{body[position + 1 :]}.{stamp}.{signature}")
    for token in wrong:
        assert tokens.read("session", token) is None, token


def test_a_signed_token_of_another_shape_is_not_believed(tokens: Tokens) -> None:
    signer = tokens._signers["session"]
    for body in (b"", b"x", b"W10", msgspec.json.encode(["ke", "p", "elsewhere", "s"])):
        assert tokens.read("session", signer.sign(body).decode()) is None


def test_a_token_is_one_spelling(tokens: Tokens) -> None:
    token = tokens.sign("session", CLAIMS)
    for other in (
        f"{token}!!!!",
        f"{token}==",
        f"{token[:-3]}    {token[-3:]}",
        f"{token}\n",
        f"{token[:-4]}****{token[-4:]}",
    ):
        assert tokens.read("session", other) is None, other
    assert tokens.read("session", token) == CLAIMS
