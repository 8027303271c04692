"""The tests, in the folders of what they test; `check_types` is what `conftest` puts around Striate's functions."""

from beartype import BeartypeConf, beartype

__all__ = ["check_types"]

# PEP 484: an int will do where a float is wanted.
check_types = beartype(conf=BeartypeConf(is_pep484_tower=True))
