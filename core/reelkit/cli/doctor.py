"""`reelkit doctor`: what a site needs, a line each."""

from __future__ import annotations

import sys

from reelkit.cli.options import JsonOption, SiteOption, open_site, print_json
from reelkit.doctor import Finding, examine
from reelkit.site import SiteInvalid

__all__ = ["doctor"]

MARKS = {"ok": "✓ ok  ", "warn": "! warn", "fail": "✗ FAIL"}


async def doctor(*, site: SiteOption = None, json: JsonOption = False) -> int:
    """Check everything a site needs, and say how to mend what is not well.

    Looks at ffmpeg and its codecs, disk space and speed, the database, the
    storage, every plugin, the clock, the secrets and the address. Exits with 1
    when something fails. For example:

        reelkit doctor --site mysite
    """
    try:
        findings = await examine(open_site(site))
    except SiteInvalid as refused:
        findings = [Finding("site", "fail", fault) for fault in refused.faults]
    if json:
        print_json(findings)
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            print(f"{_mark(finding.state)}  {finding.name.ljust(width)}  {finding.found}")  # noqa: T201 - what a command is for
            if finding.mend:
                print(f"{' ' * (width + 10)}→ {finding.mend}")  # noqa: T201 - what a command is for
    return 1 if any(finding.state == "fail" for finding in findings) else 0


def _mark(state: str) -> str:
    mark = MARKS[state]
    # A terminal that is not UTF-8 cannot show the marks.
    return mark if (sys.stdout.encoding or "").lower().startswith("utf") else mark[2:]
