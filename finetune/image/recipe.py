"""What a training of an image model is told: a YAML file, checked key by key.

`ImageRecipe` is a classifier's; `ToolRecipe` serves the input gate and the generative model, which
bring their own training code. Knows nothing of how any of it is done, and imports no torch.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from finetune._recipe_common import Common

Corruption = str
Fraction = tuple[float, float]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pictures(_Block):
    """An index of pictures: a CSV whose rows name files beside or below it."""

    index: str = Field(
        min_length=1, description="CSV of the pictures; a relative path is looked for in --data."
    )
    file: str = Field("file", description="Column with the file, relative to the CSV.")
    label: str = Field("label", description="Column with the label.")
    only: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Columns and the values that a row must have there to be used at all.",
    )
    limit: int | None = Field(
        None, ge=1, description="Rows at most, spread evenly over the index; null for all."
    )


class ImageData(Pictures):
    """The pictures to learn from, and how they are parted."""

    classes: dict[str, tuple[str, ...]] = Field(
        min_length=2,
        description="The labels in order, each with the values of the label column that mean it "
        "(upper or lower case alike). With two, the last one is what is looked for.",
    )
    group: tuple[str, ...] = Field(
        ("patient_id",),
        description="Columns that hold rows together: those that share a value in any of them "
        "(or have the same pixels) stand on one side. An empty list: identical pixels only.",
    )
    split: str | None = Field(
        None,
        description="Column with train, validation (val) or test (hold-out); null parts the groups "
        "by their names' digests, a like share of every class.",
    )
    held_out: float = Field(
        0.12, ge=0, lt=0.5, description="Share of the groups that is only measured on."
    )
    validation: float = Field(
        0.12,
        ge=0,
        lt=0.5,
        description="Share of the groups that selects the step, calibrates and sets the points.",
    )
    aspect: tuple[str, str] = Field(
        ("orig_width", "orig_height"),
        description="Columns with the original size, used by augment.aspect alone; may be absent.",
    )
    name: str = Field("", description="What the data are, for the card.")
    licence: str = Field("", description="Their licence, for the card.")
    source: str = Field("", description="Where they come from (a DOI), for the card.")


class External(Pictures):
    """A further set of labelled pictures."""

    name: str = Field(min_length=1, description="What they are, for the card.")
    classes: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="As in data.classes; empty for the same."
    )


class Augment(_Block):
    """How far the views differ that a picture is shown in while training."""

    use: bool = Field(True, description="False shows every picture as it is.")
    jpeg: float = Field(
        0.1, ge=0, le=1, description="Share recompressed as JPEG, quality 15 to 75."
    )
    zoom: Fraction = Field(
        (0.65, 1.1), description="Least and largest part of the sides that is shown."
    )
    stretch: float = Field(0.25, ge=0, description="Change of the aspect ratio, as its logarithm.")
    aspect: bool = Field(
        False,
        description="Draw the aspect ratio from one distribution for all classes (1 to 1.75) "
        "instead, undoing what the original had.",
    )
    mirror: float = Field(0.5, ge=0, le=1, description="Share that is mirrored.")
    angle: float = Field(0.22, ge=0, description="Largest turn either way, in radians.")
    turned: float = Field(0.7, ge=0, le=1, description="Share that is turned.")
    shear: float = Field(0.08, ge=0, description="Largest shear either way.")
    gamma: float = Field(0.4, ge=0, description="Deviation of the exposure's gamma, as logarithm.")
    contrast: float = Field(0.6, ge=0, description="Largest change of contrast, as logarithm.")
    brightness: float = Field(0.15, ge=0, description="Largest shift of brightness, of 1.")
    field: float = Field(0.12, ge=0, description="Deviation of an uneven beam's shade, of 1.")
    fine: bool = Field(
        False,
        description="Give every picture a fineness of detail drawn from one distribution, instead "
        "of sharpening and blurring at random.",
    )
    sharpness: float = Field(0.6, ge=0, le=1, description="Share that is sharpened or blurred.")
    noise: float = Field(0.06, ge=0, description="Largest deviation of added noise, of 1.")
    noisy: float = Field(0.6, ge=0, le=1, description="Share that gets noise.")
    border: float = Field(0.3, ge=0, le=1, description="Share that gets a frame of one shade.")
    erase: float = Field(0.5, ge=0, le=1, description="Share that loses one to three rectangles.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0.1 <= self.zoom[0] <= self.zoom[1] <= 4:
            raise ValueError("augment.zoom has to be two numbers from 0.1 to 4, the smaller first")
        return self


class Distil(_Block):
    """Learning from other networks' answers as well as from labels (Hinton et al. 2015)."""

    members: int = Field(
        0, ge=0, le=16, description="Train so many networks with other seeds first, as teachers."
    )
    teachers: tuple[str, ...] = Field(
        (), description="Folders of trained classifiers that teach; also below --data."
    )
    logits: str | None = Field(
        None,
        description="out_of_fold.npz of a cross-validation: its answers teach, each by networks "
        "that did not see the picture.",
    )
    weight: float = Field(0.7, ge=0, le=1, description="Weight of the teachers beside the labels.")

    @property
    def on(self) -> bool:
        """Whether there is a teacher."""
        return bool(self.members or self.teachers or self.logits)


class Pretrain(_Block):
    """Learning without labels first: two views of a picture are to look alike to the trunk."""

    method: Literal["none", "simsiam"] = Field(
        "none", description="simsiam: Chen & He 2021, no negatives, no queue, no second network."
    )
    epochs: int = Field(10, ge=1, description="Passes over the pictures.")
    rate: float = Field(2e-3, gt=0, description="Highest learning rate.")
    extra: tuple[Pictures, ...] = Field(
        (), description="Further pictures whose labels are not looked at."
    )


class Population(_Block):
    """Whose pictures were learned from."""

    words: str = Field(min_length=1, description="In words, for the card and the page.")
    age_from_years: float = Field(ge=0, le=130, description="Youngest age.")
    age_to_years: float = Field(ge=0, le=130, description="Oldest age.")


class ImageRecipe(Common):
    """One training of an image classifier. Unknown keys are refused."""

    task: Literal["image"] = Field("image", description="A classifier of pictures.")
    name: str = Field(
        min_length=1, pattern=r"^[\w.-]+$", description="Name of the classifier: folder and card."
    )
    version: str = Field("1.0", description="Version, for the card.")
    modality: str = Field(
        "chest film",
        min_length=1,
        description="What it judges: chest film, brain MRI, breast ultrasound, ...",
    )
    kinds: tuple[str, ...] = Field(
        (),
        description="Kinds of picture that it may judge, by the input gate's names (film, mr, "
        "ultrasound, ...); empty for those that the modality means.",
    )
    after: str = Field(
        "",
        description="Label that another classifier must have found first, for a second statement.",
    )
    negative: str | None = Field(
        None,
        description="Label that means that nothing was found; null takes the first of two and none "
        "of more.",
    )
    data: ImageData = Field(description="The pictures.")
    external: tuple[External, ...] = Field((), description="Further sets to measure on.")
    extra: tuple[External, ...] = Field(
        (),
        description="Further labelled pictures to learn from, such as synthetic ones; never "
        "measured on.",
    )
    population: Population | None = Field(None, description="Whose pictures; null where unknown.")
    limits: tuple[str, ...] = Field((), description="What the card says of its limits.")
    seed: int = Field(1, ge=0, lt=2**20, description="Of weights, draws and augmentation.")

    network: Literal["film", "seed", "densenet"] = Field(
        "film",
        description="film: residual, small; seed: five plain convolutions; densenet: dense blocks.",
    )
    side: int = Field(128, ge=32, le=512, description="Side that pictures are brought to, pixels.")
    store: int = Field(
        224, ge=64, le=512, description="Side of the squashed pictures in memory; 224 is served."
    )
    widths: tuple[int, ...] = Field(
        (24, 48, 96, 192),
        min_length=1,
        description="Channels of each stage (film), or of the stem (densenet: the first alone).",
    )
    blocks: tuple[int, ...] = Field(
        (2, 2, 2, 2), min_length=1, description="Residual blocks, or dense layers, of each stage."
    )
    growth: int = Field(16, ge=2, le=64, description="Channels that a dense layer adds.")
    deep: bool = Field(
        True,
        description="film: a second convolution in the stem, and averaging where it shrinks films.",
    )
    normalise: Literal["standard", "ranks"] = Field(
        "standard",
        description="What the network sees: the film standardised, or its ranks and local contrast.",
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="Dropout before the last layer.")

    progressive: bool = Field(
        False,
        description="Learn at half the side first, at three quarters from a fifth of the steps on, "
        "at all of it from 65% on: most of the learning at half the cost.",
    )
    start: str | None = Field(
        None,
        description="Folder of a trained classifier with the same trunk to start from; null starts "
        "afresh.",
    )

    augment: Augment = Field(default_factory=Augment, description="Views while training.")
    balance: bool = Field(True, description="As many of each class in every batch.")
    smoothing: float = Field(
        0.1, ge=0, lt=0.5, description="Probability that the targets give to the other classes."
    )
    mixup: float = Field(0.0, ge=0, description="Beta's parameter for mixing pairs; 0 for none.")
    distil: Distil = Field(default_factory=Distil, description="Teachers beside the labels.")
    pretrain: Pretrain = Field(default_factory=Pretrain, description="Learning without labels.")

    epochs: int = Field(10, ge=1, description="Passes over the training part.")
    steps: int | None = Field(None, ge=1, description="Steps at most; null for whole epochs.")
    batch: int = Field(64, ge=2, description="Pictures a step, over all devices.")
    rate: float = Field(2e-3, gt=0, description="Highest learning rate.")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the steps that warm up.")
    weight_decay: float = Field(0.05, ge=0, description="AdamW's, of weight matrices alone.")
    clip: float = Field(2.0, gt=0, description="Norm that gradients are clipped to.")
    average: float = Field(
        0.998, ge=0, lt=1, description="Decay of the averaged weights, which are kept; 0 for none."
    )
    select: Literal["best", "last"] = Field(
        "best",
        description="best: the averaged weights with the highest validation figure; last: those "
        "of the last step.",
    )
    corruptions: tuple[Corruption, ...] = Field(
        ("dark 2", "low contrast 2", "blur 2", "noise 2", "crop 3"),
        description="Corruptions (kind and strength 1 to 3) under which validation pictures are "
        "scored besides as they are: where the classes are easy, they tell weights apart.",
    )
    validation_limit: int = Field(
        400, ge=10, description="Pictures that a validation scores at most."
    )
    validate_every: int | None = Field(
        None, ge=1, description="Steps between validations; null for every epoch."
    )
    validate_from: float = Field(
        0.5, ge=0, lt=1, description="Share of the steps before the first validation."
    )
    checkpoint_every: int = Field(50, ge=1, description="Steps between checkpoints.")
    keep: int = Field(2, ge=1, description="Checkpoints kept.")
    calibration: Literal["temperature", "platt", "beta"] = Field(
        "temperature",
        description="How logits become probabilities; beta and platt for two classes.",
    )
    calibrate_on: Literal["plain", "corrupted"] = Field(
        "plain",
        description="plain: validation pictures as they are calibrate and set the points; "
        "corrupted: these and their copies under `corruptions`.",
    )
    out_of_fold: str | None = Field(
        None,
        description="out_of_fold.npz of a cross-validation of this recipe: calibration and points "
        "come from it, so that all pictures can be learned from (data.held_out and "
        "data.validation 0).",
    )
    rule_out: float = Field(
        0.95, ge=0.5, lt=1, description="Sensitivity that the rule-out point keeps; two classes."
    )
    rule_in: float = Field(
        0.95, ge=0.5, lt=1, description="Specificity that the rule-in point keeps; two classes."
    )
    give_up: float = Field(
        0.0,
        ge=0,
        lt=0.2,
        description="Balanced accuracy that the balanced point gives up for specificity: pictures "
        "of other places tend to look ill to a network.",
    )
    coverage: float = Field(
        0.9, gt=0.5, lt=1, description="Share of cases that a conformal set is to cover."
    )
    threads: int = Field(0, ge=0, description="CPU threads; 0 leaves it to torch.")
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="auto takes bf16 where the hardware multiplies in it."
    )

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes' names, in order."""
        return tuple(self.data.classes)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        from finetune.image import corruptions

        if self.negative is not None and self.negative not in self.labels:
            raise ValueError(f"negative is {self.negative!r}, which is none of data.classes")
        if len(self.labels) > 2 and self.calibration != "temperature":
            raise ValueError(
                f"calibration {self.calibration} is for two classes: set it to temperature"
            )
        unknown = [name for name in self.corruptions if name not in corruptions.NAMES]
        if unknown:
            raise ValueError(
                f"there is no corruption {unknown[0]!r}; known: {', '.join(corruptions.NAMES)}"
            )
        if self.network == "film" and len(self.widths) != len(self.blocks):
            raise ValueError("widths and blocks need one number each for every stage")
        if self.network == "seed" and self.progressive:
            raise ValueError("progressive is for networks of any input size: leave it out for seed")
        if self.batch < len(self.labels):
            raise ValueError("batch has to hold a picture of each class")
        return self


class ToolRecipe(Common):
    """One training of the input gate or of the generative model. Unknown keys are refused."""

    task: Literal["image_gate", "image_samples"] = Field(
        description="The gate before the classifiers, or the model that draws synthetic pictures."
    )
    name: str = Field(
        min_length=1, pattern=r"^[\w.-]+$", description="Name of what comes out: folder and card."
    )
    version: str = Field("1.0", description="Version, for the card.")
    data: ImageData = Field(description="The chest films, or the pictures to draw like.")
    seed: int = Field(5, ge=0, lt=2**20, description="Of weights, draws and augmentation.")
    steps: int = Field(1000, ge=1, description="Training steps.")
    batch: int = Field(64, ge=2, description="Pictures a step.")
    side: int = Field(96, ge=16, le=512, description="Side that pictures are brought to, pixels.")
    rate: float = Field(2e-3, gt=0, description="Highest learning rate.")
    checkpoint_every: int = Field(100, ge=1, description="Steps between checkpoints.")
    threads: int = Field(0, ge=0, description="CPU threads; 0 leaves it to torch.")
    options: dict[str, Any] = Field(default_factory=dict, description="The task's own options.")
