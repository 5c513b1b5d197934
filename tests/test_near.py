"""Which tests `make check` runs."""

from pathlib import Path

import pytest

from tests.near import CHANGED, FAR, NAMED, NAMESAKE, NEIGHBOUR, choose, distance

PULLS = "src/pullfactory/inference/pulls.py"


@pytest.mark.parametrize(
    ("test", "text", "change", "expected"),
    [
        ("tests/test_study.py", "", "tests/test_study.py", CHANGED),
        ("tests/inference/test_pulls.py", "", PULLS, NAMESAKE),
        ("tests/test_files.py", "", "src/pullfactory/files.py", NAMESAKE),
        ("tests/test_scanning.py", "", "src/pullfactory/runs/scanning.py", NAMED),
        (
            "tests/likelihoods/test_compact.py",
            "",
            "src/pullfactory/likelihoods/_compact.py",
            NAMESAKE,
        ),
        ("tests/test_a.py", "from pullfactory.inference.pulls import PullSums", PULLS, NAMED),
        ("tests/test_docs.py", 'ROOT / "README.md"', "README.md", NAMED),
        (
            "tests/test_reference.py",
            "from reference.cases import Case",
            "reference/cases.py",
            NAMED,
        ),
        ("tests/test_a.py", "from pullfactory.inference import PullSums", PULLS, NEIGHBOUR),
        ("tests/inference/test_fits.py", "", PULLS, NEIGHBOUR),
        ("tests/events/test_names.py", "", "tests/events/two_leptons.root", NEIGHBOUR),
        ("tests/events/test_names.py", "", "tests/conftest.py", NEIGHBOUR),
        ("tests/test_a.py", "from pullfactory.inference_of import b", PULLS, FAR),
        ("tests/test_a.py", "import pullfactory as pf", "src/pullfactory/files.py", FAR),
        ("tests/events/test_names.py", "", "tests/report/conftest.py", FAR),
        ("tests/events/test_names.py", "", "Makefile", FAR),
    ],
)
def test_distance(test: str, text: str, change: str, expected: int) -> None:
    assert distance(Path(test), text, Path(change)) == expected


def test_as_many_as_fit_into_a_minute() -> None:
    """Those nearest first, and of these the quickest; what changed whatever it takes."""
    found = {
        "long": (CHANGED, 100.0),
        "far": (FAR, 0.0),
        "slow": (NAMED, 50.0),
        "quick": (NAMED, 40.0),
        "beside": (NEIGHBOUR, 20.0),
    }
    near = {Path(name): value for name, value in found.items()}
    assert choose(near) == ([Path("long")], [Path(n) for n in ("quick", "slow", "beside")])
    del near[Path("long")]
    assert choose(near) == ([Path("quick"), Path("beside")], [Path("slow")])
