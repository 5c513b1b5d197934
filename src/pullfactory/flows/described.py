"""A flow in words."""

from collections.abc import Iterator

from pullfactory.flows.learning import LearntFlow


def described_maps(flow: LearntFlow) -> Iterator[str]:
    """How the density of each observable is described, without full stops.

    Args:
        flow: What was learnt.
    """
    density = flow.density
    for k, (o, conditional) in enumerate(zip(density.order, density.maps, strict=True)):
        name = flow.observables[o]
        given = ", ".join(flow.observables[other] for other in density.order[:k])
        what = f"{name} given {given}" if given else name
        if conditional is None:
            yield f"{what} as declared"
            continue
        degrees = f"degrees {conditional.shift_degree} and {conditional.shape_degree}"
        with_degrees = f" of {degrees}" if k else ""
        changing = [
            parameter
            for parameter, changes in zip(flow.parameters, density.linear[k], strict=True)
            if changes
        ]
        rows = len(density.rows(k)) * conditional.size
        change = f", changing with {', '.join(changing)}" if changing else ""
        tried = [row for row in flow.degrees if row.observable == k]
        most = ", the largest degrees that were tried" if tried and tried[-1].chosen else ""
        yield f"{what}{with_degrees} ({rows} coefficients{change}{most})"
