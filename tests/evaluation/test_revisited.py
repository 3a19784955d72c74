"""The protocol of Revisited Oxford and Paris: by hand on twenty images, and by a plain loop."""

import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.evaluation import revisited
from hiertools.files.ground_truth import GroundTruth, Judged

IMAGES = [f"image{n:02}" for n in range(20)]


def judged(easy=(), hard=(), junk=()):
    return Judged(*(np.array(places, np.int64) for places in (easy, hard, junk)))


TRUTH = GroundTruth(
    IMAGES, ["one", "two"], [judged([0, 5], [2, 9], [1, 7]), judged([], [3, 4], [])]
)


def values(truth, rankings, ks=(1, 5, 10)):
    found = revisited.columns(truth, revisited.places_of(truth, rankings, "r"), ks=ks)
    return {column.label: column.values.tolist() for column in found}


def test_twenty_images_by_hand():
    """Images in their own order for the first query, the other way round for the second."""
    found = values(TRUTH, {"one": IMAGES, "two": IMAGES[::-1]})
    # easy: without 1, 7 (junk) and 2, 9 (hard), 0 and 5 have the ranks 0 and 3
    assert found["map@easy"][0] == pytest.approx((1 + (1 / 3 + 2 / 4) / 2) / 2)
    assert found["mp@1@easy"][0] == 1
    assert found["mp@5@easy"][0] == 2 / 4  # up to the last positive
    # medium: without 1 and 7, the four 0, 2, 5, 9 have the ranks 0, 1, 4, 7
    ap = (1 + 1 + (2 / 4 + 3 / 5) / 2 + (3 / 7 + 4 / 8) / 2) / 4
    assert found["map@medium"][0] == pytest.approx(ap)
    assert found["mp@5@medium"][0] == 3 / 5
    assert found["mp@10@medium"][0] == 4 / 8
    # hard: without 1, 7 and 0, 5, the two 2 and 9 have the ranks 0 and 5
    assert found["map@hard"][0] == pytest.approx((1 + (1 / 5 + 2 / 6) / 2) / 2)
    # the second query has no easy one; 4 and 3 are at ranks 15 and 16 of all
    assert np.isnan(found["map@easy"][1])
    ap = ((0 + 1 / 16) / 2 + (1 / 16 + 2 / 17) / 2) / 2
    assert found["map@hard"][1] == found["map@medium"][1] == pytest.approx(ap)


def plain(truth, rankings, setup, ks):
    """Return mAP and mP@k as the published evaluation works them out, image by image."""
    precisions, found = [], []
    for case, query in zip(truth.judged, truth.queries, strict=True):
        right = {*case.easy.tolist()} if setup == "easy" else {*case.hard.tolist()}
        right |= {*case.easy.tolist()} if setup == "medium" else set()
        ignored = {*case.junk.tolist()}
        ignored |= {"easy": {*case.hard.tolist()}, "hard": {*case.easy.tolist()}}.get(setup, set())
        if not right:
            continue
        seen, positions = 0, []
        for key in rankings[query]:
            place = truth.images.index(key)
            if place in ignored:
                continue
            if place in right:
                positions.append(seen)
            seen += 1
        ap, step = 0.0, 1 / len(right)
        for j, rank in enumerate(positions):
            before = 1.0 if rank == 0 else j / rank
            ap += (before + (j + 1) / (rank + 1)) * step / 2
        precisions.append(ap)
        last = max(positions) + 1
        found.append([sum(p + 1 <= min(last, k) for p in positions) / min(last, k) for k in ks])
    return np.mean(precisions), np.mean(found, axis=0)


@pytest.mark.parametrize("seed", range(5))
def test_values_are_those_of_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    cases = [np.split(rng.permutation(20)[:12], sorted(rng.integers(0, 12, 2))) for _ in range(6)]
    names = [f"q{n}" for n in range(6)]
    truth = GroundTruth(IMAGES, names, [judged(*case) for case in cases])
    rankings = {name: [IMAGES[i] for i in rng.permutation(20)] for name in names}
    found = values(truth, rankings)
    for setup in revisited.SETUPS:
        ap, precisions = plain(truth, rankings, setup, (1, 5, 10))
        assert np.nanmean(found[f"map@{setup}"]) == pytest.approx(ap)
        for k, value in zip((1, 5, 10), precisions, strict=True):
            assert np.nanmean(found[f"mp@{k}@{setup}"]) == pytest.approx(value)


def test_perfect_rankings_have_one_and_reversed_ones_little():
    order = [0, 5, 2, 9, *(n for n in range(20) if n not in (0, 5, 2, 9))]
    best = {"one": [IMAGES[i] for i in order], "two": [IMAGES[3], IMAGES[4], *IMAGES[:3]]}
    assert np.nanmin([np.nanmin(each) for each in values(TRUTH, best).values()]) == 1
    worst = {"one": best["one"][::-1], "two": [*IMAGES[5:], IMAGES[4], IMAGES[3]]}
    assert values(TRUTH, worst)["mp@10@medium"] == [0, 0]


def test_a_distractor_is_wrong_and_what_was_not_found_is_missing():
    found = values(TRUTH, {"one": ["elsewhere", "image00"], "two": []})
    assert found["map@easy"][0] == pytest.approx(0.25 / 2)
    assert found["map@hard"] == [0, 0]


def test_every_query_needs_a_ranking_and_some_hit_must_be_known():
    with pytest.raises(UserError, match=r"no ranking of 1 of the 2 .*'two'"):
        values(TRUTH, {"one": IMAGES})
    with pytest.raises(UserError, match="no hit is an image of the truth"):
        values(TRUTH, {"one": ["jpg/image00"], "two": []})
