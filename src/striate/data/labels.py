"""The classes' names, and how a person names a class.

A network answers with an index. People say "espresso", "tabby cat", "n07920052" or "967", and some names belong to two
classes: ImageNet has two cranes, two cardigans and two maillots. A name is looked up in steps, from the strictest to
the loosest (index, display name, WordNet id, synonym, words), and the first step that finds anything decides; where it
finds more than one class, the choice is the person's.

The display names are torchvision's, but for the six that are the same word twice, which get a word in brackets.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import SupportsIndex, overload

from striate.errors import ConfigError, DataError, UnknownNameError, nearest

__all__ = ["Labels"]

_SHOWN_CHOICES = 8


@dataclass(frozen=True, repr=False)
class Labels(Sequence[str]):
    """The names of a network's classes, in the order of its outputs.

    Attributes:
        names: The name to show of every class.
        ids: The WordNet id of every class, or empty.
        synonyms: Further names of every class, or empty.

    Raises:
        ConfigError: If `ids` or `synonyms` are given but not for every name.

    >>> labels = Labels.load("imagenet1k")
    >>> labels[967], labels.find("espresso"), labels.find("n07920052"), labels.find("tabby cat")
    ('espresso', 967, 967, 281)
    """

    names: tuple[str, ...]
    ids: tuple[str, ...] = ()
    synonyms: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        for field, values in (("ids", self.ids), ("synonyms", self.synonyms)):
            if values and len(values) != len(self.names):
                raise ConfigError(
                    f"Labels need one entry of {field} for each of the {len(self.names)} names, got {len(values)}; "
                    f"leave {field} out if there are none."
                )

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return self.names[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __repr__(self) -> str:
        shown = ", ".join(repr(name) for name in self.names[:3])
        return f"Labels({len(self)} names: {shown}{', …' if len(self) > 3 else ''})"

    def find(self, target: SupportsIndex | str) -> int:
        """The index of the class that `target` names.

        Args:
            target: An index (`967`, `"967"`, or `"#967"`, which is never taken for a name), a display name, a WordNet
                id, a synonym, or words of any of its names (`"labrador"`), if they are in one class only. Upper and
                lower case, punctuation and underscores do not matter, except to tell two names apart.

        Raises:
            UnknownNameError: If no class, or more than one, answers to `target`; the message lists the choices.
        """
        if not isinstance(target, str):
            return self._checked_index(target)
        text = target.strip()
        if re.fullmatch(r"#?[+-]?[0-9]+", text):
            return self._numbered(text)
        for found in self._steps(text):
            if len(found) == 1:
                return found[0]
            if found:
                more = f" and {len(found) - _SHOWN_CHOICES} more" if len(found) > _SHOWN_CHOICES else ""
                choices = ", ".join(f"{i} {self.names[i]}" for i in found[:_SHOWN_CHOICES])
                raise UnknownNameError(
                    f"'{target}' names {len(found)} classes: {choices}{more}. Give the index or a full name."
                )
        raise UnknownNameError(f"No class named '{target}'. {self._nearest(text)}")

    @classmethod
    def load(cls, name: str | Path) -> "Labels":
        """Labels that come with the package, or a text file with one name a line.

        Args:
            name: `"imagenet1k"`, `"mnist"`, or the path of a UTF-8 text file.

        Raises:
            UnknownNameError: If `name` is neither a known name nor an existing file.
            DataError: If the file is not text, is empty, or has an empty line between the names (it would shift every
                class after it by one).

        Source: the ImageNet classes are those of ILSVRC 2012 in the order of their WordNet ids (Russakovsky et al.
            2015, arXiv:1409.0575); names and synonyms are WordNet 3.0's (see `labels/LICENSE-WordNet.txt`).
        """
        built_in = _tables()
        if isinstance(name, str) and name in built_in:
            return cls._from_table(built_in[name].read_text(encoding="utf-8"))
        return cls(names=_read_names(Path(name), known=built_in))

    @classmethod
    def _from_table(cls, text: str) -> "Labels":
        rows = [line.split("\t") for line in text.splitlines()[1:]]  # index, wnid, name, lemmas
        ids = tuple(wnid for _, wnid, _, _ in rows if wnid)
        return cls(
            names=tuple(name for _, _, name, _ in rows),
            ids=ids,
            synonyms=tuple(tuple(lemmas.split(", ")) if lemmas else () for _, _, _, lemmas in rows),
        )

    def _checked_index(self, index: SupportsIndex) -> int:
        if isinstance(index, bool):
            raise UnknownNameError(f"A class is named by an index or a name, got {index}.")
        number = operator.index(index)
        if not 0 <= number < len(self):
            raise UnknownNameError(f"No class {number}: the indices run from 0 to {len(self) - 1}.")
        return number

    def _numbered(self, text: str) -> int:
        number = int(text.removeprefix("#"))
        named = [] if text.startswith("#") else [i for i, name in enumerate(self.names) if name == text]
        if any(i != number for i in named):  # classes whose names are numbers, such as folders 1, 10, 2
            raise UnknownNameError(
                f"'{text}' is both an index and the name of class {named[0]}. "
                f"Write '#{number}' for the class with that index or '#{named[0]}' for the class with that name."
            )
        return self._checked_index(number)

    def _steps(self, text: str) -> Iterator[list[int]]:
        def where(test: Callable[[str], bool], *columns: Sequence[Sequence[str]]) -> list[int]:
            return sorted({i for column in columns for i, names in enumerate(column) if any(map(test, names))})

        key = _key(text)
        names = [(name,) for name in self.names]
        yield where(lambda name: name == text, names)
        yield where(lambda name: name.casefold() == text.casefold(), names)
        if key:  # the rest compares words, and a name of signs alone has none
            yield where(lambda name: _key(name) == key, names)
            yield where(lambda wnid: wnid == text.casefold(), [(wnid,) for wnid in self.ids])
            yield where(lambda name: _key(name) == key, self.synonyms)
            yield where(lambda name: f" {key} " in f" {_key(name)} ", names, self.synonyms)

    def _nearest(self, text: str) -> str:
        known = {_key(name): name for names in self.synonyms for name in names}
        known |= {_key(name): name for name in self.names}
        return nearest(text, sorted(known.values()) if len(known) > _SHOWN_CHOICES else self.names)


def _key(name: str) -> str:
    """The words of a name, for comparison: no case, no signs, an apostrophe is no gap."""
    return " ".join(re.findall(r"\w+", re.sub(r"['’`]", "", name.casefold()).replace("_", " ")))


def _tables() -> dict[str, Traversable]:
    """The tables that come with the package, by name."""
    folder = files("striate.data").joinpath("labels")
    tables = (file for file in folder.iterdir() if file.name.endswith(".tsv"))
    return {table.name.removesuffix(".tsv"): table for table in sorted(tables, key=lambda table: table.name)}


def _read_names(path: Path, *, known: Iterable[str]) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UnknownNameError(f"No labels named '{path}', and no such file. {nearest(str(path), known)}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text file in UTF-8; labels are one name a line.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    lines = [line.strip() for line in text.rstrip().split("\n")]
    for number, line in enumerate(lines, start=1):
        if not line:
            raise DataError(f"{path}, line {number}: empty, but every line must hold the name of one class.")
    return tuple(lines)
