"""InfoNCE of exterior angles within a batch, with its gradients in one pass over the pairs.

The rows' losses are summed by weights that are known before, so each block of rows gives its part
of the loss and of the gradients at once, and no number is kept for each pair. The formulas are
those of `polar.exterior_angle`, in float64; the slopes are worked out by hand, see `_Angles`. On a
CPU the passes over pairs are a compiled loop (`angle_loops`); on CUDA float32 points go through
the Triton kernels of `gpu.angle_contrast`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from hiertools.geometry import polar
from hiertools.geometry.polar import Scalar

PAIRS_AT_ONCE = {"cpu": 2**17, "cuda": 2**22}  # on a CPU, a megabyte for a buffer
SMALLEST = 1e-200  # of S^2 + R^2 of points that are not equal
NOISE = 2 * polar.NOISE * torch.finfo(torch.float64).eps  # of a product of unit vectors


class Polar(NamedTuple):
    """n points in polar coordinates, in float64: sn of the radii, directions, and cs of the radii.

    In flat space cs is 1; on the sphere it is a coordinate of its own.
    """

    a: Float[Tensor, " n"]
    u: Float[Tensor, "n d"]
    t: Float[Tensor, " n"]


@dataclass(frozen=True)
class Given:
    """Rows x, columns y, and what else the sum is made of; see `angle_contrast`."""

    x: Polar
    y: Polar
    positive: Bool[Tensor, "b n"]
    negative: Bool[Tensor, "b n"]
    shares: Float[Tensor, " b"]
    tau: Float[Tensor, ""]
    geometry: str
    inward: bool
    positives: str


class Pulled(NamedTuple):
    """The sum, and its gradients by the numbers of `Polar` and by tau.

    Those by directions may hold anything along the direction itself.
    """

    value: Float[Tensor, ""]
    of_x: Polar
    of_y: Polar
    of_tau: Float[Tensor, ""]


Kernel = Callable[[Given], Pulled]


def angle_contrast(
    x: Float[Tensor, "b d"],
    y: Float[Tensor, "n d"],
    positive: Bool[Tensor, "b n"],
    negative: Bool[Tensor, "b n"],
    shares: Float[Tensor, " b"],
    *,
    c: Scalar,
    tau: Float[Tensor, ""],
    geometry: str,
    inward: bool,
    positives: str,
    kernel: Kernel | None = None,
) -> Float[Tensor, ""]:
    """Return the sum over rows of a share times the multi-positive InfoNCE loss of a row.

    With ext(x, y) the exterior angle at a row x towards a column y, the logits are
    (pi - ext) / tau, or ext / tau if `inward`. positive, negative: the columns that attract a row
    and those that repel it; a row without positives loses nothing; positives: out or in, see
    `losses.contrast.info_nce`, which this is; kernel: None for what suits the device.
    Differentiable in x, y, c and tau.
    """
    c = torch.as_tensor(c, dtype=None if isinstance(c, Tensor) else torch.float64, device=x.device)
    masks = positive, negative, shares
    choices = geometry, inward, positives, kernel or _kernel(x)
    value: Tensor = _Contrast.apply(x, y, c, tau, masks, choices)
    return value


def _kernel(x: Tensor) -> Kernel:
    if x.is_cuda and x.dtype == torch.float32 and find_spec("triton"):
        from hiertools.kernels.gpu import angle_contrast as twin

        return twin.pulled
    if x.device.type == "cpu":
        from hiertools.kernels.angle_loops import pulled

        return pulled
    return definition


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, c: Tensor, tau: Tensor, masks: Any, choices: Any
    ) -> Tensor:
        geometry, inward, positives, kernel = choices
        s = c.double().sqrt() if geometry != "euclidean" else torch.ones_like(c).double()
        one, other = _polar(x, geometry, s), _polar(y, geometry, s)
        positive, negative, shares = masks
        found = kernel(
            Given(one, other, positive, negative, shares, tau, geometry, inward, positives)
        )
        of_x, x_of_s = _gradient(x, one, found.of_x, geometry, s)
        of_y, y_of_s = _gradient(y, other, found.of_y, geometry, s)
        of_c = (x_of_s + y_of_s) / (2 * s) if geometry != "euclidean" else torch.zeros_like(s)
        ctx.save_for_backward(of_x, of_y, of_c.to(c), found.of_tau.to(tau))
        value: Tensor = found.value.to(x.dtype)
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return *(gradient * each for each in ctx.saved_tensors), None, None


def _polar(points: Tensor, geometry: str, s: Tensor) -> Polar:
    points = points.double()
    space = points[:, 1:] if geometry == "sphere" else points
    a = polar.norm(space)
    u = space / polar.nonzero(a)[:, None]
    a = s * a
    if geometry == "sphere":
        return Polar(a, u, s * points[:, 0])
    return Polar(a, u, torch.sqrt(1 + a * a) if geometry == "lorentz" else torch.ones_like(a))


def _gradient(
    points: Tensor, at: Polar, of: Polar, geometry: str, s: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the gradients of points, and of s, the square root of c."""
    of_a = of.a + of.t * at.a / at.t if geometry == "lorentz" else of.a
    across = of.u - torch.linalg.vecdot(of.u, at.u)[:, None] * at.u
    gradient = across * (s / polar.nonzero(at.a))[:, None] + (s * of_a)[:, None] * at.u
    of_s = (of_a * at.a / s).sum()
    if geometry == "sphere":
        gradient = torch.cat([(s * of.t)[:, None], gradient], 1)
        of_s = of_s + (of.t * at.t / s).sum()
    return gradient.to(points.dtype), of_s


def definition(given: Given) -> Pulled:
    """Return the sum and its gradients, by blocks of rows in float64."""
    x, y = given.x, given.y
    of_x, of_y = (Polar(*map(torch.zeros_like, side)) for side in (x, y))
    value, of_tau = x.a.new_zeros(()), x.a.new_zeros(())
    step = max(1, PAIRS_AT_ONCE.get(x.a.device.type, 2**22) // max(1, len(y.a)))
    for start in range(0, len(x.a), step):
        rows = slice(start, start + step)
        angles = _Angles(Polar(*(each[rows] for each in x)), y, given.geometry)
        losses, slopes, logits = _info_nce(given, rows, angles.angle)
        shares = given.shares[rows].double()
        slopes.mul_(shares[:, None])
        value += torch.dot(shares, losses)
        of_tau -= torch.dot(slopes.flatten(), logits.flatten()) / given.tau
        angles.pull(slopes.mul_((1 if given.inward else -1) / given.tau), rows, of_x, of_y)
    return Pulled(value, of_x, of_y, of_tau)


def _info_nce(given: Given, rows: slice, angle: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return losses (b), their slopes by the logits, and the logits (b x n)."""
    logits = (angle if given.inward else torch.pi - angle) / given.tau
    positive, negative = given.positive[rows], given.negative[rows]
    lowest = torch.finfo(logits.dtype).min
    repelling = logits.masked_fill(~negative, lowest)
    highest = repelling.amax(1, keepdim=True)
    terms = repelling.sub_(highest).exp_().mul_(negative)
    total = terms.sum(1, keepdim=True)
    repelled = torch.where(total == 0, lowest, highest + total.log())
    row, column = positive.nonzero(as_tuple=True)  # a few for each row
    apart = logits[row, column] - repelled[row, 0]
    log_p, rest = logsigmoid(apart), torch.sigmoid(-apart)
    count = positive.sum(1).clamp(min=1).double()
    if given.positives == "out":
        losses = torch.zeros_like(count).index_add_(0, row, -log_p) / count
        pulls = rest / count[row]
    else:
        nearest = logits.masked_fill(~positive, lowest).amax(1)
        best = logsigmoid(nearest - repelled[:, 0])
        share = torch.exp(log_p - best[row])
        summed = torch.zeros_like(count).index_add_(0, row, share)
        losses = torch.where(summed == 0, 0, count.log() - best - summed.log())
        pulls = share / summed[row] * rest
    repels = torch.zeros_like(count).index_add_(0, row, pulls)
    slopes = terms.mul_(repels[:, None] / torch.where(total > 0, total, 1))
    slopes[row, column] -= pulls
    return losses, slopes, logits


class _Angles:
    """Exterior angles at rows x towards columns y, and their slopes.

    With V = 1 - cos(theta), S = b sin(theta) and R = t_x b cos(theta) - a t_y the angle is
    atan2(S, R); its slopes by S and R are R / (S^2 + R^2) and -S / (S^2 + R^2). R comes without
    large differences as `outward` - t_x b V.
    """

    def __init__(self, x: Polar, y: Polar, geometry: str) -> None:
        self.x, self.y = x, y
        versine = torch.mm(x.u, y.u.T).neg_().add_(1).clamp_(0, 2)
        rows, columns = outward(x, y, geometry)
        run = torch.mm(rows.T, columns)
        row, column = torch.where(versine <= NOISE)
        gap, size = y.a[column] - x.a[row], y.a[column] + x.a[row]
        equal = gap.abs() <= NOISE * size
        versine[row[equal], column[equal]] = 0
        run[row[equal], column[equal]] = 0
        self.cosine = 1 - versine
        squared = (self.cosine + 1).mul_(versine)
        self.inverse = squared.clamp(min=2 * NOISE).rsqrt_()
        self.damped = torch.where(squared < 2 * NOISE)
        self.sine = squared.mul_(self.inverse)
        self.rise = self.sine * y.a
        self.run = run.sub_(versine.mul_(y.a).mul_(x.t[:, None]))
        self.angle = torch.atan2(self.rise, self.run)
        self.angle[row[equal], column[equal]] = torch.pi / 2  # where rise and run are 0
        self.angle[x.a == 0] = torch.pi / 2

    def pull(self, slopes: Tensor, rows: slice, of_x: Polar, of_y: Polar) -> None:
        """Add what comes of the slopes by the angles, which are overwritten, to the gradients."""
        x, y = self.x, self.y
        squared = torch.addcmul(self.run * self.run, self.rise, self.rise)
        slopes.div_(squared.clamp_(min=SMALLEST))  # 0 where rise and run are 0
        slopes[x.a == 0] = 0
        of_rise = self.run.mul_(slopes)
        of_run = self.rise.mul_(slopes).neg_()
        of_y.a.add_((of_rise * self.sine).sum(0))
        turned = of_run * self.cosine
        of_y.a.add_(torch.mv(turned.T, x.t))
        of_x.t[rows] = torch.mv(turned, y.a)
        of_x.a[rows] = -torch.mv(of_run, y.t)
        of_y.t.sub_(torch.mv(of_run.T, x.a))
        of_sine = self.cosine.mul_(self.inverse)
        of_sine[self.damped] *= 2
        of_versine = of_rise.mul_(of_sine).sub_(of_run.mul_(x.t[:, None])).mul_(y.a)
        of_x.u[rows] = -torch.mm(of_versine, y.u)
        of_y.u.addmm_(of_versine.T, x.u, alpha=-1)


def outward(x: Polar, y: Polar, geometry: str) -> tuple[Tensor, Tensor]:
    """Return numbers of rows (2 x b) and of columns (2 x n), whose two products add up to
    sn(radius of y - radius of x)."""
    if geometry == "lorentz":
        f, g = x.a + x.t, y.a + y.t  # exp of the radii
        rows, columns = (0.5 / f, -0.5 * f), (g, 1 / g)
    else:
        rows, columns = (x.t, -x.a), (y.a, y.t)
    return torch.stack(rows), torch.stack(columns)
