"""The data room: reads, cleans and splits labelled rows, and describes the job they are for.

``task.py`` (with the table ``fields.py``) is what the user writes; ``read.py``, ``tables.py``, ``conll.py`` and
``folder.py`` stream rows; ``clean.py`` and ``near.py`` find what has to be set aside or kept together; ``split.py``
draws the sides; ``dataset.py`` joins them.
"""

from pare.data.dataset import Dataset, Facts, Membership, Sealed, prepare, prepare_more, write_quarantine
from pare.data.task import Task, with_flags

__all__ = [
    "Dataset",
    "Facts",
    "Membership",
    "Sealed",
    "Task",
    "prepare",
    "prepare_more",
    "with_flags",
    "write_quarantine",
]
