"""`striate convolve INPUT LAYER…`: sizes, cost, field and every step, in the symbols of the formulas."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.cli.console import ANSWER, print_json, print_next, print_result
from striate.cli.errors import Exit
from striate.cli.words import command, shape
from striate.errors import ConfigError

if TYPE_CHECKING:
    from striate.arithmetic import Layer

__all__ = ["convolve"]


def convolve(
    *words: str,
    output: int | None = None,
    compare: bool = False,
    network: str | None = None,
    trace: bool = False,
    linear: bool = False,
    limit: int = 40,
    photo: Path | None = None,
    kernel: str | None = None,
    seed: int = 0,
    html: Path | None = None,
    gif: Path | None = None,
    matrix: Path | None = None,
    json: bool = False,
) -> int:
    """Sizes, parameters, MACs, memory and receptive field of layers, with the formulas; and every step.

    Layers are written as "conv f=7 s=2 p=3 n=64" (f filter size, s stride, p padding per side, d dilation, g groups,
    n filters), "maxpool f=3 s=2", relu, flatten, "fc n=10"; "depthwise f=3", "deconv f=4 s=2 n=8". INPUT is 224,
    224x320 or 3x224x224. Loose symbols mean one convolution: i=224 f=7 s=2 p=3. A ? asks for p, s, f or i.

    Args:
        words: INPUT and the layers in order.
        output: The output size that a question is about (also o=112).
        compare: What else could do each convolution's job: grouped, depthwise separable, 1×1, layers of 3×3.
        network: Compare every convolution of a network of 'striate models' instead, at its own INPUT if none is given.
        trace: Show every step with its numbers.
        linear: Show the first convolution as a linear layer looped over space, and fully connected layers over maps as
            convolutions: with --gif the first of them drawn, else as text.
        limit: Steps to show of each layer with --trace.
        photo: Trace this photo, shrunk to INPUT, instead of whole numbers from the seed.
        kernel: Trace with this filter in the first convolution: "1 0 -1; 1 0 -1; 1 0 -1".
        seed: Of the numbers that are not given.
        html: Write the trace as a page to step through.
        gif: Write the trace as an animation, layer after layer.
        matrix: Write the first convolution as a matrix, drawn as PNG.
        json: Print one JSON document instead of the tables.
    """
    if limit < 1:
        raise ConfigError(f"--limit must be at least 1, got {limit}.")
    for flag, path in (("--html", html), ("--gif", gif), ("--matrix", matrix)):
        _check_file(flag, path)
    shown = trace or linear or html is not None or gif is not None
    if network is not None:
        if output is not None or shown or photo is not None or kernel is not None or matrix is not None:
            raise ConfigError("--network compares layers: it takes INPUT and --json, and no trace or output size.")
        return _network(network, words, json=json)
    if photo is not None and not shown:
        raise ConfigError("--photo is for a trace: add --trace, --html FILE or --gif FILE.")
    if kernel is not None and not shown and matrix is None:
        raise ConfigError("--kernel is for a trace: add --trace, --html FILE, --gif FILE or --matrix FILE.")
    given, layer_words, wanted = _read_words(list(words), output)
    if given == "?" or any("?" in word for word in layer_words):
        return _question(given, layer_words, wanted, json=json)
    if wanted is not None:
        raise ConfigError(f"o={wanted} is for a question: write ? for what is asked for, such as p=? or i=?.")
    from striate.arithmetic import measure
    from striate.recipes.convolve import compare_convolutions, parse_input, read_layers, say_sizes

    input_shape, layers = parse_input(given), read_layers(layer_words)
    if not layers:
        raise ConfigError("Give at least one layer after INPUT, such as 'conv f=3 p=1 n=8'.")
    measured = measure(layers, input_shape)
    # All is made, and written, before a line is shown: what cannot be done is said alone.
    tables = compare_convolutions(measured) if compare else []
    made = None
    if shown or matrix is not None:
        from striate.cli.trace_output import make_trace

        made = make_trace(
            input_shape,
            layers,
            photo=photo,
            kernel=kernel,
            seed=seed,
            linear=linear,
            html=html,
            gif=gif,
            matrix=matrix,
        )
        made.write()
    if json:
        document: dict[str, Any] = measured.to_dict()
        if compare:
            document["comparisons"] = [{"layer": title, **table.to_dict()} for title, table in tables]
        if made is not None:
            document |= made.to_dict(steps=shown)
        print_json(document)
        return Exit.OK
    print_result(f"{shape(input_shape)} → {shape(measured.output_shape)}", style=ANSWER)
    print_result(measured.to_text())
    for sizes in say_sizes(measured):
        print_result("")
        print_result(sizes.layer)
        for line in sizes.lines:
            print_result(f"  {line}")
    for title, table in tables:
        print_result("")
        print_result(title, style=ANSWER)
        print_result(table.to_text())
    for line in made.lines(limit=limit, steps=trace) if made is not None else ():
        print_result(line)
    if not trace:
        print_next(command("striate", "convolve", *words, _next_flag(input_shape, layers, compared=compare)))
    return Exit.OK


def _next_flag(input_shape: tuple[int, int, int], layers: "tuple[Layer, ...]", *, compared: bool) -> str:
    """What most people want next, and what works: every step of a small input, else what else would do."""
    from striate.arithmetic import Branches, Convolution

    followed = all(not isinstance(one, Branches) and not getattr(one, "transposed", False) for one in layers)
    small = input_shape[0] * input_shape[1] * input_shape[2] <= 1024
    comparable = not compared and any(isinstance(one, Convolution) and not one.transposed for one in layers)
    return "--trace" if followed and small else "--compare" if comparable else "--json"


def _check_file(flag: str, path: Path | None) -> None:
    """Refuse a path that no file can have, before any work is done."""
    if path is not None and (path.is_dir() or not path.name):
        raise ConfigError(f"{flag} must be a file to write, got the folder '{path}'.")
    if path is not None and not path.parent.is_dir():
        raise ConfigError(f"{flag}: there is no folder '{path.parent}'; make it first.")


def _read_words(words: list[str], output: int | None) -> tuple[str, list[str], int | None]:
    """INPUT, the layers, and the output size that is wanted."""
    loose = {key: value for key, value in (_pair(word) for word in words) if value}
    if loose and len(loose) == len(words):
        return _loose_symbols(loose, output)
    wanted = loose.pop("o", None)
    if wanted is not None:
        words = [word for word in words if _pair(word)[0] != "o"]
        output = _whole("o", wanted)
    if not words:
        raise ConfigError(
            "Give INPUT and layers, such as 'striate convolve 3x224x224 \"conv f=7 s=2 p=3 n=64\" relu', "
            "or symbols: 'striate convolve i=224 f=7 s=2 p=3'."
        )
    given, *layers = words
    found = [match for word in layers for match in re.findall(r"\bo=(\w+)", word)]
    if found:
        output = _whole("o", found[0])
        layers = [re.sub(r"\s*\bo=\w+", "", word) for word in layers]
    return given, layers, output


def _loose_symbols(loose: dict[str, str], output: int | None) -> tuple[str, list[str], int | None]:
    if "i" not in loose or "f" not in loose:
        missing = "i (the input size)" if "i" not in loose else "f (the filter size)"
        raise ConfigError(f"Symbols need {missing}, as in 'striate convolve i=224 f=7 s=2 p=3'.")
    size, channels, wanted = loose.pop("i"), loose.pop("c", "1"), loose.pop("o", None)
    settings = " ".join(f"{key}={value}" for key, value in ({"n": "1"} | loose).items())
    given = "?" if size == "?" else size if "x" in size and size.count("x") > 1 else _with_channels(size, channels)
    return given, [f"conv {settings}"], output if wanted is None else _whole("o", wanted)


def _with_channels(size: str, channels: str) -> str:
    return f"{channels}x{size}" if "x" in size else f"{channels}x{size}x{size}"


def _pair(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    return (key.strip(), value.strip()) if equals and re.fullmatch(r"\w+", key.strip()) else (word, "")


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,99}", text) or int(text) < 1:
        raise ConfigError(f"{name} must be a whole number of at least 1, got '{text}'.")
    return int(text)


def _question(given: str, layers: list[str], wanted: int | None, *, json: bool) -> int:
    from striate.arithmetic import split_padding
    from striate.recipes.convolve import parse_input
    from striate.recipes.questions import answer_question

    if wanted is None:
        raise ConfigError("A question needs the output size: add o=112 or --output 112.")
    if len(layers) != 1:
        raise ConfigError(f"A question is about one layer, got {len(layers)}.")
    sizes = (None,) if given == "?" else tuple(dict.fromkeys(parse_input(given)[1:]))
    if len(sizes) > 1:
        raise ConfigError(f"A question is about one axis: give a square input, got '{given}'.")
    solution = answer_question(sizes[0], layers[0], _whole("--output", str(wanted)))
    if json:
        print_json(solution.to_dict())
    else:
        print_result(solution.text, style=ANSWER)
        answer = str(solution.answers[0])
        if solution.asked == "padding":  # a total; the first even one can be written as a number a side
            before, after = split_padding(solution.answers[0])
            even = next((total // 2 for total in solution.answers if total % 2 == 0), None)
            answer = f"{before},{after}" if even is None else str(even)
        solved = layers[0].replace("?", answer)
        print_next(command("striate", "convolve", answer if given == "?" else given, solved))
    return Exit.OK


def _network(name: str, words: tuple[str, ...], *, json: bool) -> int:
    import torch

    from striate.models import create_model, find_entry
    from striate.probe import compare_layers
    from striate.recipes.convolve import parse_input

    if len(words) > 1:
        raise ConfigError(f"--network has its own layers: give INPUT at most, got '{words[1]}' too.")
    entry = find_entry(name.split(".", 1)[0])
    input_shape = entry.input_size
    if words:
        given = parse_input(words[0])
        has_channels = len(re.findall("[x×]", words[0].lower())) == 2
        input_shape = given if has_channels else (input_shape[0], *given[1:])
        if input_shape[0] != entry.input_size[0]:
            raise ConfigError(
                f"{entry.name} reads {entry.input_size[0]} channels, got an INPUT of {shape(input_shape)}."
            )
    with torch.device("meta"):  # shapes need no numbers
        module = create_model(entry.name)
    table = compare_layers(module, input_shape, name=entry.name)
    if json:
        print_json(table.to_dict())
        return Exit.OK
    print_result(table.to_text())
    print_next(command("striate", "inspect", entry.name))
    return Exit.OK
