"""What is learnt from samples: moments for the unbinned fit, templates for the binned one."""

from pullfactory.calibration._calibration import Calibration, ResponseRow, calibrate

__all__ = ["Calibration", "ResponseRow", "calibrate"]
