"""The embedded image sets, described: how their classes are related, how many images, how shown.

Each set has the class count of the one whose name it bears, and a disposition of its own, fixed
before any claim of the paper was looked at (only probes trained to convergence were):

    cats_vs_dogs   2 close relatives
    tf_flowers     5 loose relatives
    dtd            47 textures without a figure
    cifar_100      20 families of 5; a third of the resolution, half of the encoder's input
    food_101       101 loose relatives under heavy clutter and light

Numbers only: what a plan needs is known here without drawing a picture (data/embedded.py does).
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scene:
    """How recipes are shown: the nuisance ranges of one image set."""

    native: int = 48  # side of the picture in pixels
    shrink: int = 1  # area-averaging factor after rendering: side of the image = native / shrink
    figure: bool = True  # False: the ground alone, a texture without shape
    shift: float = 0.3  # position of the figure, fraction of the half side
    size: tuple[float, float] = (0.45, 0.8)  # radius of the figure, fraction of the half side
    rotation: float = 0.3  # largest rotation, radians
    zoom: float = 0.15  # largest relative change of texture frequencies
    hue: float = 1.8  # largest rotation of the palette about the gray axis, radians
    light: float = 0.35  # largest relative change of brightness, and largest gradient
    cast: float = 0.15  # largest relative change of one channel
    clutter: float = 0.3  # radius of the largest blob, fraction of the half side
    noise: float = 0.06  # half width of the uniform pixel noise


@dataclass(frozen=True)
class Disposition:
    """One embedded set."""

    name: str
    families: int
    members: int  # classes per family
    spread: float  # distance of relatives, 0 to 1
    train_per_class: int
    heldout_per_class: int
    scene: Scene = field(default_factory=Scene)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.families * self.members

    @property
    def train_images(self) -> int:
        """Number of training images."""
        return self.classes * self.train_per_class


EMBEDDED_SETS = {
    disposition.name: disposition
    for disposition in (
        Disposition("cats_vs_dogs", 1, 2, 0.26, 1000, 1000),
        Disposition("tf_flowers", 1, 5, 0.5, 400, 400),
        Disposition("dtd", 47, 1, 1.0, 42, 42, Scene(figure=False)),
        Disposition("cifar_100", 20, 5, 0.6, 20, 20, Scene(shrink=3)),
        Disposition("food_101", 1, 101, 0.7, 20, 20, Scene(clutter=0.45, light=0.45)),
    )
}
