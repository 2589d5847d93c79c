"""The five data sets of the paper's Table 4: where they are, and what must be in them.

Sizes and hashes are those of TensorFlow Datasets, which the paper's loader is: url_checksums and
checksums.tsv of https://github.com/tensorflow/datasets. MD5s are the publishers' own
(https://www.cs.toronto.edu/~kriz/cifar.html), torchvision's (its classes DTD and Food101), and for
the flowers that in the tests of https://github.com/tensorflow/examples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from simclr_bench.datasets import classes
from simclr_bench.storage.cache import cache_directory

# cats_vs_dogs leaves out every file without this mark among its first bytes. TensorFlow Datasets
# peeks 10 into a member of the zip file, for which Python gives up to 512; into an open file it
# gives thousands, and Keras's example drops 1,590 instead of 1,738.
JFIF_MARK = b"JFIF"
JFIF_WINDOW = 512


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A file that a data set is distributed as.

    Attributes:
        name: Its file name.
        urls: Where it is, to be tried in this order.
        size: Bytes.
        sha256: In hex; None where nobody trustworthy publishes one.
        md5: In hex, if known.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None
    sha256: str | None
    md5: str | None = None

    @property
    def path(self) -> Path:
        """Where `data fetch` puts it."""
        return downloads_directory() / self.name


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set.

    Attributes:
        name: Its name in the paper's tables.
        title: Its full name.
        homepage: Where its authors describe it.
        licence: What may be done with it, and who says so.
        citation: Its paper.
        archives: What it is distributed as: first what TensorFlow Datasets downloaded in 2021, then
            later builds of the same files.
        layout: What an archive holds.
        classes: Names in the label order of TensorFlow Datasets.
        counts: Split as distributed, "all" where there is one alone, to images of each class in
            label order.
        dropped: Images of these that TensorFlow Datasets leaves out, whatever their class.
        heldout: The split that is held out, or "" where one is drawn.
        heldout_fraction: Share of each class that is drawn then.
        decoded_bytes: About how large the decoded images are at most: their number times the
            largest usual frame.
    """

    name: str
    title: str
    homepage: str
    licence: str
    citation: str
    archives: tuple[Archive, ...]
    layout: str
    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    dropped: int = 0
    heldout: str
    heldout_fraction: float | None
    decoded_bytes: int | None

    @property
    def images(self) -> int:
        """Images in all splits, once what is dropped is dropped."""
        return sum(map(sum, self.counts.values())) - self.dropped


def downloads_directory() -> Path:
    """Where archives are kept."""
    return cache_directory() / "downloads"


_MICROSOFT = "https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F"

_CATS_VS_DOGS = Dataset(
    name="cats_vs_dogs",
    title="Asirra cats and dogs (PetImages)",
    homepage="https://www.microsoft.com/en-us/download/details.aspx?id=54765",
    licence="non-commercial research; not to be published again without Microsoft Research's"
    " permission (https://www.kaggle.com/c/dogs-vs-cats/rules)",
    citation="Elson, Douceur, Howell, Saul: Asirra, a CAPTCHA that exploits interest-aligned manual"
    " image categorization, CCS 2007",
    archives=(
        Archive(
            name="kagglecatsanddogs_3367a.zip",
            urls=(f"{_MICROSOFT}/kagglecatsanddogs_3367a.zip",),
            size=824_894_548,
            sha256="f9553e426bd725354ed3a27e3c6920caadb55c835d1ebd880d2e56d3f1fbb22b",
        ),
        Archive(
            name="kagglecatsanddogs_5340.zip",
            urls=(f"{_MICROSOFT}/kagglecatsanddogs_5340.zip",),
            size=824_887_076,
            sha256="b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9",
        ),
    ),
    layout="PetImages/Cat/0.jpg to 12499.jpg, and PetImages/Dog alike. Files without JFIF in their"
    f" first {JFIF_WINDOW} bytes are left out: 1,738",
    classes=("cat", "dog"),
    counts={"all": (12_500, 12_500)},
    dropped=1_738,
    heldout="",
    heldout_fraction=0.2,
    decoded_bytes=23_262 * 500 * 500 * 3,
)

_TF_FLOWERS = Dataset(
    name="tf_flowers",
    title="TensorFlow flower photos (not Oxford's 102 flowers)",
    homepage="https://www.tensorflow.org/datasets/catalog/tf_flowers",
    licence="CC BY 2.0, photographers named in the archive's LICENSE.txt",
    citation="The TensorFlow Team: Flowers, 2019",
    archives=(
        Archive(
            name="flower_photos.tgz",
            urls=(
                "https://storage.googleapis.com/download.tensorflow.org/example_images/"
                "flower_photos.tgz",
                "http://download.tensorflow.org/example_images/flower_photos.tgz",
            ),
            size=228_813_984,
            sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
            md5="6f87fb78e9cc9ab41eff2015b380011d",
        ),
    ),
    layout="flower_photos/CLASS/*.jpg; labels in the order below, which is not alphabetical",
    classes=("dandelion", "daisy", "tulips", "sunflowers", "roses"),
    counts={"all": (898, 633, 799, 699, 641)},
    heldout="",
    heldout_fraction=0.2,
    decoded_bytes=3_670 * 500 * 500 * 3,
)

_DTD = Dataset(
    name="dtd",
    title="Describable Textures Dataset, release 1.0.1, split 1 of 10",
    homepage="https://www.robots.ox.ac.uk/~vgg/data/dtd/",
    licence="for research purposes (https://www.robots.ox.ac.uk/~vgg/data/dtd/)",
    citation="Cimpoi, Maji, Kokkinos, Mohamed, Vedaldi: Describing textures in the wild, CVPR 2014",
    archives=(
        Archive(
            name="dtd-r1.0.1.tar.gz",
            urls=(
                "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz",
                "https://thor.robots.ox.ac.uk/dtd/dtd-r1.0.1.tar.gz",
            ),
            size=625_239_812,
            sha256="e42855a52a4950a3b59612834602aa253914755c95b0cff9ead6d07395f8e205",
            md5="fff73e5086ae6bdbea199a49dfb8a4c1",
        ),
    ),
    layout="dtd/images/CLASS/CLASS_NNNN.jpg, and dtd/labels/{train,val,test}1.txt",
    classes=classes.DTD,
    counts={"train": (40,) * 47, "validation": (40,) * 47, "test": (40,) * 47},
    heldout="test",
    heldout_fraction=None,
    decoded_bytes=5_640 * 640 * 640 * 3,
)

_CIFAR_100 = Dataset(
    name="cifar_100",
    title="CIFAR-100, fine labels",
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    licence="none stated; its authors ask to be cited (https://www.cs.toronto.edu/~kriz/cifar.html)",
    citation="Krizhevsky: Learning multiple layers of features from tiny images, 2009",
    archives=(
        Archive(
            name="cifar-100-binary.tar.gz",
            urls=(
                "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
                "https://cave.cs.toronto.edu/kriz/cifar-100-binary.tar.gz",
            ),
            size=168_513_733,
            sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            md5="03b5dce01913d631647c71ecec9e9cb8",
        ),
    ),
    layout="cifar-100-binary/{train,test}.bin: records of a coarse label, a fine label and 3,072"
    " bytes, [3, 32, 32]",
    classes=classes.CIFAR_100,
    counts={"train": (500,) * 100, "test": (100,) * 100},
    heldout="test",
    heldout_fraction=None,
    decoded_bytes=60_000 * 32 * 32 * 3,
)

_FOOD_101 = Dataset(
    name="food_101",
    title="Food-101",
    homepage="https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
    licence="the images are Foodspotting's users'; beyond scientific fair use, ask their owners"
    " (license_agreement.txt in the archive)",
    citation="Bossard, Guillaumin, Van Gool: Food-101, mining discriminative components with random"
    " forests, ECCV 2014",
    archives=(
        Archive(
            name="food-101.tar.gz",
            urls=(
                "https://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
                "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
            ),
            size=4_996_278_331,
            sha256="d97d15e438b7f4498f96086a4f7e2fa42a32f2712e87d3295441b2b6314053a4",
            md5="85eeb15f3717b99a5da872d97d918f87",
        ),
    ),
    layout="food-101/images/CLASS/ID.jpg, and food-101/meta/{classes,train,test}.txt",
    classes=classes.FOOD_101,
    counts={"train": (750,) * 101, "test": (250,) * 101},
    heldout="test",
    heldout_fraction=None,
    decoded_bytes=101_000 * 512 * 512 * 3,
)

DATASETS = {
    dataset.name: dataset for dataset in (_CATS_VS_DOGS, _TF_FLOWERS, _DTD, _CIFAR_100, _FOOD_101)
}
