"""Where the paper disagrees with itself, its sources or arithmetic, and what each bears on."""

from dataclasses import dataclass

TABLE_1, TABLE_2, TABLE_3, TABLE_4 = "table 1", "table 2", "table 3", "table 4"
FIGURE_2, FIGURE_6 = "figure 2", "figure 6"
EVERYWHERE = (TABLE_1, TABLE_2, TABLE_4)


@dataclass(frozen=True)
class Inconsistency:
    """One of them.

    Attributes:
        number: Its place in the list, from 1.
        text: What is inconsistent, in our words.
        bears_on: Tables and figures that it touches.
    """

    number: int
    text: str
    bears_on: tuple[str, ...]


_FOUND: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Sections 1.3 and 6.3.1 name and cite Oxford 102 Flowers (102 classes); tables 1 and 4 use"
        " tf_flowers (5 classes), another data set.",
        (TABLE_1, TABLE_4),
    ),
    (
        "cats_vs_dogs is cited as Oxford-IIIT Pet (37 breeds); the TensorFlow set of that name is"
        " Microsoft's Asirra (2 classes).",
        (TABLE_4,),
    ),
    (
        "CIFAR-100 is cited as the AlexNet paper, and the sets are called cifar_100 and food_101,"
        " where TensorFlow Datasets says cifar100 and food101.",
        (TABLE_4,),
    ),
    (
        "ImageNet is described with the 1,000 classes of ILSVRC-2012 and the 14,197,122 images of"
        " all of ImageNet; ILSVRC-2012 trains on 1,281,167.",
        EVERYWHERE,
    ),
    (
        "tf_flowers and cats_vs_dogs have no test split, and the paper defines none.",
        EVERYWHERE,
    ),
    (
        "Every accuracy of table 4 is k/64, which points to one training batch; there is no"
        " interval and no seed. Its 1.0 would be 64 of 64, with a lower bound of 0.944.",
        (TABLE_4, FIGURE_6),
    ),
    (
        "All five numerators over 64 are even: the table says batch 64, its grain is 1/32.",
        (TABLE_4,),
    ),
    (
        "30 iterations of 64 are 1,920 images, more than the 1,880 that dtd has for training, and"
        " the last batch of one pass would hold 24: 0.656 is no k/24.",
        (TABLE_4,),
    ),
    (
        "Table 1 has a finer grain than table 4, though section 6.3.1 says that both experiments"
        " were set up alike: they cannot both be one batch of 64.",
        (TABLE_1, TABLE_4),
    ),
    (
        "Flipping and cropping on tf_flowers is printed as 0.873 in table 1 and as 0.906 in table"
        " 4, where it exceeds the 0.898 that table 1 calls the highest.",
        (TABLE_1, TABLE_4),
    ),
    (
        "Table 1's singles differ by 0.002 at most, and it lacks flipping with color, so what color"
        " adds to flipping cannot be said; figures 2 and 6 print no values, so nothing about batch"
        " 32 can be checked.",
        (TABLE_1, TABLE_4, FIGURE_2, FIGURE_6),
    ),
    (
        "The strength of color distortion is not given; the official notebook has 0.3, and its"
        " color code fails as published.",
        (TABLE_1, FIGURE_2),
    ),
    (
        "Section 6.1.1 starts from a checkpoint that was fine-tuned with 1 % of ImageNet's labels;"
        " section 6.1.2 calls it trained on unlabeled data. ImageNet's classes hold dogs, cats and"
        " flowers, so labels of that kind are in it.",
        EVERYWHERE,
    ),
    (
        "'Fine-tuning' is a linear head on frozen features here; SimCLR's tunes all weights for"
        " 20,000 steps, which section 6.3.3 quotes as 200,000.",
        (TABLE_1, TABLE_4),
    ),
    (
        "Accuracy on augmented batches and on clean images are not told apart; one expects stronger"
        " augmentation to lower the former, and table 1 rises.",
        (TABLE_1, FIGURE_2),
    ),
    (
        "The claim about the number of classes rests on five data sets: even a perfect order has an"
        " exact two-sided p of 2/120.",
        (TABLE_4, FIGURE_6),
    ),
    (
        "A fixed number of iterations fixes the examples in all, so those per class fall with the"
        " number of classes; chance level, resolution, label noise and likeness to ImageNet differ"
        " between the sets too.",
        (TABLE_4, FIGURE_6),
    ),
    (
        "Learning rate, schedule and head are the same for 2 and for 101 classes, and 30 steps do"
        " not converge; SimCLR's own linear classifiers reach 0.684 with 101 classes and 0.912 with"
        " 102.",
        (TABLE_4, FIGURE_6),
    ),
    (
        "At equal iterations batch 64 sees twice the images of batch 32, and the grain of the"
        " metric changes with the batch.",
        (TABLE_4, FIGURE_6),
    ),
    (
        "The gap of 0.06 between the students is not significant at 5 % below about 460 examples"
        " each, and stopping at the best epoch raises both.",
        (TABLE_2,),
    ),
    (
        "'The same architecture' also means a better base, other features and perhaps another input"
        " range; neither student is smaller than the teacher, and their convolutions are frozen, so"
        " only dense layers learn from it.",
        (TABLE_2,),
    ),
    (
        "MoCo's size is given as about 400 million parameters; the SimCLR paper that is cited for"
        " it lists 375 million, for ResNet-50 (4x).",
        (TABLE_2,),
    ),
    (
        "Table 3 leaves out optimizer, schedule, batch size, dense widths and the students'"
        " weights. With the notebook's LARS a step would be about 0.00001 of the weights, or up to"
        " ten times that with momentum.",
        (TABLE_2, TABLE_3),
    ),
    (
        "The teacher's own accuracy is not reported, so neither agreement with it nor accuracy on"
        " labels has a ceiling.",
        (TABLE_2,),
    ),
    (
        "Section 6.3.1 speaks of a TPU; the official notebooks do not use one, so the memory that"
        " ends at batch 64 is probably the host's.",
        (TABLE_4, FIGURE_6),
    ),
)

INCONSISTENCIES = tuple(
    Inconsistency(number, text, bears_on) for number, (text, bears_on) in enumerate(_FOUND, 1)
)


def bearing_on(what: str) -> list[str]:
    """The inconsistencies that touch a table or a figure ("table 4"), numbered."""
    return [f"{each.number}. {each.text}" for each in INCONSISTENCIES if what in each.bears_on]
