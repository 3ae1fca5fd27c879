"""The errors that a user can cause or cure. Each message names the thing, the value and the remedy.

Every error here derives from `ColdstartError`; the command line prints its message alone and
exits with code 2, and the plugin shows it as a notification.
"""


class ColdstartError(Exception):
    """Base of all errors that carry a message for the user rather than for a developer."""


class ParticleFileError(ColdstartError):
    """A particle table, stack or map cannot be read, or contradicts itself."""


class ParameterError(ColdstartError):
    """A parameter is outside its range, or does not fit the data or another parameter."""


class OutputError(ColdstartError):
    """The run folder cannot be made or written."""


class DeviceError(ColdstartError):
    """No OpenCL device fits the request, or the device failed."""


class KernelBuildError(DeviceError):
    """A kernel did not compile on a device; the message holds device, file and build log."""


class DeviceMemoryError(DeviceError):
    """The declared buffers do not fit the device."""


class ClusterError(ColdstartError):
    """A cluster is not there, or its workers are lost."""


class RunSuspended(ColdstartError):
    """The run was left, as it was asked to, and can go on from its checkpoint; the message says how."""


class ChangedError(ColdstartError):
    """What a run began with has changed since; the user may accept that.

    Parameters
    ----------
    what : str
        What has changed, as a sentence.
    remedy : str
        What to do about it in a terminal; a window has another remedy.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)  # as it is called, so that another process can raise it again
        self.what, self.remedy = what, remedy

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}"


class ChangedInputError(ChangedError, ParticleFileError):
    """A file that a run read has changed since."""


class ChangedDeviceError(ChangedError, DeviceError):
    """The device, its driver or a version is not that which a run began with."""
