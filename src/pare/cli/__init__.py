"""The command line: one verb a file, thin over ``pare.api``.

Results go to standard output, messages and progress to standard error, both as UTF-8 whatever the locale is. A verb's
module is imported when it is called, so that ``pare --help`` stays fast.

Exit codes: 0 done or pass, 1 fail, 2 bad input, 3 unproven, 70 something inside pare failed, 130 stopped, 141 whoever
read standard output closed it. Only a verdict is ever 0, 1 or 3: a crash must not read as a proven miss, nor half of a
table as a pass.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import NoReturn, TextIO

import click

from pare import __version__
from pare.errors import PareError

VERBS = {
    "scan": "what of a log of a large model could move to a small one",
    "label": "let a teacher label texts, priced and capped beforehand",
    "synthesize": "let a teacher invent messages for classes of few rows, for training only",
    "find": "find the smallest model that clears a quality bar, and prove it",
    "build": "run a recipe of compression methods on a model",
    "export": "a built model as a Hugging Face folder, ONNX or GGUF",
    "review": "label only the sealed rows that decide, blind, in a page or by CSV",
    "show": "a run's frontier and verdict, or the anatomy of a model",
    "run": "classify texts with a run's winner",
    "bench": "measure a run's winner against its reference, interleaved",
    "plan": "what it takes to run a model: servers, racks, power, money, CO2; buy or host",
    "prove": "the proof alone: two models or two files of predictions",
    "gc": "free the space of what no frontier needs",
    "doctor": "what this machine has, and what is missing",
}


class Verbs(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"pare.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from pare.errors import nearest

        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(f"there is no command '{args[0]}'; {nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="pare")
def group() -> None:
    """Finds, builds, proves and serves the smallest language model that does your job."""


INTERNAL = PareError.exit_code
CLOSED_PIPE = 141
"""As a shell tells that a command was ended by SIGPIPE."""


def main(args: list[str] | None = None) -> None:
    """Runs the command line and exits with one of the codes above."""
    _write_utf8()
    given = sys.argv[1:] if args is None else args
    try:
        code = group.main(args=given or ["--help"], standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except PareError as error:
        _stop("pare", str(error), error.exit_code)
    except click.ClickException as error:
        verb = error.ctx.info_name if isinstance(error, click.UsageError) and error.ctx else None
        _stop(f"pare {verb}" if verb in VERBS else "pare", error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt):
        _stop("pare", "stopped", 130)
    except BrokenPipeError:
        _settle(sys.stdout)
        sys.exit(CLOSED_PIPE)
    except OSError as error:
        _settle(sys.stdout)
        what = error.strerror or str(error) or type(error).__name__
        where = f"{error.filename}: " if error.filename is not None else ""
        _stop("pare", f"{where}{what}; check the path, its rights and the free space", 2)
    except SystemExit as stop:
        # click and rich end with 1, which is the verdict `fail`, where whoever read their output has left
        sys.exit(CLOSED_PIPE if stop.code == 1 else stop.code)
    except Exception as error:
        with suppress(OSError):
            traceback.print_exc()
        what = type(error).__name__
        _stop("pare", f"a bug in pare ({what}): please report it, with the lines above and your command", INTERNAL)
    sys.exit(code if isinstance(code, int) else 0)


def _write_utf8() -> None:
    """Makes both streams UTF-8. What is no valid Unicode (a file's name may be so) is written with backslashes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _stop(where: str, message: str, code: int) -> NoReturn:
    """Ends with one line on standard error, whatever the message holds."""
    with suppress(OSError):
        click.echo(f"{where}: {' '.join(message.split())}", err=True)
    _settle(sys.stderr)
    sys.exit(code)


def _settle(stream: TextIO | None) -> None:
    """Drops what a stream cannot take. Else Python writes it again when it ends, fails, and exits with a code of its own."""
    if stream is None:
        return
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
