"""One parameter that two Gaussian observables share: formulas on one line."""

from math import sqrt

from reference.cases import Value
from reference.recording import exact, record

RHO = (-0.7, -0.2, 0.0, 0.45, 0.95)
A, B = 150.0 * 0.004 / 12.0, 80.0 * 0.005 / 6.0  # slopes of the locations, in their widths


def values() -> list[Value]:
    """Widths for a shared location, and for a shared width with equal slopes."""
    location = {rho: sqrt(1 + 2 * rho * A * B / (A**2 + B**2)) for rho in RHO}
    scale = {rho: sqrt(1 + rho**2) for rho in RHO}
    return [
        *(exact("location", "predicted_width", width, rho=rho) for rho, width in location.items()),
        *(exact("scale", "predicted_width", width, rho=rho) for rho, width in scale.items()),
    ]


if __name__ == "__main__":
    record(__file__, values)
