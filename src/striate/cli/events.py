"""The events of a recipe on the screen: the plan as a line, progress as one bar; the last one is handed back."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from striate.cli.console import ProgressLine, print_note
from striate.cli.stopping import Stop
from striate.data.files import printable

if TYPE_CHECKING:
    from striate.recipes.events import Done, Event, Plan

__all__ = ["draw_events"]


def draw_events(
    events: "Iterable[Event]", *, stop: Stop | None = None, after_plan: "Callable[[Plan], str] | None" = None
) -> "Done":
    """Draw every event of a recipe as it comes; gives the last one, `Done`.

    Args:
        events: What `run` of the recipe yields.
        stop: Where work can be stopped: told when there are steps to be stopped at.
        after_plan: A line to say after the plan, made from it; none where it is empty.
    """
    from striate.recipes.events import Done, Plan, Progress

    done: Done | None = None
    with ProgressLine() as line:
        for event in events:
            match event:
                case Plan():
                    with line.aside():
                        print_note(printable(event.text))
                        if after_plan is not None and (words := after_plan(event)):
                            print_note(words)
                case Progress():
                    if stop is not None:
                        stop.waits_for_a_step |= event.total is not None
                    line.update(event.stage, event.done, event.total)
                case Done():
                    done = event
    if done is None:
        raise RuntimeError("a recipe ended without its result")  # a fault of ours, never a user's
    return done
