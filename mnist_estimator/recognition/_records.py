"""What was recognized in a picture, as a data frame and as JSON has it."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from ._recognition import Recognition


def to_frame(found: "Recognition") -> "pd.DataFrame":
    """Return the digits as a data frame: see :meth:`Recognition.to_frame`."""
    import pandas as pd

    n = len(found)
    return pd.DataFrame(
        {
            "line": found.lines,
            "group": found.groups,
            "label": found.labels,
            "confidence": np.full(n, np.nan) if found.confidences is None else found.confidences,
            "rejected": np.zeros(n, dtype=bool) if found.rejected is None else found.rejected,
            "doubtful": found.doubtful,
            **dict(zip(("top", "left", "bottom", "right"), found.boxes.T, strict=True)),
        }
    )


def to_dict(found: "Recognition") -> dict[str, Any]:
    """Return lines, groups and digits as JSON has them: see :meth:`Recognition.to_dict`."""
    lines: list[dict[str, Any]] = [{"groups": []} for _ in range(found._n_lines())]
    groups: dict[int, dict[str, Any]] = {}

    def group_of(line: int, group: int) -> dict[str, Any]:
        if group not in groups:
            groups[group] = {"digits": [], "separators": []}
            lines[line]["groups"].append(groups[group])
        return groups[group]

    places = {(digit.group, digit.line) for digit in found}
    places |= {(mark.group, mark.line) for mark in found.separators}
    for group, line in sorted(places):
        group_of(line, group)
    for digit in found:
        groups[digit.group]["digits"].append(
            {
                "label": digit.label,
                "confidence": digit.confidence,
                "rejected": digit.is_rejected,
                "doubtful": digit.is_doubtful,
                "box": list(digit.box),
            }
        )
    for mark in found.separators:
        groups[mark.group]["separators"].append(
            {"character": mark.character, "box": list(mark.box)}
        )
    height, width = found.picture.shape[:2]
    return {
        "text": found.text,
        "page": found.page,
        "n_pages": found.n_pages,
        "height": height,
        "width": width,
        "rotation": found.rotation,
        "rotation_is_sure": found.rotation_is_sure,
        "lines": lines,
    }
