"""The command line: one verb a file, thin over ``pare.api``.

Results go to standard output, messages and progress to standard error. A verb's module is imported when it is called, so
that ``pare --help`` stays fast.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

import click

from pare import __version__
from pare.errors import PareError

VERBS = {
    "find": "find the smallest model that clears a quality bar, and prove it",
    "show": "a run's frontier and verdict, or the anatomy of a model",
    "run": "classify texts with a run's winner",
    "bench": "measure a run's winner against its reference, interleaved",
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


def main(args: list[str] | None = None) -> None:
    """Runs the command line. Exit codes: 0 done or pass, 1 fail, 2 bad input, 3 unproven, 130 stopped."""
    given = sys.argv[1:] if args is None else args
    try:
        code = group.main(args=given or ["--help"], standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except PareError as error:
        _stop("pare", str(error), error.exit_code)
    except click.ClickException as error:
        verb = error.ctx.info_name if isinstance(error, click.UsageError) and error.ctx else None
        _stop(f"pare {verb}" if verb in VERBS else "pare", error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt):
        _stop("pare", "stopped", 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.filename is None:
            raise
        _stop("pare", f"{error.filename}: {error.strerror}; check the path, its rights and the free space", 2)


def _stop(where: str, message: str, code: int) -> NoReturn:
    """Ends with one line on standard error, whatever the message holds."""
    click.echo(f"{where}: {' '.join(message.split())}", err=True)
    sys.exit(code)
