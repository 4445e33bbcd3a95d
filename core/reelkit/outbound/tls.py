"""Which certificates are trusted, and what is wrong with one that is not."""

from __future__ import annotations

import ssl
from functools import cache

import certifi

__all__ = ["certificates", "tls_fault"]


@cache
def certificates() -> ssl.SSLContext:
    """Trust what the system trusts, and what certifi does, since small containers have no certificates."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def tls_fault(error: BaseException) -> str | None:
    """Return what is wrong with the host's certificate, if that is it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not valid ({cause.verify_message})."
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS as it should."
        cause = cause.__cause__ or cause.__context__
    return None
