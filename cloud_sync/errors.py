"""The exceptions of `cloud_sync`: one sentence each, what is wrong and what to do."""


class CloudSyncError(Exception):
    """Anything in `cloud_sync` that a caller may want to catch at once."""


class AuthorityError(CloudSyncError):
    """The certificate authority cannot or will not do this."""


class EnrolmentError(CloudSyncError):
    """A box cannot be enrolled like this."""
