"""The default study, unbinned: Godambe's errors from two 3 x 3 matrices."""

from reference.cases import Value
from reference.independent.gaussian import POSTER, errors, joint_errors
from reference.recording import exact, record

RHO = (-0.6, -0.25, 0.1, 0.35, 0.5, 0.8)
PARAMETERS = ("m_t", "JSF", "JRF")


def values() -> list[Value]:
    """Errors at 2000 events; auxiliary values held, truth drawn with its own width."""
    found = []
    for rho in RHO:
        known = errors(POSTER, 2000, rho, constraints=[0, 1, 1], drawn=[0, 1, 1])
        joint = joint_errors(POSTER, 2000, rho, constraints=[0, 1, 1])
        for k, parameter in enumerate(PARAMETERS):
            row = {"rho": rho, "parameter": parameter}
            found += [
                exact("predict", "claimed_error", float(known.claimed[k]), **row),
                exact("predict", "actual_error", float(known.actual[k]), **row),
                exact("predict", "joint_error", float(joint[k]), **row),
                exact("predict", "predicted_width", float(known.width[k]), **row),
            ]
    return found


if __name__ == "__main__":
    record(__file__, values)
