"""A process that does one piece of work: `python -m benchmarks.child`, started by `measure.alone`.

Belongs here: taking the work from standard input, giving its outcome back. Must not: anything else.
"""

import os
import pickle
import sys


def main() -> None:
    """Read (function, arguments), call it, write what it returns; all else goes to stderr."""
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    work, arguments = pickle.load(sys.stdin.buffer)
    outcome = work(*arguments)
    with os.fdopen(answer, "wb") as stream:
        pickle.dump(outcome, stream)


if __name__ == "__main__":
    main()
