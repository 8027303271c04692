"""`striate train DATA --models A,B,C`: one network after another, then a table, then the comparison."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.cli.console import ANSWER, print_json, print_next, print_note, print_result, print_table
from striate.cli.detector_table import print_detectors
from striate.cli.errors import Exit, describe
from striate.cli.stopping import stoppable
from striate.cli.train_screen import TrainScreen
from striate.cli.words import command, score_words
from striate.data.files import printable
from striate.errors import ConfigError, StriateError

if TYPE_CHECKING:
    from striate.detection.detector_facts import DetectorFacts
    from striate.recipes.train_many import ManyDone, ManyPlan, Member

__all__ = ["train_many"]


def train_many(
    models: Sequence[str],
    *,
    given: Mapping[str, Any],
    backbone: str | None,
    words: Sequence[str],
    dry_run: bool,
    json: bool,
) -> int:
    """Train several networks on one data set; gives the exit code.

    Args:
        models: Their names, some with commas in them.
        given: Settings of all.
        backbone: Of detectors.
        words: The options that were given, for the command that goes on.
        dry_run: Say the plans, and do nothing.
        json: Print one JSON document at the end.
    """
    names = tuple(name for word in models for name in word.split(",") if name)
    if not names:
        raise ConfigError("--models needs names, such as rcnn,fast_rcnn,faster_rcnn,yolo.")
    from striate.recipes import train_many as recipe  # imports torch
    from striate.runtime import reuse_freed_memory
    from striate.training.events import Started

    reuse_freed_memory()
    config = recipe.TrainManyConfig(models=names, given=dict(given), backbone=backbone)
    more = [] if backbone is None else ["--backbone", backbone]
    again = command("striate", "train", Path(str(given["data"])), "--models", ",".join(names), *more, *words)
    done: ManyDone | None = None
    screen = TrainScreen()
    with stoppable() as stop, screen:
        try:
            for event in recipe.run(config, should_stop=stop.is_asked, only_plan=dry_run):
                match event:
                    case recipe.ManyPlan() if dry_run:
                        return _show_plans(event, json=json)
                    case recipe.ManyPlan():
                        with screen.aside():
                            _say_plan(event, given)
                    case recipe.MemberStarted():
                        stop.waits_for_a_step = False
                        with screen.aside():
                            print_note(f"\n{event.number} of {event.count}: {event.member.model}")
                    case recipe.MemberEnded():
                        with screen.aside():
                            _say_ended(event.member)
                    case recipe.ManyDone():
                        done = event
                    case _:
                        screen.show(event)
                        stop.waits_for_a_step |= isinstance(event, Started)
        except KeyboardInterrupt:  # while there was no step to wait for
            print_result("Stopped; what was finished, and every checkpoint, is kept.")
            print_next(again)
            return Exit.INTERRUPTED
    return Exit.OK if done is None else _finish(done, again, json=json)


def _say_plan(plan: "ManyPlan", given: Mapping[str, Any]) -> None:
    from striate.recipes.train_plan import say_seconds

    what = "detectors" if plan.task == "detect" else "networks"
    if all(member.state == "finished" for member in plan.members):
        print_note(f"All {len(plan.members)} {what} are trained on {printable(given['data'])} already.")
        return
    print_note(
        f"Train {len(plan.members)} {what} on {printable(given['data'])}, one after another: about "
        f"{say_seconds(plan.seconds)}{', proposals left out' if plan.task == 'detect' else ''}."
    )
    for member in plan.members:
        state = {"finished": "finished before", "begun": f"goes on, about {say_seconds(member.seconds)}"}
        print_note(f"  {member.model}: {state.get(member.state, f'about {say_seconds(member.seconds)}')}")


def _show_plans(plan: "ManyPlan", *, json: bool) -> int:
    if json:
        members = [_as_json(member) | {"plan": dict(member.plan) or None} for member in plan.members]
        print_json({"task": plan.task, "seconds": plan.seconds, "networks": members})
        return Exit.OK
    for member in plan.members:
        print_result(f"{member.model}: {'finished before' if member.state == 'finished' else ''}".rstrip(": "))
        for sentence in member.sentences:
            print_result(f"  {sentence}")
        verb = {"new": "Would go to", "begun": "Would go on in"}.get(member.state, "Lies in")
        print_result(f"  {verb} {printable(member.folder.path)}")
    return Exit.OK


def _say_ended(member: "Member") -> None:
    if member.error is not None:
        print_note(f"{member.model} failed: {describe(member.error)}")
    elif member.state == "finished":
        print_note(f"{member.model} is finished: {printable(member.folder.path)}")


def _finish(done: "ManyDone", again: str, *, json: bool) -> int:
    finished, failed = done.finished, [member for member in done.members if member.state == "failed"]
    paths = [member.folder.path for member in finished]
    compare = command("striate", "compare", *paths) if len(paths) > 1 else None
    code = Exit.INTERRUPTED if done.stopped else Exit.SOME_FAILED if failed else Exit.OK
    if json:
        runs = [_as_json(member) | {"facts": _facts_json(member)} for member in done.members]
        print_json({"task": done.task, "stopped": done.stopped, "runs": runs, "again": again, "compare": compare})
        return code
    if finished:
        _print_table(done)
    for member in failed:
        if member.error is not None:
            print_result(f"{member.model} failed: {describe(member.error)}")
    if done.stopped or failed:
        left = [member.model for member in done.members if member.state not in {"finished", "failed"}]
        if done.stopped:
            print_result(f"Stopped; what was done is kept. Left: {', '.join(left)}.")
        print_next(again)
    elif compare is not None:
        print_next(compare)
    elif finished:
        print_next(command("striate", "evaluate", finished[0].folder.path))
    return code


def _print_table(done: "ManyDone") -> None:
    if done.task == "detect":
        rows = [(member.folder.name, _facts(member)) for member in done.finished]
        scores = [-1.0 if facts is None or facts.mean_ap is None else facts.mean_ap for _, facts in rows]
        best = scores.index(max(scores)) if len(scores) > 1 and max(scores) >= 0 else None
        print_detectors(rows, answer=best)
        return
    from striate.recipes.train_plan import say_seconds

    lines, values = [], []
    for member in done.finished:
        status = member.folder.status()
        value = status.get("best_score")
        values.append(-1.0 if value is None else float(value))
        score = "–" if value is None else score_words(float(value), str(status.get("score") or "top1"))
        rows_of = member.folder.metrics()
        seconds = rows_of[-1].get("seconds") if rows_of else None
        took = "–" if not isinstance(seconds, int | float) else say_seconds(seconds)
        lines.append([printable(member.folder.name), member.model, score, str(status.get("epoch", "–")), took])
    best = values.index(max(values)) if len(values) > 1 and max(values) >= 0 else None
    print_table(["run", "network", "score", "epochs", "time"], lines, align="llrrr", answer=best)
    if best is not None:
        print_result(f"Best {done.finished[best].model}, on the pictures that all of them set aside.", style=ANSWER)


def _facts(member: "Member") -> "DetectorFacts | None":
    from striate.detection.detector_facts import DetectorFacts

    try:
        return DetectorFacts.load(member.folder.path)
    except StriateError:
        return None


def _facts_json(member: "Member") -> dict[str, Any] | None:
    from dataclasses import asdict

    if member.state != "finished":
        return None
    facts = _facts(member)
    status = member.folder.status()
    return {**status, **({} if facts is None else asdict(facts))}


def _as_json(member: "Member") -> dict[str, Any]:
    error = None if member.error is None else describe(member.error)
    return {"model": member.model, "run": str(member.folder.path), "state": member.state, "error": error}
