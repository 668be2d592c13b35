"""Roboflow's root category: the parent of all classes, which has the id 0 and no box.

Learned, it would be a class that is never right; so it is left out, wherever annotations are read.
"""

from __future__ import annotations

from dataclasses import replace

from ladcli.data.columns import Table

#: What its own `supercategory` says.
_NO_PARENT = ("none", "", None)


def leave_out_root(categories: Table, annotations: Table) -> tuple[Table, str | None]:
    """The categories without the root, and the name of the root where there was one."""
    records = categories.records
    roots = [r for r in records if type(r.get("id")) is int and r["id"] == 0]
    if len(roots) != 1 or len(records) < 2:
        return categories, None
    name = roots[0].get("name")
    others = [r for r in records if r is not roots[0]]
    if roots[0].get("supercategory") not in (*_NO_PARENT, name) or not isinstance(name, str):
        return categories, None
    if any(r.get("supercategory") != name for r in others):
        return categories, None
    if any(type(r.get("id")) is not int or r["id"] <= 0 for r in others):
        return categories, None
    if any(r.get("category_id") == 0 for r in annotations.records):
        return categories, None
    return replace(categories, records=others), name
