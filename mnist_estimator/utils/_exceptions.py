"""Warnings that this package issues."""


class ValueRangeWarning(UserWarning):
    """Images have another range of values than the images that an estimator was fitted on.

    Issued by everything that takes images after ``fit``: prediction, scoring, continued training
    and :class:`~mnist_estimator.ImageScaler`. The usual cause is a model that was fitted on bytes
    (0 to 255) and is given numbers from 0 to 1, or the other way round.

    Examples
    --------
    To get an error in place of the warning:

    >>> import warnings
    >>> from mnist_estimator import ValueRangeWarning
    >>> warnings.simplefilter("error", ValueRangeWarning)
    >>> warnings.resetwarnings()
    """
