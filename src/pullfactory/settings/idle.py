"""Keys without effect, because nothing that the others ask for makes use of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pullfactory.errors import StudyError
from pullfactory.settings.audit import AuditConfig
from pullfactory.settings.methods import BUILT_IN
from pullfactory.settings.study import Study

_CHOSEN = ("joint.", "optimal.", "flow.", "calibration.", "tree")  # one file serves several choices


def refuse_idle(
    changes: Mapping[str, Any],
    documents: Sequence[Study | AuditConfig],
    unused: Mapping[str, str],
) -> None:
    """Refuse settings that change nothing.

    Args:
        changes: Dotted keys to values, as in `Document.with_settings`.
        documents: What is worked on, changed so; a key may have an effect in one of them alone.
        unused: Why the work itself makes no use of a key, or of all below it.

    Raises:
        StudyError: If a key has an effect in none of them.
    """
    found = [idle_keys(one) for one in documents]
    for change, value in changes.items():
        for key in _leaves(change, value):
            whys = [_why(key, unused) or _why(key, idle) for idle in found]
            if all(whys):
                raise StudyError(f"setting {key!r} has no effect: {whys[0]}")


def refuse_idle_file(
    written: Study | AuditConfig, place: str, documents: Sequence[Study | AuditConfig]
) -> None:
    """Refuse a file with a key that is not as it would be without it, and has no effect.

    Args:
        written: What is in the file.
        place: Of the file, for the message.
        documents: What is worked on; as in `refuse_idle`.

    Raises:
        StudyError: If there is one, but for keys that other methods or samples make use of.
    """
    others = [idle_keys(one) for one in documents]
    for key, why in idle_keys(written).items():
        value, default = _value_and_default(written, key)
        chosen = key.startswith(_CHOSEN)
        if value != default and not chosen and all(key in other for other in others):
            raise StudyError(f"{place}: {key} = {value!r} has no effect: {why}")


def idle_keys(document: Study | AuditConfig) -> dict[str, str]:
    """Keys that have no effect because of other keys, and why, with the remedy.

    Args:
        document: A study or an audit.
    """
    own = _of_audit(document) if isinstance(document, AuditConfig) else _of_study(document)
    return dict([*own, *_of_bins(document)])


def _of_bins(document: Study | AuditConfig) -> Iterator[tuple[str, str]]:
    if all(one.n_bins or one.edges for one in document.observables):
        yield (
            "workspace.n_bins",
            "every observable has n_bins or edges of its own; change these",
        )


def _of_study(study: Study) -> Iterator[tuple[str, str]]:
    yield from _of_dependence(study)
    mass = {"workspace": study.workspace, "joint channel": study.joint_workspace}
    if not study.learns.bins:
        del mass["joint channel"]
    if not study.free_names:
        yield "workspace.mass", "no parameter is free; leave it out"
    if not study.free_names or all(one.mass_encoding != "wide" for one in mass.values()):
        yield (
            "workspace.mass_step",
            (
                'no free parameter is encoded as "wide"; set workspace.morphing = '
                '"multiplicative", or leave it out'
            ),
        )
    if not any(one.unduly_constrained(study.free_names) for one in mass.values()):
        yield (
            "workspace.mass_constraint",
            "the workspace constrains no free parameter; leave it out",
        )
    if study.calibration.source == "exact" and not (study.workspace.staterror or any(study.learns)):
        yield (
            "calibration.events_per_point",
            'calibration.source = "exact" has no samples; leave it out',
        )
    if all(name in BUILT_IN for name in study.methods):  # what others make use of is not known
        yield from _of_study_methods(study)


def _of_dependence(study: Study) -> Iterator[tuple[str, str]]:
    kind = study.ensemble.dependence
    for key, of in (
        ("t_dof", "t_copula"),
        ("wrong_fraction", "class_mixture"),
        ("wrong_width", "class_mixture"),
    ):
        if kind != of:
            yield (
                f"ensemble.{key}",
                (
                    f"ensemble.dependence is {kind!r}; set ensemble.dependence = {of!r}, or "
                    "leave it out"
                ),
            )


def _of_study_methods(study: Study) -> Iterator[tuple[str, str]]:
    needed = {"joint.correlation": "unbinned_joint"} if not study.learns.correlation else {}
    if not study.learns.bins:
        needed |= dict.fromkeys(("joint.binning", "joint.n_bins", "joint.morphing"), "binned_joint")
    if not any(name.endswith("_optimal") for name in study.methods):
        needed["optimal.weights"] = "unbinned_optimal or binned_optimal"
    if not study.learns.flow:
        needed |= dict.fromkeys(("flow.shape", "flow.degree", "flow.order"), "flow")
    for key, method in needed.items():
        yield (
            key,
            (
                f"it is of {method}, and the methods are {', '.join(study.methods)}; change "
                "methods, or leave it out"
            ),
        )


def _of_audit(config: AuditConfig) -> Iterator[tuple[str, str]]:
    for parameter in config.parameter:
        if parameter.free:
            yield (
                f"parameter.{parameter.name}.auxiliary",
                "the parameter is free, without a constraint; leave it out",
            )
    if not config.free_names:
        yield "workspace.mass_constraint", "no parameter is free; leave it out"
    if len(config.observable) < 2:
        yield "joint.n_bins", "there is one observable; leave it out"
        yield "flow", "there is one observable; leave it out"
    if not any(sample.table.may_be_root for sample in config.sample_set):
        yield "tree", "no sample has a ROOT file; leave it out"
    if config.sample_set.data is None:
        yield "intervals", "they are those of the data, and there is no samples.data; add it"


def _leaves(key: str, value: Any) -> Iterator[str]:
    """Keys that a setting sets, those of a table one by one."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(f"{key}.{name}", inner)
    else:
        yield key


def _why(key: str, reasons: Mapping[str, str]) -> str | None:
    """Why a key has no effect; None if it has one."""
    parts = key.split(".")
    above = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((reasons[one] for one in above if one in reasons), None)


def _value_and_default(document: Study | AuditConfig, key: str) -> tuple[Any, Any]:
    """What a key is, and what it would be if it were not there."""
    target: Any = document
    *path, last = key.split(".")
    for part in path:
        target = _entry(target, part) if isinstance(target, tuple) else getattr(target, part)
    if target is None:
        return None, None
    return getattr(target, last), type(target).model_fields[last].get_default()


def _entry(entries: Iterable[Any], name: str) -> Any:
    return next(one for one in entries if one.name == name)
