"""Metrics files as runs of a sweep leave them, in a folder."""

from hiertools.files.metrics import Metrics, write_metrics


def save(path, tags, rows, tables=None, task="classes"):
    parameters = {} if tags is None else {"tags": tags}
    found = Metrics(task, parameters, {}, rows, tables or {})
    write_metrics(path, found, chain=[], overwrite=True)
    return path


def row(metric, value, **more):
    return {"metric": metric, "value": value, "queries": 10, **more}


def save_sweep(folder, tops, *, metric="top-1", **same):
    """Write a file for each (tags, value), with the same more tags."""
    return [
        save(folder / f"run{i}.json", {**tags, **same}, [row(metric, value)])
        for i, (tags, value) in enumerate(tops)
    ]
