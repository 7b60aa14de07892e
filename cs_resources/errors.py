"""What can go wrong in storage and sources, named so that the reader knows what to do.

Belongs here: exception types shared by resources and assets. Must not: handling them.
"""


class PlatformError(Exception):
    """A failure with a message for the operator; nothing was published."""


class ConfigurationError(PlatformError):
    """A setting is missing or wrong; a rerun does not help before it is mended."""


class ContractError(PlatformError):
    """A table does not keep its contract; a rerun does not help before data or code is mended."""


class StaleWriterError(PlatformError):
    """Another run published the partition after this one began; this run's rows were discarded."""


class MissingPartitionError(PlatformError):
    """An upstream partition that is needed was never published."""


class RemovedVersionError(PlatformError):
    """Earlier content that maintenance has removed; it cannot be had any more."""


class DiskFullError(PlatformError):
    """A folder has no space left; a rerun helps once there is some."""


class SourceError(PlatformError):
    """A source cannot be read as the settings say."""


class SourceUnavailableError(SourceError):
    """A source did not answer to the end, or changed while it was read; a rerun may help."""
