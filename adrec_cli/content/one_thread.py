"""Linear algebra on one thread, whose sums come out the same whatever the machine is asked to use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep NumPy's and scikit-learn's products on one thread for a while.

    Where threadpoolctl is not installed, which comes with scikit-learn, the number of threads stays as it is.
    """
    try:
        # SciPy has a linear algebra of its own, which is limited only once it is loaded.
        import scipy.linalg  # noqa: F401
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(limits=1):
        yield
