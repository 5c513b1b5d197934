"""The response of location and scale."""

import numpy as np

from pullfactory.settings.study import Study
from pullfactory.simulation.response import Response


def test_product_form() -> None:
    response = Response.from_study(Study.preset("poster"))
    location, scale = response(np.array([[0.5, -1.0, 2.0], [0.0, 0.0, 0.0]]))
    assert np.allclose(
        location[0],
        [
            171.8 * (1 + 0.0058 * 0.5) * (1 - 0.0046) * (1 + 0.0005 * 2),
            83.3 * (1 + 0.0003 * 0.5) * (1 - 0.0053) * (1 + 0.0016 * 2),
        ],
        rtol=1e-14,
    )
    assert np.allclose(scale[0, 1], 6.8 * (1 - 0.0074) * (1 + 0.02 * 2), rtol=1e-14)
    assert np.array_equal(location[1], [171.8, 83.3])
    assert np.array_equal(scale[1], [10.4, 6.8])
