"""The errors that a user sees as one line, and nothing else."""


class UserError(Exception):
    """Something the user can mend: bad input, a refused option, a file that does not fit.

    The message is one line: what (file, record, value), and the remedy.  The command line prints it
    without a traceback and exits with code 2.
    """


class BadImageError(UserError):
    """An image file that cannot be decoded or is not what the annotations say.

    Attributes:
        path: the file, as the user would name it.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        # Raised in a loader's worker process: it must survive pickling with both arguments.
        return (type(self), (self.path, self.reason))


class TooManyBadImages(UserError):
    """So many images cannot be read, or their whole folder, that the fault is hardly in them.

    Attributes:
        found: what cannot be read.
        raise_limit: the option that would let it pass; empty where none does.
    """

    def __init__(self, found: str, raise_limit: str = "") -> None:
        more = f", or set {raise_limit}" if raise_limit else ""
        super().__init__(f"{found}; bring the images back{more}")
        self.found = found
        self.raise_limit = raise_limit


class RunError(Exception):
    """The work itself failed (training diverged, say), in one line; exit code 1."""


class Interrupted(Exception):
    """The user asked to stop, and what was done so far is safe; exit code 130 (143 by SIGTERM).

    Attributes:
        advice: how to go on.
    """

    def __init__(self, advice: str = "the same command goes on where it stopped") -> None:
        super().__init__(f"interrupted; {advice}")
        self.advice = advice
