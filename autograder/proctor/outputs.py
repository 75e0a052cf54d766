"""Outputs of cells: those that a student process claims, checked, and those of test cells."""

_MOST = 1000  # outputs of a cell
_STREAMS = ("stdout", "stderr")


def checked(claimed, limit):
    """The well-formed ones of claimed nbformat outputs, about `limit` characters at most."""
    kept, size = [], 0
    for each in claimed[:_MOST] if isinstance(claimed, list) else []:
        output = _checked(each) if isinstance(each, dict) else None
        if output is None:
            continue
        size += sum(len(text) for text in _texts(output))
        if size > 2 * limit:  # images of a few figures beyond what their sender counted
            break
        kept.append(output)
    return kept


def stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def error(name, message, traceback=None):
    """An error output; without a traceback it shows the message."""
    lines = traceback or [f"{name}: {message}"]
    return {"output_type": "error", "ename": name, "evalue": message, "traceback": lines}


def score(points):
    """What nbgrader reads as the points of a cell."""
    return _result({"text/plain": f"{points:g}"})


def _result(data):
    return {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": None}


def _checked(output):
    kind = output.get("output_type")
    if kind == "stream" and output.get("name") in _STREAMS:
        return {"output_type": kind, "name": output["name"], "text": _text(output.get("text"))}
    if kind in ("display_data", "execute_result"):
        data = output.get("data")
        data = data if isinstance(data, dict) else {}
        data = {_text(key): _text(value) for key, value in data.items() if isinstance(value, str)}
        shown = _result(data)
        return shown if kind == "execute_result" else {
            "output_type": kind, "data": data, "metadata": {}
        }  # fmt: skip
    if kind == "error":
        lines = output.get("traceback")
        lines = [_text(line) for line in lines] if isinstance(lines, list) else []
        return error(_text(output.get("ename")), _text(output.get("evalue")), lines)
    return None


def _text(value):
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _texts(output):
    for value in output.values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list):
            yield from value
