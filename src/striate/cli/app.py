"""The `striate` command: its verbs, and what happens when one of them fails.

A verb is a row of `VERBS`; its module is imported when the verb is used, so that `striate --help` needs no torch.
"""

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TextIO

from cyclopts import App, Group, Parameter
from cyclopts.help import DefaultFormatter
from rich.padding import Padding
from rich.text import Text

from striate.cli.checks import check_here, check_words
from striate.cli.console import ERROR, print_json, stderr, stdout, visible
from striate.cli.errors import Exit, describe, exit_code
from striate.cli.processes import is_told_by_another
from striate.cli.signals import ending_cleanly
from striate.cli.streams import flush_or_discard, prepare_streams, quiet_libraries

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions

__all__ = ["VERBS", "Verb", "build_app", "main"]


class Verb(NamedTuple):
    """One row of the command line: where the verb lives, its line in the help, and what comes after its name."""

    name: str
    target: str
    group: str
    help: str
    usage: str | None = None


VERBS = (
    Verb(
        "explain",
        "striate.cli.explain:explain",
        "See inside",
        "Say what a network sees in a photo, and show why.",
        usage="PHOTO [OPTIONS]",
    ),
    Verb(
        "inspect",
        "striate.cli.inspect:inspect",
        "See inside",
        "Show every layer, and what single units look for.",
        usage="NETWORK [OPTIONS]",
    ),
    Verb("study", "striate.cli.study:app", "See inside", "Let people label the pictures that networks label."),
    Verb(
        "tsne",
        "striate.cli.tsne:tsne",
        "See inside",
        "Lay pictures out by what a network makes of them.",
        usage="FOLDER [OPTIONS]",
    ),
    Verb(
        "invert",
        "striate.cli.invert:invert",
        "See inside",
        "Paint a photo again from what each layer answered.",
        usage="PHOTO [OPTIONS]",
    ),
    Verb(
        "dream",
        "striate.cli.dream:dream",
        "Create",
        "Paint into a photo what a layer sees in it.",
        usage="PHOTO [OPTIONS]",
    ),
    Verb(
        "style",
        "striate.cli.style:style",
        "Create",
        "Paint a photo in the style of paintings.",
        usage="CONTENT STYLE… [OPTIONS]",
    ),
    Verb(
        "train",
        "striate.cli.train:train",
        "Train",
        "Learn classes from a folder of pictures.",
        usage="DATA [OPTIONS]",
    ),
    Verb(
        "evaluate",
        "striate.cli.evaluate:evaluate",
        "Train",
        "Say how good a network is, and what it gets wrong.",
        usage="RUN|WEIGHTS|NAME [DATA] [OPTIONS]",
    ),
    Verb(
        "runs",
        "striate.cli.runs:runs",
        "Train",
        "List the runs: how far, how good.",
        usage="[FOLDER] [OPTIONS]",
    ),
    Verb(
        "compare",
        "striate.cli.compare:compare",
        "Train",
        "Put runs side by side, and test the difference.",
        usage="RUN RUN… [OPTIONS]",
    ),
    Verb("data", "striate.cli.data:app", "Train", "Check, split, convert and fetch labeled pictures."),
    Verb(
        "classify",
        "striate.cli.classify:classify",
        "Use",
        "Name what is in many photos.",
        usage="FILES|FOLDERS… [OPTIONS]",
    ),
    Verb(
        "detect",
        "striate.cli.detect:detect",
        "Use",
        "Find objects on photos, in films, in front of a camera.",
        usage="FILES|FOLDERS… --network RUN [OPTIONS]",
    ),
    Verb(
        "convolve",
        "striate.cli.convolve:convolve",
        "Understand convolution",
        "Sizes, cost, receptive field and every step of layers.",
        usage="INPUT LAYER… [OPTIONS]",
    ),
    Verb(
        "filters",
        "striate.cli.filters:filters",
        "Understand convolution",
        "Find edges, blur, sharpen: classic kernels and yours.",
        usage="PHOTO… [OPTIONS]",
    ),
    Verb(
        "models",
        "striate.cli.models:models",
        "Networks and weights",
        "List the networks, or show one's card.",
        usage="[NAME] [OPTIONS]",
    ),
    Verb("weights", "striate.cli.weights:app", "Networks and weights", "List, fetch, verify and import weights."),
    Verb(
        "doctor",
        "striate.cli.doctor:doctor",
        "This machine",
        "Show versions, devices, caches and what is missing.",
        usage="[OPTIONS]",
    ),
)

EPILOGUE = """\
Every verb takes --json (one JSON document on stdout) and --debug (tracebacks).
Results go to stdout, progress to stderr.

Exit codes: 0 done, 1 some inputs failed, 2 wrong use or input, 3 a fault of Striate, 130 interrupted.

Start here: striate explain PHOTO"""


class QuietHelp(DefaultFormatter):
    """Help pages as titles and aligned columns, without boxes."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        """Print one group of verbs or parameters."""
        if panel.entries:
            from cyclopts.help.specs import DefaultStyled, TableSpec, get_default_command_columns
            from cyclopts.help.specs import get_default_parameter_columns as parameter_columns

            columns = get_default_command_columns if panel.format == "command" else parameter_columns
            table = TableSpec().build(columns(console, options, panel.entries), panel.entries)
            console.print(panel.title, style="bold")
            console.print(DefaultStyled(Padding(table, (0, 0, 1, 1), expand=False), theme=_HELP_THEME))


_HELP_THEME = {"cyclopts.name": "none", "cyclopts.required": "none", "cyclopts.required_marker": "none"}


def build_app() -> App:
    """The command line as a cyclopts application; verbs are imported on use."""
    from striate import __version__

    app = App(
        name="striate",
        help="Train convolutional networks, and see inside them.",
        help_epilogue=EPILOGUE,
        help_formatter=QuietHelp(),
        version=f"striate {__version__}",
        console=stdout(),
        error_console=stderr(),
        default_parameter=Parameter(negative=(), show_default=lambda value: value or None),  # not: [default: False]
        group_commands=Group("Help", sort_key=99),
        suppress_keyboard_interrupt=False,
    )
    groups = {name: Group(name, sort_key=number) for number, name in enumerate(dict.fromkeys(v.group for v in VERBS))}
    for number, verb in enumerate(VERBS):
        usage = {} if verb.usage is None else {"usage": f"Usage: striate {verb.name} {verb.usage}"}
        app.command(verb.target, name=verb.name, help=verb.help, group=groups[verb.group], sort_key=number, **usage)
    return app


def main(tokens: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; never a traceback unless asked with `--debug`.

    Args:
        tokens: The words after `striate`; the process's own by default.
    """
    words = list(sys.argv[1:] if tokens is None else tokens)
    debug = _take_debug(words)
    wants_json = "--json" in words
    prepare_streams()
    if not debug:
        quiet_libraries()
    try:
        check_words(words)
        check_here()
        with ending_cleanly(), warnings.catch_warnings():
            warnings.showwarning = _show_warning
            warnings.filterwarnings("ignore", module=r"PIL\.")  # of damage that it got over, a line for each tag
            code = build_app()(words, exit_on_error=False, print_error=False, result_action="return_value")
            sys.stdout.flush()
        return int(code or Exit.OK)
    except BrokenPipeError:
        return Exit.BROKEN_PIPE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last door: every failure becomes a sentence
        with suppress(OSError):  # nobody can be told any more
            return _report(error, debug=debug, wants_json=wants_json)
        return exit_code(error)
    finally:
        flush_or_discard()


def _take_debug(words: list[str]) -> bool:
    """Remove `--debug` from the words before any `--`; the environment can ask for it too."""
    end = words.index("--") if "--" in words else len(words)
    asked = "--debug" in words[:end]
    words[:end] = [word for word in words[:end] if word != "--debug"]
    return asked or os.environ.get("STRIATE_DEBUG", "") not in {"", "0"}


def _report(error: BaseException, *, debug: bool, wants_json: bool) -> int:
    code = exit_code(error)
    message = describe(error, verbs=[verb.name for verb in VERBS])
    console = stderr()
    if not debug and is_told_by_another(message):
        return int(code)
    if debug:
        console.print(Text(visible("".join(traceback.format_exception(error)).rstrip())), soft_wrap=True)
    console.print(Text("Error: ", style=ERROR) + Text(visible(message)), soft_wrap=True)
    if wants_json:
        print_json({"error": {"kind": type(error).__name__, "message": message, "exit_code": int(code)}})
    return int(code)


def _show_warning(  # noqa: PLR0917 - the signature is that of warnings.showwarning
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    stderr().print(Text(f"Note: {visible(str(message))}"), soft_wrap=True)
