"""From what was typed to an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from reelkit.cli.failure import CommandFailed, explain
from reelkit.site_check import did_you_mean

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["main"]

DEBUG = "REELKIT_DEBUG"


def main(arguments: list[str] | None = None) -> None:
    """Run `reelkit` and leave the process with its exit code: 0 done, 1 failed, 2 not understood, 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--debug" in words:
        words.remove("--debug")
        os.environ[DEBUG] = "1"
    try:
        code = run(words)
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # The reader has gone, as with `reelkit … | head`; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        if os.environ.get(DEBUG):
            traceback.print_exc()
        for line in explain(error):
            sys.stderr.write(f"reelkit: {line}\n")
        code = error.exit_code if isinstance(error, CommandFailed) else 1
    sys.exit(code)


def run(words: list[str]) -> int:
    """Run one command line and return its exit code."""
    from cyclopts import CycloptsError

    from reelkit.cli.commands import make_app

    app = make_app(words)
    if words and not words[0].startswith("-") and words[0] not in app:
        from reelkit.cli.plugin_commands import add_plugin_commands

        words = add_plugin_commands(app, words)
        if words[0] not in app:
            known = [name for name in app if not name.startswith("-")]
            text = f'unknown command "{words[0]}".{did_you_mean(words[0], known)} See: reelkit --help'
            raise CommandFailed(text, exit_code=2)
    try:
        result: Any = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        raise _not_understood(app, words, error) from None
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def _not_understood(app: App, words: list[str], error: Exception) -> CommandFailed:
    commands, _, _ = app.parse_commands(words)
    text = " ".join(str(error).split()).replace("?.", "?")
    end = "" if text.endswith((".", "?")) else "."
    return CommandFailed(f"{text}{end} See: {' '.join(['reelkit', *commands, '--help'])}", exit_code=2)
