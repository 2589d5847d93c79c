"""What the text claims: each claim with its sentence, its section and the statement it makes.

A claim stands with the table that bears on it most.
"""

from .spec import Above, Claim, Compared, Equal, Falling, Ordered, Untestable

SINGLES = ("Cropping only", "Flipping only", "Color distortion only")
PAIRS = ("Cropping + Color distortion", "Flipping + Cropping")
BY_CLASSES = ("cats_vs_dogs", "tf_flowers", "dtd", "cifar_100", "food_101")

# Parameters as torchvision publishes them for its ImageNet classifiers. The teacher's encoder is a
# ResNet-50 too; SimCLR's head is left out.
# Source: https://pytorch.org/vision/stable/models.html
PARAMETERS = {
    "teacher ResNet50": 25_557_032,
    "student VGG16": 138_357_544,
    "student ResNet50": 25_557_032,
}

CLAIMS_1 = (
    Claim(
        id="singles-equal",
        sentence="with individual operations, such as cropping, flipping, or color distortion, the"
        " accuracy is about the same when each operation is applied separately",
        source="section 6.1.3",
        statement=Equal(SINGLES),
    ),
    Claim(
        id="pairs-beat-singles",
        sentence="with a combination of two or more operations, the accuracy improves",
        source="section 6.1.3",
        statement=Above((*PAIRS, "All"), SINGLES),
    ),
    Claim(
        id="all-is-best",
        sentence="the accuracy is highest when all operations mentioned above are applied",
        source="section 6.1.3",
        statement=Above(("All",), (*SINGLES, *PAIRS, "None")),
    ),
    Claim(
        id="none-is-worst",
        sentence="the accuracy is worst when no operation is used",
        source="section 6.1.3",
        statement=Above((*SINGLES, *PAIRS, "All"), ("None",)),
    ),
    Claim(
        id="crop-color-is-best-pair",
        sentence="[5] shows that with this combination, in order, the model learns the best"
        " representation of the unlabeled data. In this experiment, we see that it is also"
        " applicable for the fine-tuning process",
        source="section 6.1.3; 'this combination' is cropping then color (section 3.2.1)",
        statement=Above(("Cropping + Color distortion",), ("Flipping + Cropping",)),
    ),
    Claim(
        id="trend-in-figure-2",
        sentence="This trend is recorded in table 1 and figure 2",
        source="section 6.1.3",
        statement=Untestable(
            "the bars of figure 2 carry no values; whether they are those of table 1 cannot be read"
        ),
    ),
    Claim(
        id="similar-to-pretraining",
        sentence="SimCLR pre-trained model performs better when the training data set (Flower in"
        " this case) are augmented with similar data augmentation operations that were used for"
        " training the pre-trained model",
        source="section 6.1.2",
        statement=Untestable(
            "a cause: it needs encoders pretrained with other operations, and the paper has one"
        ),
    ),
    Claim(
        id="bigger-models-gain-more",
        sentence="bigger models yield larger gains when fine-tuning with fewer label examples",
        source="section 7.1",
        statement=Untestable(
            "a finding of another paper, quoted; one size of encoder is used here, and never fewer"
            " labels"
        ),
    ),
)

CLAIMS_2 = (
    Claim(
        id="same-architecture-wins",
        sentence="With teacher and student have the same architecture (ResNet50), the result is"
        " better than when teacher and student have different architecture",
        source="section 6.2.3",
        statement=Above(("ResNet50",), ("VGG16",)),
    ),
    Claim(
        id="student-is-smaller",
        sentence="student has better performance when it has the same architecture (but with much"
        " smaller size) with its teacher",
        source="section 6.2.2",
        statement=Compared(
            on="parameters",
            statement=Above(("teacher ResNet50",), ("student VGG16", "student ResNet50")),
            what="parameter counts of the paper's teacher and students",
        ),
    ),
    Claim(
        id="best-epoch-beats-last",
        sentence="we had to stop the training when it reaches the best accuracy",
        source="section 6.2.3",
        statement=Compared(
            on="epochs",
            statement=Above(("best epoch",), ("last epoch",)),
            what="accuracy at the best epoch, chosen on other images than it is scored on, and at"
            " the last epoch of the same runs",
        ),
    ),
    Claim(
        id="easier-to-learn-from-the-same",
        sentence="it is easier for student to learn from teacher with the same architecture",
        source="section 6.2.3",
        statement=Untestable(
            "a cause: two students cannot separate the same architecture from a better base"
        ),
    ),
    Claim(
        id="moco-has-400-million",
        sentence="MoCo has about 400 millions parameters",
        source="section 6.2",
        statement=Untestable(
            "about another paper's model, and not run here; the SimCLR paper lists MoCo on"
            " ResNet-50 (4x) with 375 million"
        ),
    ),
)

CLAIMS_4 = (
    Claim(
        id="fewer-classes-higher-accuracy",
        sentence="the number of classes is inversely correlated with final transfer accuracy after"
        " fine-tuning",
        source="section 6.3.3",
        statement=Ordered(BY_CLASSES),
    ),
    Claim(
        id="larger-batch-helps",
        sentence="transfer learning using SimCLR model also benefits from larger batch size",
        source="section 6.3.2",
        statement=Compared(
            on="batch size",
            statement=Above(("batch 64",), ("batch 32",)),
            what="mean accuracy over the data sets, at equal iterations, examples and passes",
        ),
    ),
    Claim(
        id="many-classes-gain-more-from-batch",
        sentence="datasets with more number of classes do benefit from larger batch size",
        source="section 6.3.3, figure 6",
        statement=Compared(
            on="batch size",
            statement=Falling(BY_CLASSES[::-1]),
            what="gain in accuracy from batch 32 to 64, at equal iterations, examples and passes",
        ),
    ),
    Claim(
        id="memory-stops-above-64",
        sentence="we could not train the data with batch size larger than 64 without running into"
        " memory error",
        source="section 6.3.3",
        statement=Untestable(
            "the authors' Colab runtime of 2021 is gone, and its memory is not stated"
        ),
    ),
    Claim(
        id="augmented-classes-blur",
        sentence="With a large number of classes, the augmented images among different classes"
        " might not be easily distinguished any more",
        source="section 6.3.3",
        statement=Untestable("offered as a possible reason; no measurement of it is described"),
    ),
    Claim(
        id="simclr-reports-higher",
        sentence="we are not able to reproduce the higher accuracy quoted in SimCLR paper, which"
        " ran transfer learning with batch size = 256 for 200,000 steps for each dataset",
        source="section 6.3.3",
        statement=Untestable(
            "needs the official data and weights, and all weights trained; SimCLR's Table B.5"
            " stands beside table 4. (SimCLR states 20,000 steps.)"
        ),
    ),
)
