"""The one exception a user can cause.

Everything a person can get wrong (a path, a shape, a setting) raises `InputError`; the command line
prints it in one line and exits with code 2. Any other exception is a defect of the package.
"""


class InputError(ValueError):
    """A problem with what the caller supplied, and what to do about it.

    Args:
        problem: what is wrong, naming the file or argument and the value found.
        remedy: what the caller can do; empty where the problem already says it.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}; {remedy}" if remedy else problem)
