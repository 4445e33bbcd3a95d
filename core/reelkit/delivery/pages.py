"""Pages for people: templates that a site can override, and the headers that keep a page to itself."""

from __future__ import annotations

import secrets

import jinja2
import msgspec

from reelkit.shipped import templates
from reelkit.site import Site

__all__ = ["Page", "content_security_policy", "new_nonce", "template_environment"]


class Page(msgspec.Struct, frozen=True):
    """An answer of HTML."""

    html: str
    headers: dict[str, str]
    status: int = 200


def template_environment(site: Site) -> jinja2.Environment:
    """Return Jinja2 over the site's `templates/`, then the packaged ones. A name that is not there is an error."""
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.FileSystemLoader(site.folder / "templates"), jinja2.FileSystemLoader(templates())]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def new_nonce() -> str:
    """Return 128 random bits that let a page's own scripts and styles run."""
    return secrets.token_urlsafe(16)


def content_security_policy(nonce: str, *, framed_by: str | None = None, own: bool = True) -> dict[str, str]:
    """Return the headers of a page that runs only what carries its nonce and talks to this site only.

    framed_by: who may show it in a frame, None: anybody; own: unless somebody may, it is for pages of this site only.
    """
    rules = {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "script-src": f"'nonce-{nonce}'",
        "style-src": f"'nonce-{nonce}'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        # hls.js plays from blob: and hands captions over as data:.
        "media-src": "'self' blob: data:",
        "frame-src": "'self'",
    }
    if framed_by is not None:
        rules["frame-ancestors"] = framed_by
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in rules.items()),
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "X-Content-Type-Options": "nosniff",
        # The nonce is for one answer only.
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "cross-origin" if framed_by is None or not own else "same-origin",
    }
