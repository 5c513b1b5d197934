"""What is learnt from samples: moments for the unbinned fit, templates for the binned one."""

from pullfactory.calibration._calibration import Calibration, ResponseRow
from pullfactory.calibration.joint import JointSample
from pullfactory.calibration.making import make_calibration, with_joint
from pullfactory.calibration.templates import Templates

__all__ = [
    "Calibration",
    "JointSample",
    "ResponseRow",
    "Templates",
    "make_calibration",
    "with_joint",
]
