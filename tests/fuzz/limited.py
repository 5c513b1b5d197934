"""The command line with little memory and time: `limited.py BYTES SECONDS STATUS WORD...`.

No limit is -1; the system's status of the process is written when it ends.
"""

import resource
import sys
from pathlib import Path


def main() -> None:
    memory, seconds, status, *words = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.argv = ["pullfactory", *words]
    try:
        from pullfactory.cli import main as run

        run()
    finally:
        Path(status).write_bytes(Path("/proc/self/status").read_bytes())


if __name__ == "__main__":
    main()
