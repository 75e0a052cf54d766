"""A reverse-mode automatic differentiation engine over NumPy arrays, small enough to read at once.

Every operation computes its result and notes, for each input, how the gradient of the result turns
into that of the input: the local rule. `Tensor.backward` walks the notes from the end to the start.
"""

import numpy as np

__all__ = ["Tensor"]


class Tensor:
    r"""An array that remembers how it was computed, so that its gradient can be found.

    Supports `+ - * / @ **`, `exp log relu tanh sigmoid`, `sum mean max reshape transpose` and
    indexing, with NumPy's broadcasting. After `loss.backward()` every tensor on the way has in
    `grad` the derivative of `loss` with respect to each of its entries:
    $\bar x = \sum_k \bar y_k\, \partial y_k / \partial x$, added up over all uses of x.

    Shapes: data (*), any shape, stored as float64; grad None at first, then as data.
    Raises: TypeError if data is not real, or an operand no number, array or Tensor; ValueError if
    shapes do not fit; RuntimeError where there is nothing to differentiate.
    Source: Linnainmaa 1970; documents 001, 002 and 004.
    """

    __array_ufunc__ = None  # so that `array * tensor` comes here, not to NumPy entry by entry

    def __init__(self, data, requires_grad=False):
        self.data = _real(data)
        self.requires_grad = bool(requires_grad)
        self.grad = None
        self.operation = ""  # what made it; empty for a leaf
        self.sources = ()  # pairs (input, local rule)

    # --- what an operation leaves behind, and the walk back

    @staticmethod
    def _result(operation, data, *sources):
        """The result of an operation; `sources` are pairs of an input and its local rule."""
        result = Tensor(data)
        result.operation = operation
        result.sources = tuple((tensor, rule) for tensor, rule in sources if tensor.requires_grad)
        result.requires_grad = bool(result.sources)
        return result

    def backward(self, gradient=None):
        """Add to `grad`, here and in all tensors behind, the derivative of this one.

        gradient : the weight of each entry, in the shape of this tensor; 1 for a single number.
        """
        if not self.requires_grad:
            raise RuntimeError("backward: no tensor behind this one has requires_grad=True")
        if gradient is None:
            if self.data.size != 1:
                raise RuntimeError(
                    "backward: expected one number, or a gradient of the result's shape "
                    f"{self.shape} as argument; sum or average it first"
                )
            gradient = np.ones(self.shape)
        gradient = _real(gradient, "gradient")
        if gradient.shape != self.shape:
            raise ValueError(
                f"gradient: expected the tensor's shape {self.shape}, got {gradient.shape}"
            )
        flowing = {id(self): gradient}
        for tensor in reversed(in_order(self)):  # each one after everything that uses it
            arrived = flowing.pop(id(tensor))
            tensor.grad = arrived if tensor.grad is None else tensor.grad + arrived
            for source, rule in tensor.sources:
                share = _unbroadcast(rule(arrived), source.shape)
                flowing[id(source)] = flowing.get(id(source), 0.0) + share

    def detach(self):
        """The same data as a constant: no gradient passes."""
        return Tensor(self.data)

    # --- arithmetic

    def __add__(self, other):
        other = _tensor(other)
        return self._result("+", self.data + other.data, (self, lambda g: g), (other, lambda g: g))

    def __mul__(self, other):
        other = _tensor(other)
        return self._result(
            "×", self.data * other.data,
            (self, lambda g: g * other.data),
            (other, lambda g: g * self.data),
        )  # fmt: skip

    def __truediv__(self, other):
        other = _tensor(other)
        return self._result(
            "÷", self.data / other.data,
            (self, lambda g: g / other.data),
            (other, lambda g: -g * self.data / other.data**2),
        )  # fmt: skip

    def __pow__(self, exponent):
        if isinstance(exponent, bool) or not isinstance(exponent, int | float):
            raise TypeError(f"**: expected a number as exponent, got {type(exponent).__name__}")
        return self._result(
            f"power {exponent:g}", self.data**exponent,
            (self, lambda g: g * exponent * self.data ** (exponent - 1) if exponent else 0.0 * g),
        )  # fmt: skip

    def __matmul__(self, other):
        other = _tensor(other)
        # A vector is a matrix of one row on the left, of one column on the right.
        a = self.reshape(1, -1) if self.data.ndim == 1 else self
        b = other.reshape(-1, 1) if other.data.ndim == 1 else other
        product = self._result(
            "@", a.data @ b.data,
            (a, lambda g: g @ np.swapaxes(b.data, -1, -2)),
            (b, lambda g: np.swapaxes(a.data, -1, -2) @ g),
        )  # fmt: skip
        *batch, rows, columns = product.shape
        shape = (*batch, *[rows] * (self.data.ndim > 1), *[columns] * (other.data.ndim > 1))
        return product if product.shape == shape else product.reshape(shape)

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -_tensor(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other

    def __rsub__(self, other):
        return _tensor(other) - self

    def __rtruediv__(self, other):
        return _tensor(other) / self

    def __rmatmul__(self, other):
        return _tensor(other) @ self

    # --- functions of each entry: the rule multiplies by the derivative

    def exp(self):
        y = np.exp(self.data)
        return self._result("exp", y, (self, lambda g: g * y))

    def log(self):
        return self._result("log", np.log(self.data), (self, lambda g: g / self.data))

    def relu(self):
        return self._result(
            "relu", np.maximum(self.data, 0.0), (self, lambda g: g * (self.data > 0))
        )

    def tanh(self):
        y = np.tanh(self.data)
        return self._result("tanh", y, (self, lambda g: g * (1.0 - y**2)))

    def sigmoid(self):
        q = np.exp(-np.abs(self.data))  # at most 1, so that nothing overflows
        y = np.where(self.data >= 0, 1.0, q) / (1.0 + q)
        return self._result("sigmoid", y, (self, lambda g: g * y * (1.0 - y)))

    # --- reductions: the rule spreads the gradient over what was reduced

    def sum(self, dim=None, keepdim=False):
        def spread(g):
            return np.broadcast_to(_restore(g, dim, keepdim), self.shape)

        return self._result("sum", self.data.sum(axis=dim, keepdims=keepdim), (self, spread))

    def mean(self, dim=None, keepdim=False):
        total = self.sum(dim, keepdim)
        return total * (total.data.size / self.data.size)

    def max(self, dim=None, keepdim=False):
        """The largest entries; where several are largest, they share the gradient evenly."""
        kept = self.data.max(axis=dim, keepdims=True)
        largest = self.data == kept
        share = largest / largest.sum(axis=dim, keepdims=True)
        y = kept if keepdim else self.data.max(axis=dim)
        return self._result("max", y, (self, lambda g: _restore(g, dim, keepdim) * share))

    # --- the same entries in another arrangement: the rule puts them back

    def reshape(self, *shape):
        y = self.data.reshape(*shape)
        return self._result("reshape", y, (self, lambda g: g.reshape(self.shape)))

    def transpose(self, dim0, dim1):
        y = np.swapaxes(self.data, dim0, dim1)
        return self._result("transpose", y, (self, lambda g: np.swapaxes(g, dim0, dim1)))

    def __getitem__(self, index):
        def scatter(g):
            found = np.zeros(self.shape)
            np.add.at(found, index, g)  # an entry that was taken twice gets both gradients
            return found

        return self._result("index", self.data[index], (self, scatter))

    # --- conveniences

    @property
    def shape(self):
        return self.data.shape

    @property
    def T(self):
        return self.transpose(-1, -2)

    def item(self):
        return self.data.item()

    def __len__(self):
        return len(self.data)

    def __repr__(self):
        made = f", made by {self.operation}" if self.operation else ""
        return f"Tensor({self.data}{made})"


def in_order(tensor):
    """All tensors behind `tensor` that need gradients, each after those that it was made from."""
    order, seen, stack = [], set(), [(tensor, False)]
    while stack:  # no recursion: a graph may be deeper than Python's stack
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack += [(source, False) for source, _ in reversed(node.sources)]
    return order


def _real(values, name="data"):
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got {_kind(values, array)}")
    return array.astype(np.float64)


def _kind(values, array):
    return f"dtype {array.dtype}" if isinstance(values, np.ndarray) else type(values).__name__


def _tensor(value):
    return value if isinstance(value, Tensor) else Tensor(value)


def _restore(gradient, dim, keepdim):
    """The gradient with the reduced dimensions back, of size 1."""
    return gradient if keepdim or dim is None else np.expand_dims(gradient, dim)


def _unbroadcast(gradient, shape):
    """The gradient of an input that was broadcast from `shape`: sum over its copies."""
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(extra)))
    stretched = tuple(d for d, size in enumerate(shape) if size == 1 and gradient.shape[d] != 1)
    return gradient.sum(axis=stretched, keepdims=True)
