"""The passes over tiles of pairs of `gpu.angle_contrast`: what runs on the GPU.

u (d x b) and w (d x n) are directions of rows and columns, sides (4 x b, 4 x n) sn and cs of their
radii as sums of two numbers; positive and negative are bytes (b x n). `rows` (4 x b) holds first
the losses, then the shares of rows; log-sums over negatives; what each row's positives pull in
all; and how many positives there are, or the log-sum of their probabilities where INSIDE.
"""

import torch
import triton
import triton.language as tl

from hiertools.geometry import polar
from hiertools.kernels.gpu.differences import of_tile
from hiertools.kernels.gpu.inverse import direction, log1p
from hiertools.kernels.gpu.tuning import Entry, tuned

NOISE = tl.constexpr((polar.NOISE * torch.finfo(torch.float32).eps) ** 2)
LOWEST = tl.constexpr(-3.0e38)
TABLE = [
    Entry({"BN": 32, "BM": 64}),
    Entry({"BN": 16, "BM": 64}),
    Entry({"BN": 64, "BM": 64}, warps=8),
]
PULLS = [Entry({"BN": 32, "BM": 32}), Entry({"BN": 16, "BM": 64}), Entry({"BN": 64, "BM": 16})]


@triton.jit  # type: ignore[untyped-decorator]
def _side(sides, places, n):  # type: ignore[no-untyped-def]
    """Return sn, what it lacks, cs and what it lacks, of some points."""
    there = places < n
    a = tl.load(sides + places, mask=there, other=1.0)
    a_rest = tl.load(sides + n + places, mask=there, other=0.0)
    t = tl.load(sides + 2 * n + places, mask=there, other=1.0)
    t_rest = tl.load(sides + 3 * n + places, mask=there, other=0.0)
    return a, a_rest, t, t_rest


@triton.jit  # type: ignore[untyped-decorator]
def _angles(  # type: ignore[no-untyped-def]
    u, w, x_sides, y_sides, rows, columns, b, n, d, GEOMETRY: tl.constexpr,
    BN: tl.constexpr, BM: tl.constexpr,
):  # fmt: skip
    """Return rise and run of the angles, both over the sum of sn, outward, versine and sine^2."""
    minus, plus = of_tile(u, w, rows, columns, b, n, d, BN, BM)
    p, p_rest, t, t_rest = _side(x_sides, rows, b)
    q, q_rest, s, s_rest = _side(y_sides, columns, n)
    gap = (q[None, :] - p[:, None]) + (q_rest[None, :] - p_rest[:, None])
    outward = gap
    if GEOMETRY == 0:
        product = p[:, None] * q[None, :]
        both = 1 + p[:, None] * p[:, None] + q[None, :] * q[None, :]
        outward = gap * (1 + both / (t[:, None] * s[None, :] + product))
        outward /= t[:, None] + s[None, :]
    elif GEOMETRY == 2:
        other = (s[None, :] - t[:, None]) + (s_rest[None, :] - t_rest[:, None])
        outward = gap * t[:, None] - p[:, None] * other
    total = p[:, None] + q[None, :]
    total = tl.where(total == 0, 1.0, total)
    squared = minus * plus / 4
    sine = squared / tl.sqrt_rn(tl.maximum(squared, NOISE))
    rise = q[None, :] * sine / total
    run = (outward - t[:, None] * q[None, :] * minus / 2) / total
    return rise, run, outward, minus / 2, squared


@triton.jit  # type: ignore[untyped-decorator]
def _logits(rise, run, p, tau, INWARD: tl.constexpr):  # type: ignore[no-untyped-def]
    angle = tl.where((p == 0)[:, None], 1.5707963267948966, direction(rise, run))
    logits = angle / tau if INWARD else (3.141592653589793 - angle) / tau
    return logits


@triton.jit  # type: ignore[untyped-decorator]
def _mask(mask, rows, columns, b, n):  # type: ignore[no-untyped-def]
    inside = (rows < b)[:, None] & (columns < n)[None, :]
    return tl.load(mask + rows[:, None] * n + columns[None, :], mask=inside, other=0) != 0


@tuned(TABLE, key=["d", "GEOMETRY"])
@triton.jit  # type: ignore[untyped-decorator]
def add_up(  # type: ignore[no-untyped-def]
    u, w, x_sides, y_sides, positive, negative, taus, b, n, d, found,
    GEOMETRY: tl.constexpr, INWARD: tl.constexpr, INSIDE: tl.constexpr,
    BN: tl.constexpr, BM: tl.constexpr,
):  # fmt: skip
    """Write losses, log-sums, pulls and counts of rows."""
    rows = tl.program_id(0).to(tl.int64) * BN + tl.arange(0, BN)
    tau = tl.load(taus)
    p = tl.load(x_sides + rows, mask=rows < b, other=1.0)
    highest, total = tl.full([BN], LOWEST, tl.float32), tl.zeros([BN], tl.float32)
    for start in range(0, n, BM):
        columns = start + tl.arange(0, BM).to(tl.int64)
        rise, run, _, _, _ = _angles(
            u, w, x_sides, y_sides, rows, columns, b, n, d, GEOMETRY, BN, BM
        )  # fmt: skip
        repels = _mask(negative, rows, columns, b, n)
        scores = tl.where(repels, _logits(rise, run, p, tau, INWARD), -float("inf"))
        higher = tl.maximum(highest, tl.max(scores, 1))
        terms = tl.exp(scores - higher[:, None])
        total = total * tl.exp(highest - higher) + tl.sum(terms, 1)
        highest = higher
    held = tl.where(total == 0, 1.0, total)
    repelled = tl.where(total == 0, LOWEST, highest + tl.log(held))
    best, summed = tl.full([BN], LOWEST, tl.float32), tl.zeros([BN], tl.float32)
    losses, pulls = tl.zeros([BN], tl.float32), tl.zeros([BN], tl.float32)
    count = tl.zeros([BN], tl.float32)
    for start in range(0, n, BM):
        columns = start + tl.arange(0, BM).to(tl.int64)
        rise, run, _, _, _ = _angles(
            u, w, x_sides, y_sides, rows, columns, b, n, d, GEOMETRY, BN, BM
        )  # fmt: skip
        attracts = _mask(positive, rows, columns, b, n)
        apart = _logits(rise, run, p, tau, INWARD) - repelled[:, None]
        log_p = tl.minimum(apart, 0.0) - log1p(tl.exp(-tl.abs(apart)))
        rest = 1 / (1 + tl.exp(apart))
        count += tl.sum(tl.where(attracts, 1.0, 0.0), 1)
        if INSIDE:
            higher = tl.maximum(best, tl.max(tl.where(attracts, log_p, LOWEST), 1))
            part = tl.where(attracts, tl.exp(log_p - higher[:, None]), 0.0)
            summed = summed * tl.exp(best - higher) + tl.sum(part, 1)
            pulls = pulls * tl.exp(best - higher) + tl.sum(part * rest, 1)
            best = higher
        else:
            losses -= tl.sum(tl.where(attracts, log_p, 0.0), 1)
            pulls += tl.sum(tl.where(attracts, rest, 0.0), 1)
    known = tl.maximum(count, 1.0)
    if INSIDE:
        held = tl.where(summed == 0, 1.0, summed)
        inside = best + tl.log(held)
        losses = tl.where(count > 0, tl.log(known) - inside, 0.0)
        pulls /= held
    else:
        inside = known
        losses /= known
        pulls /= known
    tl.store(found + rows, losses, mask=rows < b)
    tl.store(found + b + rows, repelled, mask=rows < b)
    tl.store(found + 2 * b + rows, pulls, mask=rows < b)
    tl.store(found + 3 * b + rows, inside, mask=rows < b)


@triton.jit  # type: ignore[untyped-decorator]
def _of_logits(  # type: ignore[no-untyped-def]
    logits, positive, negative, found, rows, columns, b, n, INSIDE: tl.constexpr
):
    """Return the slopes of the sum by the logits."""
    share = tl.load(found + rows, mask=rows < b, other=0.0)[:, None]
    repelled = tl.load(found + b + rows, mask=rows < b, other=0.0)[:, None]
    pulls = tl.load(found + 2 * b + rows, mask=rows < b, other=0.0)[:, None]
    inside = tl.load(found + 3 * b + rows, mask=rows < b, other=1.0)[:, None]
    apart = logits - repelled
    rest = 1 / (1 + tl.exp(apart))
    if INSIDE:
        log_p = tl.minimum(apart, 0.0) - log1p(tl.exp(-tl.abs(apart)))
        attract = tl.exp(log_p - inside) * rest
    else:
        attract = rest / inside
    attract = tl.where(_mask(positive, rows, columns, b, n), attract, 0.0)
    repels = _mask(negative, rows, columns, b, n)
    repel = tl.where(repels, tl.exp(tl.where(repels, apart, 0.0)) * pulls, 0.0)
    return share * (repel - attract)


@tuned(PULLS, key=["d", "GEOMETRY", "OWN"], added_to=["of_u"])
@triton.jit  # type: ignore[untyped-decorator]
def pull(  # type: ignore[no-untyped-def]
    u, w, x_sides, y_sides, positive, negative, taus, b, n, d, found, of_u, of_sides,
    OWN: tl.constexpr, GEOMETRY: tl.constexpr, INWARD: tl.constexpr, INSIDE: tl.constexpr,
    BN: tl.constexpr, BM: tl.constexpr,
):  # fmt: skip
    """Write the gradients by directions, sn, cs and tau of rows (OWN is 0) or of columns (1)."""
    first = tl.program_id(0).to(tl.int64)
    tau = tl.load(taus)
    if OWN == 0:
        own, own_count, others, step = first * BN + tl.arange(0, BN), b, n, BM
    else:
        own, own_count, others, step = first * BM + tl.arange(0, BM), n, b, BN
    of_a, of_t = tl.zeros(own.shape, tl.float32), tl.zeros(own.shape, tl.float32)
    of_tau = tl.zeros(own.shape, tl.float32)
    for start in range(0, others, step):
        if OWN == 0:
            rows, columns = own, start + tl.arange(0, BM).to(tl.int64)
        else:
            rows, columns = start + tl.arange(0, BN).to(tl.int64), own
        rise, run, outward, versine, squared = _angles(
            u, w, x_sides, y_sides, rows, columns, b, n, d, GEOMETRY, BN, BM
        )  # fmt: skip
        p, _, t, _ = _side(x_sides, rows, b)
        q, _, s, _ = _side(y_sides, columns, n)
        p, t, q, s = p[:, None], t[:, None], q[None, :], s[None, :]
        logits = _logits(rise, run, tl.max(p, 1), tau, INWARD)
        slopes = _of_logits(logits, positive, negative, found, rows, columns, b, n, INSIDE)
        of_tau -= tl.sum(slopes * logits, 1 - OWN) / tau
        if not INWARD:
            slopes = -slopes
        size = rise * rise + run * run
        defined = (size > 0) & (p > 0)
        total = tl.where(p + q == 0, 1.0, p + q)
        slopes = tl.where(defined, slopes / (tau * total * tl.where(defined, size, 1.0)), 0.0)
        of_rise, of_run = slopes * run, -slopes * rise
        cosine = 1 - versine
        inverse = 1 / tl.sqrt_rn(tl.maximum(squared, NOISE))
        if OWN == 0:
            if GEOMETRY == 0:
                slope = -(tl.sqrt_rn(1 + outward * outward) + p * q * versine) / t
            elif GEOMETRY == 1:
                slope = -1.0
            else:
                slope = -s
                of_t += tl.sum(of_run * q * cosine, 1)
            of_a += tl.sum(of_run * slope, 1)
        else:
            if GEOMETRY == 0:
                slope = tl.sqrt_rn(1 + outward * outward) / s - t * versine
            else:
                slope = t * cosine
            if GEOMETRY == 2:
                of_t -= tl.sum(of_run * p, 0)
            of_a += tl.sum(of_rise * squared * inverse + of_run * slope, 0)
        of_sine = cosine * inverse * tl.where(squared < NOISE, 2.0, 1.0)
        of_versine = (of_rise * of_sine - of_run * t) * q
        for k in range(d):
            one = tl.load(u + k * b + rows, mask=rows < b, other=0.0)[:, None]
            other = tl.load(w + k * n + columns, mask=columns < n, other=0.0)[None, :]
            across = of_versine * (one - other)
            place = of_u + k * own_count + own
            before = tl.load(place, mask=own < own_count, other=0.0)
            if OWN == 0:
                before += tl.sum(across, 1)
            else:
                before -= tl.sum(across, 0)
            tl.store(place, before, mask=own < own_count)
        tl.debug_barrier()  # what was added is read again for the next tile
    tl.store(of_sides + own, of_a, mask=own < own_count)
    tl.store(of_sides + own_count + own, of_t, mask=own < own_count)
    tl.store(of_sides + 2 * own_count + own, of_tau, mask=own < own_count)
