"""Somebody who looks at a page: a Playwright page and what is asked of it in words."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Frame, Page
from playwright.async_api import Error as PageError

__all__ = ["Viewer", "Viewers"]

RESULTS = Path(__file__).resolve().parents[2] / "test-results"


class Viewer:
    """One open page. frame: where the player is, the page itself unless it is embedded."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frame: Frame = page.main_frame
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    async def run(self, script: str, argument: Any = None) -> Any:
        """Evaluate JavaScript where the player is."""
        return await self.frame.evaluate(script, argument)

    async def until(self, script: str, wanted: Any = True, timeout: float = 60) -> Any:
        """Wait until a script answers what is wanted (True: anything truthy) and return the answer."""
        end = time.monotonic() + timeout
        while True:
            try:
                seen = await self.run(script)
            except PageError as error:
                # The page is being replaced by another one, which will be asked.
                if "context was destroyed" not in error.message:
                    raise
                seen = None
            if seen == wanted or (wanted is True and seen):
                return seen
            if time.monotonic() > end:
                raise AssertionError(f"{script} stayed {seen!r}, wanted {wanted!r}; page errors: {self.errors}")
            # Not time.sleep: page events would not arrive.
            await asyncio.sleep(0.05)

    async def ready(self) -> None:
        """Wait until the player is built and knows the duration."""
        await self.until("document.querySelector('#player[data-ready] video')?.readyState >= 1")

    async def playing_from(self, seconds: float) -> float:
        """Wait until the picture moves on at and beyond a position; returns where it is."""
        await self.until(
            f"document.querySelector('video')?.currentTime > {seconds} && !document.querySelector('video').paused"
        )
        first = await self.time()
        await self.until(f"document.querySelector('video').currentTime > {first + 0.4}")
        return await self.time()

    async def time(self) -> float:
        """Return where playback is, in seconds."""
        found: float = await self.run("document.querySelector('video').currentTime")
        return found

    async def click(self, selector: str) -> None:
        """Click on the first thing that matches."""
        await self.frame.locator(selector).first.click()

    async def open_menu(self, menu: str) -> None:
        """Open one of the menus below the settings, such as media-rendition-menu, unless it is open."""
        # They hide 2 s after the pointer rests; on a busy machine that is before the next click.
        await self.run("document.querySelector('media-controller').setAttribute('autohide', '-1')")
        if await self.run("document.querySelector('media-settings-menu').hidden"):
            await self.click("media-settings-menu-button")
            await self.click(f"media-settings-menu-item:has({menu})")

    async def choose(self, menu: str, item: str) -> None:
        """Choose something from one of the menus below the settings."""
        await self.open_menu(menu)
        # Not `Auto (720p)`.
        await self.frame.get_by_role("menuitemradio", name=re.compile(f"^{re.escape(item)}")).click()

    async def watch_at(self, height: int) -> None:
        """Choose a quality and wait until it is what plays.

        At the very start: on a busy machine the film may be over before the next segment is another one.
        """
        await self.run("(video => (video.pause(), video.currentTime = 0))(document.querySelector('video'))")
        await self.choose("media-rendition-menu", f"{height}p")
        await self.run("document.querySelector('video').play()")
        await self.until("document.querySelector('video').videoHeight", height)
        await self.playing_from(await self.time())

    async def press(self, key: str) -> None:
        """Press a key."""
        await self.page.keyboard.press(key)

    async def screenshot(self, name: str) -> Path:
        """Save what is seen in test-results/."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.png"
        await self.page.screenshot(path=path)
        return path


class Viewers:
    """Opens pages, each in a context of its own: cookies and storage start empty."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.contexts: list[BrowserContext] = []

    async def __call__(self, address: str, *, width: int = 960, height: int = 540, **context: Any) -> Viewer:
        opened = await self.browser.new_context(viewport={"width": width, "height": height}, **context)
        self.contexts.append(opened)
        opened.set_default_timeout(60_000)
        viewer = Viewer(await opened.new_page())
        await viewer.page.goto(address)
        return viewer

    async def close(self) -> None:
        """Close everything that was opened."""
        for context in self.contexts:
            await context.close()
