package io.quern.cli;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.loader.Batches;
import io.quern.nn.Conv2d;
import io.quern.nn.Dropout;
import io.quern.nn.Flatten;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.nn.MaxPool2d;
import io.quern.nn.Mode;
import io.quern.nn.ModelFile;
import io.quern.nn.Module;
import io.quern.nn.Relu;
import io.quern.nn.Sequential;
import io.quern.op.Window;
import io.quern.optim.Adam;
import io.quern.optim.Schedule;
import io.quern.runtime.Workers;
import io.quern.serve.ModelHandle;
import io.quern.train.Accuracy;
import io.quern.train.ConfusionMatrix;
import io.quern.train.Reproducibility;
import io.quern.train.Trainer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Trains, saves, loads and serves a small network. */
@Command(
    name = "quickstart",
    description = {
      "Train a small network on real images, save it and serve it.",
      "",
      "The images are 28 x 28 pixels of ten kinds of clothes (Fashion-MNIST): 10,000 to train on"
          + " and 2,000 to test on come with Quern. The same seed, data and settings give the same"
          + " model to the last bit."
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    showDefaultValues = true)
final class QuickstartCommand implements Callable<Integer> {
  private static final double LEARNING_RATE = 2e-3;
  private static final double DROPOUT = 0.4;
  private static final int AHEAD = 4;
  private static final int PICTURES = 3;

  @Spec private CommandSpec spec;

  @Option(
      names = "--data",
      paramLabel = "DIR",
      description =
          "Directory of the full Fashion-MNIST files, such as /usr/share/datasets/fashion-mnist"
              + " (default: the bundled part).")
  private @Nullable Path data;

  @Option(names = "--epochs", paramLabel = "N", description = "Rounds over the training images.")
  private int epochs = 8;

  @Option(names = "--batch", paramLabel = "N", description = "Images in a training step.")
  private int batch = 128;

  @Option(names = "--seed", paramLabel = "N", description = "Where all random numbers begin.")
  private long seed = 1;

  @Option(
      names = "--precision",
      paramLabel = "DTYPE",
      description =
          "Multiply in bf16 or f16 while training; weights stay f32 (default: f32 throughout).")
  private @Nullable String precision;

  @Mixin private DeviceOption device;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads that compute, 0 for one per core; no effect on the results.")
  private int threads;

  @Option(
      names = "--predictions",
      paramLabel = "N",
      description = "How many predictions to ask the saved model for.")
  private int predictions = 10_000;

  @Option(names = "--out", paramLabel = "DIR", description = "Where to put the files.")
  private Path out = Path.of("quern-quickstart");

  private QuickstartCommand() {}

  @Override
  public Integer call() {
    long start = System.nanoTime();
    atLeast(1, "--epochs", epochs);
    atLeast(1, "--batch", batch);
    atLeast(0, "--threads", threads);
    atLeast(1, "--predictions", predictions);
    if (threads > 0) {
      Workers.setThreads(threads);
    }
    Mode mode = mode();
    Device target = device.device();
    FashionMnist images = data == null ? FashionMnist.bundled() : FashionMnist.read(data);
    Path modelFile = outputDirectory().resolve("model.safetensors");
    Path checkpoint = out.resolve("checkpoint.safetensors");

    say("device    %s: %s", target, target.describe());
    say(
        "data      %s: %,d images to train on, %,d to test on",
        images.description(), images.training().size(), images.test().size());
    Module model = model(seed).to(target);
    say("model     2 convolutions, 2 linear layers, %,d weights", model.parameterCount());
    say("training  %d epochs in batches of %d with Adam, seed %d", epochs, batch, seed);
    say("bits      %s", Reproducibility.of(model, mode));
    say("");

    train(model, mode, images, checkpoint);
    Predictions direct =
        Predictions.of(
            model,
            images.test().dataset(),
            FashionMnist.CLASSES.size(),
            pixels -> FashionMnist.toInput(pixels).to(target));
    ConfusionMatrix confusion = ConfusionMatrix.of(FashionMnist.CLASSES);
    confusion.update(direct.toTensor(), images.test().labels());
    say("%nTest images by class%n%n%s", confusion.table());
    showMistakes(direct, images.test());

    ModelFile.save(
        model,
        modelFile,
        FashionMnist.INPUT,
        Map.of("classes", String.join(",", FashionMnist.CLASSES)));
    say("model       %s, sha-256 %s", modelFile, fingerprint(modelFile));
    say("checkpoint  %s", checkpoint);
    say("");
    boolean agreed = serve(modelFile, target, direct, images.test(), confusion.value());
    say("%ndone in %.1f s", (System.nanoTime() - start) * 1e-9);
    return agreed ? 0 : 1;
  }

  // ---- options ----------------------------------------------------------------------------

  private void atLeast(int least, String option, int value) {
    if (value < least) {
      throw new ParameterException(
          spec.commandLine(), option + " must be " + least + " or more, found " + value);
    }
  }

  /** Inference in the precision of the training. */
  private Mode mode() {
    try {
      return precision == null
          ? Mode.INFERENCE
          : Mode.INFERENCE.precision(DType.valueOf(precision.toUpperCase(Locale.ROOT)));
    } catch (IllegalArgumentException e) {
      throw new ParameterException(
          spec.commandLine(), "--precision must be bf16, f16 or f32, found " + precision, e);
    }
  }

  private Path outputDirectory() {
    try {
      out = Files.createDirectories(out.toAbsolutePath().normalize());
      if (!Files.isWritable(out)) {
        throw new UserException("--out: " + out + " is not writable");
      }
      return out;
    } catch (IOException e) {
      throw new UserException("--out: cannot make the directory " + out + ": " + e, e);
    }
  }

  // ---- training ---------------------------------------------------------------------------

  /** The network with weights drawn from {@code seed}. */
  static Module model(long seed) {
    Rng rng = Rng.of(seed);
    Window window = Window.of(3).padding(1);
    return Sequential.builder()
        .add("conv1", Conv2d.of(1, 32, window, rng))
        .add("relu1", new Relu())
        .add("pool1", MaxPool2d.of(2))
        .add("conv2", Conv2d.of(32, 64, window, rng))
        .add("relu2", new Relu())
        .add("pool2", MaxPool2d.of(2))
        .add("flatten", Flatten.of())
        .add("linear1", Linear.of(64 * 7 * 7, 128, rng))
        .add("relu3", new Relu())
        .add("dropout", Dropout.of(DROPOUT))
        .add("linear2", Linear.of(128, FashionMnist.CLASSES.size(), rng))
        .build();
  }

  private void train(Module model, Mode mode, FashionMnist images, Path checkpoint) {
    Batches training =
        images
            .training()
            .dataset()
            .shuffle(seed)
            .batch(batch)
            .mapInput(FashionMnist::toInput)
            .prefetch(AHEAD);
    Batches test = images.test().dataset().batch(batch).mapInput(FashionMnist::toInput);
    Trainer.Builder trainer =
        Trainer.builder(model, Adam.of(model.parameters(), LEARNING_RATE), Losses::crossEntropy);
    mode.precision().ifPresent(trainer::precision);
    try (TrainingDisplay display = new TrainingDisplay(writer(), TrainingDisplay.onTerminal())) {
      trainer
          .epochs(epochs)
          .seed(seed)
          .schedule(Schedule.oneCycle(LEARNING_RATE, training.count() * epochs))
          .batchesPerEpoch(training.count())
          .metrics(new Accuracy())
          .validation(test)
          .checkpoint(checkpoint)
          .listener(display)
          .build()
          .fit(training::epoch);
    }
  }

  private void showMistakes(Predictions direct, FashionMnist.Split test) {
    long[] labels = test.labels().toLongArray();
    List<Integer> mistakes = new ArrayList<>();
    for (int i = 0; i < labels.length; i++) {
      if (direct.predicted(i) != labels[i]) {
        mistakes.add(i);
      }
    }
    if (mistakes.isEmpty()) {
      say("%nNo test image was taken for something else.%n");
      return;
    }
    List<TextPictures.Picture> pictures =
        mistakes.stream().limit(PICTURES).map(i -> picture(i, direct, test, labels)).toList();
    say("%nThe first %d of %,d mistakes%n", pictures.size(), mistakes.size());
    say("%s", TextPictures.sideBySide(pictures));
  }

  private static TextPictures.Picture picture(
      int index, Predictions direct, FashionMnist.Split test, long[] labels) {
    try (Tensor pixels = test.images().select(0, index)) {
      int label = (int) labels[index];
      int predicted = direct.predicted(index);
      return new TextPictures.Picture(
          pixels.toByteArray(),
          FashionMnist.SIDE,
          List.of(
              caption("is", label, direct.probability(index, label)),
              caption("taken for", predicted, direct.probability(index, predicted))));
    }
  }

  private static String caption(String what, int label, double probability) {
    return String.format(
        Locale.ROOT, "%s %s %.0f%%", what, FashionMnist.CLASSES.get(label), 100 * probability);
  }

  // ---- serving ----------------------------------------------------------------------------

  /** Whether the served model says the same as the trained one. */
  private boolean serve(
      Path modelFile,
      Device target,
      Predictions direct,
      FashionMnist.Split test,
      double directAccuracy) {
    long[] labels = test.labels().toLongArray();
    ServingTrial.Result result;
    try (ModelHandle handle = handle(modelFile, target)) {
      result = ServingTrial.run(handle, direct, inputs(test), labels, predictions);
    }
    say("served      %,d predictions to %d threads", result.calls(), ServingTrial.THREADS);
    say(
        "accuracy    %.4f, directly %.4f; %,d predictions as directly, %,d to the last bit",
        result.accuracy(), directAccuracy, result.sameClass(), result.sameBits());
    writer().print(result.metrics().toTable());
    if (result.sameClass() < result.calls()) {
      say("The handle and the model disagree: that is an error in Quern, please report it.");
      return false;
    }
    return true;
  }

  private static ModelHandle handle(Path modelFile, Device target) {
    if (target == Device.cpu()) {
      return ModelHandle.load(modelFile);
    }
    Module model = ModelFile.load(modelFile).module().to(target);
    return ModelHandle.of(
        images -> model.forward(images.to(target)),
        FashionMnist.INPUT.dtype(),
        FashionMnist.INPUT.shape().toArray());
  }

  private static float[][] inputs(FashionMnist.Split test) {
    float[][] inputs = new float[Math.toIntExact(test.size())][];
    for (int i = 0; i < inputs.length; i++) {
      try (Tensor pixels = test.images().select(0, i);
          Tensor input = FashionMnist.toInput(pixels)) {
        inputs[i] = input.toFloatArray();
      }
    }
    return inputs;
  }

  // ---- text -------------------------------------------------------------------------------

  private PrintWriter writer() {
    return spec.commandLine().getOut();
  }

  private void say(String format, Object... arguments) {
    writer().println(String.format(Locale.ROOT, format, arguments));
  }

  /** The first digits of the file's SHA-256. */
  private static String fingerprint(Path file) {
    try {
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
      return HexFormat.of().formatHex(digest, 0, 8);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file + ": " + e, e);
    }
  }
}
