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


class RotationWarning(UserWarning):
    """Which way is up on a page is not clear.

    Issued by :func:`~mnist_estimator.recognize` with ``rotation="auto"`` where the classifier is
    about as confident in a page that is turned as in the page as it is. The page is taken as it
    is, and the result has ``rotation_is_sure=False``. Pages with few digits, or with digits such
    as 0, 1 and 8 only, are often so.
    """
