"""The split of sets that come without one."""

import hashlib

from simclr_bench.datasets.split import hash_split

IDS = [f"class{label}/{number}.jpg" for label in range(3) for number in range(10 + 5 * label)]
LABELS = [int(name[5]) for name in IDS]


def test_a_fifth_of_each_class_is_held_out_those_first_by_hash() -> None:
    heldout = hash_split("flowers", IDS, LABELS, 0.2)
    for label, wanted in ((0, 2), (1, 3), (2, 4)):
        names = [name for name, of in zip(IDS, LABELS, strict=True) if of == label]
        names.sort(key=lambda name: hashlib.sha256(b"flowers\0" + name.encode()).digest())
        held = [n for n, h in zip(IDS, heldout, strict=True) if h and n in names]
        assert sorted(held) == sorted(names[:wanted])


def test_the_order_of_the_images_has_no_say() -> None:
    one = dict(zip(IDS, hash_split("flowers", IDS, LABELS, 0.2), strict=True))
    turned = hash_split("flowers", IDS[::-1], LABELS[::-1], 0.2)
    assert one == dict(zip(IDS[::-1], turned, strict=True))
    assert one != dict(zip(IDS, hash_split("cats", IDS, LABELS, 0.2), strict=True))


def test_both_sides_get_an_image_of_a_small_class() -> None:
    assert sorted(hash_split("x", ["a", "b"], [0, 0], 0.2)) == [False, True]
    assert sorted(hash_split("x", ["a", "b"], [0, 0], 0.9)) == [False, True]
