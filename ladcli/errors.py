"""The two errors a user can see as one line, and nothing else."""


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
