"""Every error a user can meet: one root, one exit code per kind.

A message says what was wrong, where, and what to do next. The command line
prints it and exits with ``exit_code``; nothing here prints.
"""

from __future__ import annotations


class CondaPackException(Exception):
    """The root. Its name is the one that users of the Python API catch."""

    exit_code = 1


class UsageError(CondaPackException):
    """The options do not fit together, or one has an impossible value."""

    exit_code = 2


class EnvironmentNotFound(CondaPackException):
    """No such environment, or the name fits several."""

    exit_code = 3


class OutputExists(CondaPackException):
    """The archive or the destination folder is already there."""

    exit_code = 4


class FolderMissing(CondaPackException):
    """The folder to write into does not exist."""

    exit_code = 5


class EnvironmentFindings(CondaPackException):
    """The environment is not what its records say, in a way that needs a decision."""

    exit_code = 6


class CorruptMetadata(CondaPackException):
    """A conda-meta record that cannot be understood: says which file and which field."""

    exit_code = 7


class FileChanged(CondaPackException):
    """A file could not be read, or vanished or changed while it was packed."""

    exit_code = 8


class WriteFailed(CondaPackException):
    """The disk is full, or the output cannot be written."""

    exit_code = 9


class DamagedArchive(CondaPackException):
    """The archive is truncated, damaged, or not one of ours."""

    exit_code = 10


class UnsafeArchive(DamagedArchive):
    """The archive names a path or a size that it must not."""

    exit_code = 11


class PrefixTooLong(CondaPackException):
    """The new prefix does not fit into a file that holds the old one."""

    exit_code = 12


class ToolMissing(CondaPackException):
    """A program that the format needs is not installed, or too old."""

    exit_code = 13


class NotForThisMachine(CondaPackException):
    """The environment needs what this machine does not have: another platform, a newer glibc."""

    exit_code = 14


class SourceProblem(CondaPackException):
    """What an environment is to be made from cannot be read, solved, fetched or satisfied."""

    exit_code = 15
