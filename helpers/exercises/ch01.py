"""The checks of chapter 1."""

import torch
from torch import Tensor

from helpers.exercises.judging import Answer, Draw, Wrong, by_cases

FAR = 0.04  # of a share of 4000 pictures that is more than five standard deviations


def nearly_always(answer: Answer) -> None:
    """Marks drawn by lot: their frequencies, and whether they are drawn at all."""
    draw = Draw()
    for share in (draw.number(0.65, 0.75), draw.number(0.85, 0.95)):
        even = torch.arange(8000) % 2
        even = even[torch.randperm(len(even), generator=draw.lot)]
        found = _marks(answer, even, share)
        drawn = [_marks(answer, even[:60], share) for _ in range(30)]
        if all(one.equal(drawn[0]) for one in drawn):
            raise Wrong(
                "not drawn", "Your marks are the same at every call: draw them by lot, each time anew."
            )
        if all(len(one[even[:60] == kind].unique()) == 1 for one in drawn for kind in (0, 1)):
            raise Wrong("one for all", "You draw one number for all pictures: draw one for each.")
        _judge_shares([found[even == kind].double().mean().item() for kind in (1, 0)], share)


def _marks(answer: Answer, even: Tensor, share: float) -> Tensor:
    found = torch.as_tensor(answer(even.clone(), share))
    if found.shape != even.shape:
        raise Wrong("", f"Return one entry for each picture: {tuple(even.shape)}, not {tuple(found.shape)}.")
    if found.dtype != torch.bool:
        raise Wrong("no yes or no", "Return True or False for each picture: compare what you drew.")
    return found


def _judge_shares(found: list[float], share: float) -> None:
    def near(even: float, odd: float) -> bool:
        return abs(found[0] - even) < FAR and abs(found[1] - odd) < FAR

    if near(share, 1 - share):
        return
    if near(share, share):
        raise Wrong("both alike", "You mark odd digits as often as even ones: then the mark tells nothing.")
    if near(share, 0):
        raise Wrong("odd ones never", "No odd digit has a mark: some of them carry one, too.")
    if near(share, 1):
        raise Wrong("odd ones always", "All odd digits have a mark: only few of them should.")
    if near(1 - share, share):
        raise Wrong("turned round", "You mark the odd digits often and the even ones seldom: turn it round.")
    if near(0.5, 0.5):
        raise Wrong("always half", "You mark one half of each kind, whatever the share: use the share.")
    raise Wrong("", f"You mark {found[0]:.0%} of the even digits and {found[1]:.0%} of the odd ones.")


def _painted(images: Tensor, *where: slice, value: float = 0) -> Tensor:
    images = images.clone()
    images[where] = value
    return images


ALL, FIRST, LAST = slice(None), slice(2), slice(-2, None)

covered = by_cases(
    right=lambda images: _painted(images, ALL, ALL, FIRST, FIRST),
    cases=lambda draw: [
        (draw.uniform(draw.size(3, 5), draw.size(1, 3), draw.size(7, 9), draw.size(10, 12)),)
        for _ in range(2)
    ],
    wrong={
        "black": (
            lambda images: _painted(images, ALL, ALL, FIRST, FIRST, value=1),
            "You painted the corner black: that is the mark again. White is 0 here.",
        ),
        "another corner": (
            lambda images: _painted(images, ALL, ALL, LAST, LAST),
            "You painted the lower right corner: the mark stands in the upper left one.",
        ),
        "the upper right": (
            lambda images: _painted(images, ALL, ALL, FIRST, LAST),
            "You painted the upper right corner: the mark stands in the upper left one.",
        ),
        "whole rows": (
            lambda images: _painted(images, ALL, ALL, FIRST),
            "You painted two whole rows: the mark takes only two columns of them.",
        ),
        "whole columns": (
            lambda images: _painted(images, ALL, ALL, ALL, FIRST),
            "You painted two whole columns: the mark takes only two rows of them.",
        ),
        "two pictures": (
            lambda images: _painted(images, FIRST, FIRST),
            "You painted the first two pictures: rows and columns are the last two axes.",
        ),
        "as large as in the map": (
            lambda images: _painted(images, ALL, ALL, slice(5), slice(5)),
            "You painted 5 × 5 pixels, the mark's reach in the map: the mark itself has 2 × 2.",
        ),
        "not covered": (lambda images: images, "Your pictures are as they were: the mark is still there."),
    },
)


def cover(answer: Answer) -> None:
    """The corner white, in a copy."""
    draw = Draw()
    images = draw.uniform(4, 1, draw.size(6, 8), draw.size(9, 12))
    before = images.clone()
    answer(images)
    if not images.equal(before):
        raise Wrong("the archive itself", "You painted over the pictures that you were given: paint a copy.")
    covered(answer)


def _share(maps: Tensor) -> Tensor:
    return (maps[:, :5, :5].sum(dim=(1, 2)) / maps.sum(dim=(1, 2))).mean()


def _shares(maps: Tensor, *flips: tuple[int, ...]) -> Tensor:
    return torch.stack([_share(maps.flip(axes)) for axes in flips])


CORNERS = ((), (1,), (2,), (1, 2))


def _of_the_sums(maps: Tensor) -> Tensor:
    return _shares(maps.sum(dim=0, keepdim=True), *CORNERS)


def _each(maps: Tensor) -> Tensor:
    return torch.stack([_shares(map_[None], *CORNERS) for map_ in maps], dim=1)


def _maps(draw: Draw) -> Tensor:
    """Maps of unequal mass, brighter to one side."""
    rows, columns = draw.size(11, 13), draw.size(14, 16)
    slope = torch.linspace(0.2, 1, columns) + torch.linspace(0, 2, rows)[:, None]
    return draw.uniform(draw.size(3, 4), rows, columns) * slope * draw.uniform(1, columns)


odd = by_cases(
    right=lambda maps: _shares(maps, *CORNERS),
    cases=lambda draw: [(_maps(draw),) for _ in range(2)],
    wrong={
        "pictures mirrored": (
            lambda maps: _shares(maps, (), (0,), (1,), (0, 1)),
            "You mirrored along the pictures: rows and columns are axes 1 and 2, as maps have no channels.",
        ),
        "another order": (
            lambda maps: _shares(maps, (), (2,), (1,), (1, 2)),
            "Your second and third corner have changed places: lower left comes before upper right.",
        ),
        "always the same corner": (
            lambda maps: _share(maps).expand(4),
            "Your four shares are those of one corner: mirror the maps, so that another one lies there.",
        ),
        "without the first": (
            lambda maps: _shares(maps, *CORNERS[1:]),
            "You return the three other corners: the upper left one comes first.",
        ),
        "added up first": (
            _of_the_sums,
            "You added up all maps first: take each map's own share, and then the mean.",
        ),
        "no mean": (_each, "You return a share for each map: take the mean over the maps."),
        "of the four corners": (
            lambda maps: _shares(maps, *CORNERS) / _shares(maps, *CORNERS).sum(),
            "Your four shares add up to 1: divide by the mass of the whole map, not of the four corners.",
        ),
    },
)

JUDGES = {"ex-nearly-always": nearly_always, "ex-cover": cover, "ex-odd": odd}
