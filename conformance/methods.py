"""What a row of the matrix is: a library's method, and the formula that it is compared with."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn

from conformance.formulas import Formula

# From (model, layer, pictures, one class for each) to maps or values at the pixels.
Run = Callable[[nn.Module, nn.Module, Tensor, list[int]], Tensor]


UNSEEN = "only nn.ReLU is seen: the plain gradient passes"


@dataclass(frozen=True)
class Departure:
    """A formula that a library computes in place of the paper's, and what is different in it."""

    formula: Formula
    why: str


@dataclass(frozen=True)
class Method:
    """A method of a library, called so that it can be compared.

    Attributes:
        library, name: as the library is installed, and as it names the method.
        run: the call, with the options in `changed`.
        formula: what it is compared with, and what that is called in this book.
        called: the formula's name.
        plain: the call with the library's own options, if those had to be changed.
        changed: options that are not the library's own, as they are written.
        departures: what is known of where it differs.
        layer: the name of the layer explained, None for a method at the pixels.
        arbitrary_sign: whether the sign of the map is left to chance, so that no number is worth noting.
    """

    library: str
    name: str
    run: Run
    formula: Formula
    called: str
    plain: Run | None = None
    changed: dict[str, str] = field(default_factory=dict)
    departures: tuple[Departure, ...] = ()
    layer: str | None = None
    arbitrary_sign: bool = False
