"""The events of a recipe on the screen: the plan as a line, progress as one bar; the last one is handed back."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from striate.cli.console import ProgressLine, print_note
from striate.data.files import printable

if TYPE_CHECKING:
    from striate.recipes.events import Done, Event

__all__ = ["draw_events"]


def draw_events(events: "Iterable[Event]") -> "Done":
    """Draw every event of a recipe as it comes; gives the last one, `Done`."""
    from striate.recipes.events import Done, Plan, Progress

    done: Done | None = None
    with ProgressLine() as line:
        for event in events:
            match event:
                case Plan():
                    with line.aside():
                        print_note(printable(event.text))
                case Progress():
                    line.update(event.stage, event.done, event.total)
                case Done():
                    done = event
    if done is None:
        raise RuntimeError("a recipe ended without its result")  # a fault of ours, never a user's
    return done
