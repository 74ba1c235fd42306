"""The command line: one verb a file, thin over ``pare.api``.

Results go to standard output, messages and progress to standard error. A verb's module is imported when it is called, so
that ``pare --help`` stays fast.
"""

from __future__ import annotations

import sys
from importlib import import_module

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
    try:
        code = group.main(args=args, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except PareError as error:
        click.echo(f"pare: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "pare"
        click.echo(f"{where}: {error.format_message()}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("pare: stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
