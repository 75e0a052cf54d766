"""What stands in a test for what stays in the student process: functions, classes, instances.

A stand-in asks the student process for all that it does. Each answer is data or another stand-in,
and never decides a comparison: a stand-in that is compared with data raises TypeError, and
arithmetic with one gives one again.
"""

import inspect

from autograder.student.server import REFLECTED, SPECIAL_METHODS

_COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_DATA = {
    "__len__": int,
    "__repr__": str,
    "__str__": str,
    "__bool__": bool,
    "__int__": int,
    "__float__": float,
    "__index__": int,
    "__contains__": bool,
}
_ANYTHING = ("__getitem__", "__setitem__", "__delitem__", "__enter__", "__exit__", "__next__")


class Link:
    """Where a stand-in's own thing is: the session, its handle there, and its name."""

    def __init__(self, session, number, name):
        self.session, self.number, self.name = session, number, name


def link_of(value):
    """The Link of a stand-in, None for anything else; no code of the value runs."""
    link = inspect.getattr_static(value, "_student", None)
    if isinstance(value, type):
        link = vars(value).get("_student")
    return link if type(link) is Link else None


def is_special(name):
    """Whether a name belongs to the language; these are never asked for as attributes."""
    return name.startswith("__") and name.endswith("__")


class _StandIn:
    """What functions, iterators and instances share: attributes are asked for."""

    __array_ufunc__ = None  # NumPy leaves operators to us

    def __getattr__(self, name):
        if name == "_student" or is_special(name):
            raise AttributeError(name)
        return self._student.session.request("get", self, name)

    def __eq__(self, other):
        return self._compare("__eq__", other)

    def __ne__(self, other):
        return not self == other

    __hash__ = object.__hash__

    def _compare(self, operator, other):
        _refuse_data(self, other)
        return self is other


class Function(_StandIn):
    """A student's function, method or other callable."""

    def __init__(self, link, description):
        self._student = link
        self.__name__ = self.__qualname__ = link.name
        self.__doc__ = description["doc"] or None
        if (signature := _signature(description["parameters"])) is not None:
            self.__signature__ = signature

    def __call__(self, /, *args, **kwargs):
        return self._student.session.call(self, args, kwargs)

    def __repr__(self):
        return f"<student's function {self.__name__}>"


class Iterator(_StandIn):
    """A student's generator or other iterator."""

    def __init__(self, link):
        self._student = link

    def __iter__(self):
        return self

    def __next__(self):
        return self._student.session.request("__next__", self)


class Recording(_StandIn):
    """What autograd recorded in a call."""

    def __init__(self, link):
        self._student = link


class Class(type):
    """The type of the local classes that stand for a student's classes."""

    def __call__(cls, /, *args, **kwargs):
        return cls._student.session.call(cls, args, kwargs)

    def __getattr__(cls, name):
        if name == "_student" or is_special(name):
            raise AttributeError(name)
        return cls._student.session.request("get", cls, name)


class Instance(_StandIn):
    """The base of the local classes of a student's own classes."""

    def __setattr__(self, name, value):
        self._student.session.request("set", self, name, value)

    def __delattr__(self, name):
        self._student.session.request("delete", self, name)

    def __deepcopy__(self, memo):
        return self._student.session.request("copy", self)

    def __repr__(self):
        return f"<student's {type(self).__name__}>"


def make_class(link, description, bases, claimed):
    """The local class of a student's class.

    bases : local classes. claimed : a class of ours that its instances pass for in isinstance,
    or None: it is what they are an instance of by their own account, and no evidence.
    """
    members = {name: _special(name) for name in description["special"] if name in _SPECIAL}
    members |= {"_student": link, "__hash__": object.__hash__}
    members |= {"__doc__": description["doc"] or None, "__module__": "student"}
    if (signature := _signature(description["parameters"])) is not None:
        members["__signature__"] = signature
    if claimed is not None:
        members["__class__"] = property(lambda self: claimed)
    return Class(link.name, bases, members)


def make_instance(cls, link):
    """A stand-in of a local class, without asking the student process for a new object."""
    value = object.__new__(cls)
    object.__setattr__(value, "_student", link)
    return value


def _special(name):
    """The special method that asks the student process."""
    if name in _COMPARISONS:

        def method(self, other):
            _refuse_data(self, other)
            return _of_type(bool, self._student.session.request(name, self, other), name)
    elif name == "__call__":

        def method(self, /, *args, **kwargs):
            return self._student.session.call(self, args, kwargs)
    elif name in _DATA:

        def method(self, *others):
            value = self._student.session.request(name, self, *others)
            return _of_type(_DATA[name], value, name)
    elif name in _ANYTHING:

        def method(self, *others):
            others = () if name == "__exit__" else others
            return self._student.session.request(name, self, *others)
    elif name.startswith("__r") and name in _REFLECTED:
        forward = f"__{name[3:]}"

        def method(self, other):
            return _stand_in(self._student.session.request(forward, other, self), self, forward)
    else:

        def method(self, *others):
            return _stand_in(self._student.session.request(name, self, *others), self, name)

    method.__name__ = name
    return method


_REFLECTED = tuple(f"__r{name}__" for name in REFLECTED)
_SPECIAL = {*SPECIAL_METHODS, *_REFLECTED, "__call__"}


def _refuse_data(value, other):
    if link_of(other) is None:
        raise TypeError(
            f"the test compares a {type(other).__name__} with the student's "
            f"`{value._student.name}`, which is no data"
        )


def _of_type(kind, value, name):
    if type(value) is not kind:
        raise TypeError(f"{name} of the student's class returned a {type(value).__name__}")
    return value


def _stand_in(value, asked, name):
    """Of arithmetic: a number here would let the student's code answer for the test."""
    if link_of(value) is None and value is not NotImplemented:
        raise TypeError(
            f"{name} of the student's `{asked._student.name}` returned a {type(value).__name__}; "
            "in a test, arithmetic with an object of a student's class must give another one"
        )
    return value


class _Unknown:
    """A default that is no plain data."""

    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return f"<{self._name}>"


def _signature(parameters):
    """An inspect.Signature of what the student process told; None if that makes none."""
    if parameters is None:
        return None
    kinds = list(inspect._ParameterKind)
    try:
        return inspect.Signature(
            [
                inspect.Parameter(name, kinds[kind], default=_default(*default))
                for name, kind, default in parameters
            ]
        )
    except (TypeError, ValueError, IndexError):
        return None


def _default(*told):
    if not told:
        return inspect.Parameter.empty
    return _Unknown(str(told[0])) if len(told) == 2 else told[0]
