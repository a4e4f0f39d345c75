package io.quern.cli;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.loader.DataFormatException;
import io.quern.loader.Dataset;
import io.quern.loader.Idx;
import io.quern.op.TensorSpec;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): grey images of 28 x 28 pixels of ten kinds of
 * clothes.
 *
 * @param description where the data are from
 * @param training images and labels to train on
 * @param test images and labels to test on
 */
record FashionMnist(String description, Split training, Split test) {
  /** Names of the classes, in the order of the labels. */
  static final List<String> CLASSES =
      List.of(
          "T-shirt/top",
          "Trouser",
          "Pullover",
          "Dress",
          "Coat",
          "Sandal",
          "Shirt",
          "Sneaker",
          "Bag",
          "Ankle boot");

  /** Height and width of an image in pixels. */
  static final int SIDE = 28;

  /** What a model gets of one image. */
  static final TensorSpec INPUT = new TensorSpec(DType.F32, Shape.of(1, SIDE, SIDE));

  private static final double MEAN = 0.2860;
  private static final double DEVIATION = 0.3530;

  /** Images U8 [n, 1, 28, 28] and labels I64 [n]. */
  record Split(Tensor images, Tensor labels) {
    long size() {
      return images.dim(0);
    }

    Dataset dataset() {
      return Dataset.of(images, labels);
    }
  }

  /** Pixels as a model gets them: of about mean 0 and variance 1. */
  static Tensor toInput(Tensor pixels) {
    return pixels.to(DType.F32).mul(1 / 255.0 / DEVIATION).add(-MEAN / DEVIATION);
  }

  /** The first 10,000 training and 2,000 test images, which come with this module. */
  static FashionMnist bundled() {
    return new FashionMnist("the bundled part of Fashion-MNIST", bundled("train"), bundled("t10k"));
  }

  private static Split bundled(String prefix) {
    return check(
        prefix,
        resource(prefix + "-images-idx3-ubyte.gz"),
        resource(prefix + "-labels-idx1-ubyte.gz"));
  }

  private static Tensor resource(String name) {
    InputStream stream = FashionMnist.class.getResourceAsStream("fashion-mnist/" + name);
    if (stream == null) {
      throw new IllegalStateException("this build lacks its resource fashion-mnist/" + name);
    }
    return Idx.read(stream, "bundled " + name);
  }

  /**
   * The four IDX files of a directory, plain or with {@code .gz}.
   *
   * @throws UserException if a file is missing, or the files do not belong together
   */
  static FashionMnist read(Path directory) {
    if (!Files.isDirectory(directory)) {
      throw new UserException(
          "--data: "
              + directory
              + (Files.exists(directory) ? " is not a directory" : " does not exist")
              + "; give the directory of the Fashion-MNIST files, which is"
              + " /usr/share/datasets/fashion-mnist after apt-get install dataset-fashion-mnist");
    }
    return new FashionMnist(
        directory.toString(), read(directory, "train"), read(directory, "t10k"));
  }

  private static Split read(Path directory, String prefix) {
    return check(
        directory + "/" + prefix,
        Idx.read(find(directory, prefix + "-images-idx3-ubyte")),
        Idx.read(find(directory, prefix + "-labels-idx1-ubyte")));
  }

  private static Path find(Path directory, String name) {
    Path plain = directory.resolve(name);
    Path compressed = directory.resolve(name + ".gz");
    if (Files.exists(compressed)) {
      return compressed;
    }
    if (!Files.exists(plain)) {
      throw new UserException(
          "--data: " + directory + " has neither " + name + " nor " + name + ".gz");
    }
    return plain;
  }

  private static Split check(String source, Tensor images, Tensor labels) {
    require(
        images.dtype() == DType.U8
            && images.rank() == 3
            && images.dim(0) > 0
            && images.dim(1) == SIDE
            && images.dim(2) == SIDE,
        source + "-images: expected U8[n, 28, 28] with n of 1 or more, found " + images.spec());
    require(
        labels.dtype() == DType.U8 && labels.rank() == 1 && labels.dim(0) == images.dim(0),
        source
            + "-labels: expected U8["
            + images.dim(0)
            + "] as there are images, found "
            + labels.spec());
    byte[] values = labels.toByteArray();
    for (int i = 0; i < values.length; i++) {
      require(
          (values[i] & 0xff) < CLASSES.size(),
          source + "-labels: label " + i + " is " + (values[i] & 0xff) + ", expected 0 to 9");
    }
    return new Split(images.reshape(-1, 1, SIDE, SIDE), labels.to(DType.I64));
  }

  private static void require(boolean holds, String message) {
    if (!holds) {
      throw new DataFormatException(message);
    }
  }
}
