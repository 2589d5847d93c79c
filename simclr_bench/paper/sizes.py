"""How many examples can have been scored, per data set: what a printed accuracy may count."""

# Images of the data sets' splits as TensorFlow Datasets had them in 2021. tf_flowers and
# cats_vs_dogs have a training split alone.
# Source: https://www.tensorflow.org/datasets/catalog
TRAINING = {
    "cats_vs_dogs": 23_262,
    "tf_flowers": 3_670,
    "dtd": 1_880,
    "cifar_100": 50_000,
    "food_101": 75_750,
}
TEST = {"dtd": 1_880, "cifar_100": 10_000, "food_101": 25_250}

ONE_BATCH = (32, 64, 128, 256)
ITERATIONS = 30


def sizes_of(dataset: str) -> dict[str, int]:
    """What may have been scored on a data set -> its number of examples.

    Named alike for all data sets, so that a reading of a whole column can be found.
    """
    training = TRAINING[dataset]
    sizes = {f"one batch of {n}": n for n in ONE_BATCH}
    sizes |= {f"{ITERATIONS} batches of {n}": ITERATIONS * n for n in (64, 32)}
    sizes |= {
        "the training split": training,
        "a fifth of the training split, held out": training // 5,
    }
    if dataset in TEST:
        sizes["the official test split"] = TEST[dataset]
    return sizes
