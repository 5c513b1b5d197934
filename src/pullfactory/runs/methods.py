"""The methods that a verb is given beside the study."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from pullfactory.errors import StudyError
from pullfactory.methods import MethodKind, given_methods
from pullfactory.settings.study import Study


class Chosen(NamedTuple):
    """A study with the methods that are asked for.

    Attributes:
        study: Names them.
        given: Those that are objects; they have a name while the verb works.
    """

    study: Study
    given: tuple[MethodKind, ...]


@contextmanager
def chosen_methods(study: Study, methods: Sequence[str | MethodKind] | None) -> Iterator[Chosen]:
    """Let a study have other methods, names or objects, for as long as a verb works.

    Args:
        study: The study.
        methods: Names or objects; None for those of the study.

    Raises:
        LikelihoodError: If an object has the name of another method.
        StudyError: If a name is unknown or comes twice.
    """
    if isinstance(methods, str | MethodKind):
        raise StudyError(f"methods = {methods!r} is no list; give one, such as [{methods!r:.80}]")
    methods = None if methods is None else tuple(methods)
    given = tuple(one for one in methods or () if isinstance(one, MethodKind))
    with given_methods(given):
        if methods is not None:
            names = [one.name if isinstance(one, MethodKind) else one for one in methods]
            study = study.with_settings({"methods": names})
        yield Chosen(study, given)
