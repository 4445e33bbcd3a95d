"""What a plugin's own routes learn of who asks."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from reelkit import Gate, signing_keys
from reelkit.access.keys import KeyRing, create_key
from reelkit.access.limits import RateLimits
from reelkit.access.metering import Meter
from reelkit.access.streams import open_streams
from reelkit.access.tokens import Claims, Tokens
from reelkit.access.windows import LocalWindows
from reelkit.catalog import keys as catalog_keys
from reelkit.catalog import projects
from reelkit.catalog.database import Database
from reelkit.catalog.scope import Scope
from reelkit.plugins import load_plugins
from reelkit.problems import (
    AccessDenied,
    InvalidSessionToken,
    MissingAuthorizationHeader,
    MonthlyBytesExceeded,
    PluginFailed,
    SuspendedAccount,
    TooManyRequests,
    TooManyStreams,
    Unauthorized,
)
from reelkit.site import Site, Tier
from reelkit.site_secrets import Secrets

LIVE = Scope("default", "production")
DENY = """
import reelkit

@reelkit.hookimpl
def proxy_policy(request):
    if request == "bad":
        raise RuntimeError("boom")
    return {"seen": request}
"""


@pytest_asyncio.fixture
async def gate(database: Database, database_site: Site) -> AsyncIterator[Gate]:
    tiers = database_site.tiers | {"small": Tier(concurrent_streams=1, monthly_bytes=100)}
    site = msgspec.structs.replace(database_site, tiers=tiers)
    (site.folder / "plugins").mkdir(parents=True, exist_ok=True)
    (site.folder / "plugins" / "deny.py").write_text(DENY)
    tokens = Tokens(Secrets(["s" * 32]))
    ring, meter = KeyRing(site, tokens=tokens), Meter(site)
    state = SimpleNamespace(
        key_ring=ring,
        tokens=tokens,
        rate_limits=RateLimits(site, LocalWindows()),
        streams=open_streams(site, LocalWindows()),
        meter=meter,
        runtime=SimpleNamespace(plugins=load_plugins(site), site=site),
    )
    yield Gate(state)
    await meter.close()
    await ring.close()


def request(**headers: str) -> dict[str, Any]:
    found = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "GET", "path": "/api", "headers": found, "client": ("127.0.0.1", 1)}


async def test_a_caller_is_known_counted_and_held_to_their_scopes(gate: Gate) -> None:
    key, secret = await create_key(gate.site, LIVE, "reads", tier="public", scopes=("api:read",))
    visitor = await gate.admit(request(x_api_key=secret))
    assert (visitor.caller.id, visitor.caller.tier, visitor.session, visitor.streaming) == (key.id, "public", False, False)
    with pytest.raises(AccessDenied):
        await gate.admit(request(x_api_key=secret), "videos:read")
    with pytest.raises(MissingAuthorizationHeader):
        await gate.admit(request())
    for _ in range(8):
        await gate.admit(request(x_api_key=secret))
    with pytest.raises(TooManyRequests):
        await gate.admit(request(x_api_key=secret))


async def test_a_session_is_told_apart(gate: Gate) -> None:
    key, _ = await create_key(gate.site, LIVE, "key")
    token = gate._state.tokens.sign("session", Claims(key.id, key.project, key.environment, "se1"))
    visitor = await gate.admit(request(x_session_token=token))
    assert (visitor.session, visitor.streaming, visitor.caller.id) == (True, True, key.id)


async def test_a_ticket_lets_in_as_long_as_its_key_works_and_is_not_counted(gate: Gate) -> None:
    key, secret = await create_key(gate.site, LIVE, "key", tier="public")
    visitor = await gate.admit(request(x_api_key=secret))
    assert secret not in visitor.ticket
    for _ in range(20):
        assert (await gate.readmit(visitor.ticket)).caller.id == key.id
    await catalog_keys.revoke(LIVE, key.id)
    gate._state.key_ring.forget()
    with pytest.raises(Unauthorized):
        await gate.readmit(visitor.ticket)


@pytest.mark.parametrize("change", [lambda t: "", lambda t: "{}", lambda t: "null", lambda t: t[:-1], lambda t: "x" * 9999])
async def test_a_ticket_that_is_none_is_refused(gate: Gate, change: Callable[[str], str]) -> None:
    _, secret = await create_key(gate.site, LIVE, "key")
    ticket = (await gate.admit(request(x_api_key=secret))).ticket
    with pytest.raises(InvalidSessionToken):
        await gate.readmit(change(ticket))


async def test_a_ticket_of_another_project_or_of_no_tier_opens_nothing(gate: Gate) -> None:
    key, _ = await create_key(gate.site, LIVE, "key")
    for project, environment in (("other", "production"), ("default", "sandbox")):
        with pytest.raises(InvalidSessionToken):
            await gate.readmit(msgspec.json.encode((key.id, environment, project, "partner")).decode())
    known = msgspec.json.encode(("plugin:ann", "production", "default", "standard")).decode()
    assert (await gate.readmit(known)).caller.id == "plugin:ann"
    with pytest.raises(AccessDenied):
        await gate.readmit(known.replace("standard", "gone"))
    shop = await projects.create("shop")
    assert shop is not None
    await projects.set_suspended(shop.id, True)
    gate._state.key_ring.forget()
    with pytest.raises(SuspendedAccount):
        await gate.readmit(known.replace("default", shop.id))


async def test_only_hooks_that_fail_closed_are_called_and_they_do(gate: Gate) -> None:
    def edit(value: Any, answer: Any) -> Any:
        return answer["seen"] + "!"

    assert gate.asks("proxy_policy") and not gate.asks("authorize")
    assert await gate.ask("proxy_policy", "request", "good", edit) == "good!"
    with pytest.raises(PluginFailed):
        await gate.ask("proxy_policy", "request", "bad", edit)
    with pytest.raises(ValueError, match="fails closed"):
        await gate.ask("on_event", "event", "good", edit)


async def test_viewers_of_a_key_share_its_places_and_its_month(gate: Gate) -> None:
    key, _ = await create_key(gate.site, LIVE, "key", tier="small")
    visitors = []
    for session in ("se1", "se2"):
        token = gate._state.tokens.sign("session", Claims(key.id, key.project, key.environment, session))
        visitor = await gate.admit(request(x_session_token=token))
        # As they come back by links.
        visitors.append(await gate.readmit(visitor.ticket))
    one, two = visitors
    await gate.watch(request(), one)
    await gate.watch(request(), one)
    with pytest.raises(TooManyStreams):
        await gate.watch(request(), two)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    counted = await gate.metered(one, send)
    await counted({"type": "http.response.body", "body": b"x" * 100})
    assert len(sent) == 1
    with pytest.raises(MonthlyBytesExceeded):
        await gate.metered(two, send)


def test_keys_for_signing_differ_by_purpose_and_follow_the_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, newer, older = Site(folder=tmp_path), "a" * 32, "b" * 32
    monkeypatch.setenv("REELKIT_SECRETS", msgspec.json.encode([newer, older]).decode())
    keys = signing_keys(site, "links")
    assert len(keys) == 2 and all(len(key) == 32 for key in keys)
    assert set(keys).isdisjoint(signing_keys(site, "other"))
    monkeypatch.setenv("REELKIT_SECRETS", msgspec.json.encode([older]).decode())
    assert signing_keys(site, "links") == keys[1:], "what the old secret signed is still believed"


async def test_the_page_of_plugins_shows_it_as_it_is(gate: Gate) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "plugins.md").read_text("utf-8")
    (code,) = re.findall(r'```python title="plugins/whoami.py"\n(.*?)```', page, re.DOTALL)
    shown: dict[str, Any] = {}
    exec(code, shown)
    (handler,) = shown["register_routes"]()
    _, secret = await create_key(gate.site, LIVE, "key", tier="partner")
    scope = request(x_api_key=secret) | {"litestar_app": SimpleNamespace(state=gate._state)}
    assert await handler.fn(SimpleNamespace(scope=scope)) == {"tier": "partner", "session": False}
