"""pyhf, one caller at a time.

pyhf keeps its backend and the schemas that it has read for the whole process: two threads that
build models at once fail, and one that switches the backend switches it for all. Whatever the
package asks of pyhf it asks while it holds one lock, which a thread may take again. What others ask
of pyhf in other threads meanwhile is not in our hands.
"""

import threading

import pyhf

__all__ = ["PYHF_LOCK", "pyhf"]

PYHF_LOCK = threading.RLock()
"""Held during every call of pyhf."""
