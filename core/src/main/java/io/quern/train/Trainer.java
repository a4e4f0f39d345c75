package io.quern.train;

import io.quern.Batch;
import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.grad.Gradients;
import io.quern.grad.Tape;
import io.quern.io.FormatException;
import io.quern.nn.Loss;
import io.quern.nn.Mode;
import io.quern.nn.Module;
import io.quern.optim.Clip;
import io.quern.optim.Optimizer;
import io.quern.optim.Schedule;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Trains a model on batches: forward, backward, clipping, update, step after step, epoch after
 * epoch, with reports, checkpoints and validation.
 *
 * <p>Steps are compiled: model and loss are called once for each shape of batches, with tensors
 * that have no values, and what they do with tensors then is done in each step. A number or a
 * decision of theirs that is to change later must be a tensor, {@link Tensor#copyFrom written} from
 * a {@link TrainListener} for example.
 *
 * {@snippet :
 * Trainer trainer =
 *     Trainer.builder(model, Adam.of(model.parameters(), 1e-3), Losses::crossEntropy)
 *         .epochs(5)
 *         .metrics(new Accuracy())
 *         .listener(TrainListener.console())
 *         .build();
 * trainer.fit(batches);
 * }
 *
 * <p>Training happens where the weights lie; batches are moved there. The same seed, data and
 * settings give the same bits, also when the training was interrupted and resumed from a
 * checkpoint; {@link Reproducibility} says on which machines. For one thread at a time, but for
 * {@link #stop}.
 */
public final class Trainer {
  private final Builder options;
  private final Module model;
  private final Optimizer optimizer;
  private final Loss loss;
  private Rng rng;
  private @Nullable TrainStep trainStep;
  private Progress progress = Progress.START;
  private long batches;
  private volatile boolean stopped;

  private Trainer(Builder options) {
    this.options = options;
    this.model = options.model;
    this.optimizer = options.optimizer;
    this.loss = options.loss;
    requireCommon(model.parameters(), optimizer.parameters());
    this.rng = Rng.of(options.seed);
    this.batches = options.batchesPerEpoch;
  }

  /** Or else nothing would be trained, without a word. */
  private static void requireCommon(Map<String, Tensor> model, Map<String, Tensor> optimizer) {
    if (!optimizer.isEmpty()
        && model.values().stream().noneMatch(own -> optimizer.containsValue(own))) {
      throw new IllegalArgumentException(
          "trainer: no parameter of the optimiser is one of the model, found "
              + optimizer.keySet()
              + " and "
              + model.keySet()
              + "; make the optimiser of model.parameters(), after the model was moved or"
              + " converted");
    }
  }

  /** Collects options. */
  public static Builder builder(Module model, Optimizer optimizer, Loss loss) {
    return new Builder(model, optimizer, loss);
  }

  /** The options of a training. */
  public static final class Builder {
    private final Module model;
    private final Optimizer optimizer;
    private final Loss loss;
    private final List<TrainListener> listeners = new ArrayList<>();
    private Metric[] metrics = {};
    private @Nullable Schedule schedule;
    private @Nullable Path checkpoint;
    private @Nullable Iterable<Batch> validation;
    private long checkpointEvery;
    private double clipNorm = Double.POSITIVE_INFINITY;
    private double clipValue = Double.POSITIVE_INFINITY;
    private int epochs = 1;
    private long seed;
    private @Nullable DType precision;
    private long batchesPerEpoch = -1;

    private Builder(Module model, Optimizer optimizer, Loss loss) {
      this.model = model;
      this.optimizer = optimizer;
      this.loss = loss;
    }

    /** Epochs in all, those before a resumed checkpoint included; 1 by default. */
    public Builder epochs(int value) {
      epochs = (int) atLeast("epochs", value, 1);
      return this;
    }

    /** Sets the optimiser's learning rate before each step; by default it stays as it is. */
    public Builder schedule(Schedule value) {
      schedule = value;
      return this;
    }

    /** Limits the norm of all gradients together; see {@link Clip#byNorm}. */
    public Builder clipNorm(double most) {
      clipNorm = most;
      return this;
    }

    /** Limits each element of the gradients; see {@link Clip#byValue}. */
    public Builder clipValue(double most) {
      clipValue = most;
      return this;
    }

    /** Seed of the random numbers that layers use in training; 0 by default. */
    public Builder seed(long value) {
      seed = value;
      return this;
    }

    /**
     * Trains and evaluates in mixed precision: layers multiply in {@code value}, such as BF16,
     * while weights, gradients and the optimiser's state keep their dtype; see {@link Mode}. Loss
     * and metrics get predictions of F32. By default layers multiply in the dtype of their weights.
     *
     * @throws IllegalArgumentException if it is not BF16, F16 or F32
     */
    public Builder precision(DType value) {
      precision = Mode.INFERENCE.precision(value).precision().orElseThrow();
      return this;
    }

    /** Adds a listener. */
    public Builder listener(TrainListener value) {
      listeners.add(value);
      return this;
    }

    /** Figures to report over the training batches of each epoch and over the validation data. */
    public Builder metrics(Metric... values) {
      metrics = values.clone();
      return this;
    }

    /** Data to evaluate the model on after each epoch. */
    public Builder validation(Iterable<Batch> data) {
      validation = data;
      return this;
    }

    /** Writes a checkpoint after each epoch; the directory must exist. */
    public Builder checkpoint(Path path) {
      return checkpoint(path, 0);
    }

    /** Writes a checkpoint after each epoch and, if {@code steps > 0}, each so many steps. */
    public Builder checkpoint(Path path, long steps) {
      checkpoint = path;
      checkpointEvery = atLeast("steps between checkpoints", steps, 0);
      return this;
    }

    /** How many batches an epoch has, for reports; found out in the first epoch otherwise. */
    public Builder batchesPerEpoch(long value) {
      batchesPerEpoch = atLeast("batches per epoch", value, 1);
      return this;
    }

    private static long atLeast(String name, long value, long least) {
      if (value < least) {
        throw new IllegalArgumentException(
            "trainer: " + name + " must be " + least + " or more, found " + value);
      }
      return value;
    }

    /** The trainer. */
    public Trainer build() {
      return new Trainer(this);
    }
  }

  /**
   * One line about where and how this trains, and how far its bits can be relied on, such as {@code
   * training on cpu in BF16; R1, the same bits on the same machine}.
   */
  public String describe() {
    Mode mode = mode(Mode.INFERENCE);
    return "training on "
        + Evaluation.deviceOf(model).name()
        + mode.precision().map(dtype -> " in " + dtype).orElse("")
        + "; "
        + Reproducibility.of(model, mode);
  }

  /** How far the training is. */
  public Progress progress() {
    return progress;
  }

  /**
   * Makes {@link #fit} return after the step that is running, or before its first one if it has yet
   * to begin. May be called from any thread.
   */
  public void stop() {
    stopped = true;
  }

  /**
   * Goes on where a checkpoint was written: {@link #fit} continues with the next batch. Give it the
   * same data; batches of the current epoch that were used already are skipped.
   *
   * @throws FormatException if the file is corrupt or does not fit the model, the optimiser and the
   *     precision; nothing is changed then
   */
  public void resume(Path path) {
    Checkpoint saved = Checkpoint.load(path);
    Optional<DType> before = saved.precision();
    Optional<DType> own = Optional.ofNullable(options.precision);
    if (!before.equals(own)) {
      throw new FormatException(
          path,
          "the checkpoint does not fit: the precision was "
              + named(before)
              + ", found "
              + named(own),
          "make the trainer as it was when it was written");
    }
    saved.restore(model, optimizer);
    progress = saved.progress();
    rng = Rng.of(saved.rng());
    trainStep = null;
  }

  private static String named(Optional<DType> precision) {
    return precision.map(DType::name).orElse("that of the weights");
  }

  /** Writes all that {@link #resume} needs. */
  public void saveCheckpoint(Path path) {
    Checkpoint.save(path, model, optimizer, progress, rng.state(), options.precision);
    options.listeners.forEach(listener -> listener.checkpointWritten(path, progress));
  }

  /** Evaluates the model; see {@link Evaluation#of}. */
  public Evaluation evaluate(Iterable<Batch> data, Metric... metrics) {
    return Evaluation.of(model, loss, mode(Mode.INFERENCE), data, metrics);
  }

  /** Trains on data that are iterated once per epoch; see {@link #fit(LongFunction)}. */
  public List<EpochResult> fit(Iterable<Batch> data) {
    if (data instanceof Collection<?> collection && batches < 0) {
      batches = collection.size();
    }
    return fit((long epoch) -> data);
  }

  /**
   * Trains until the planned epochs are complete, or {@link #stop} is called. Batches are closed
   * after use, unless the data is a {@code Collection}, which may be used again.
   *
   * @param epochs the data of each epoch, counted from 0, such as differently shuffled ones
   * @return the results of the epochs that were completed by this call
   * @throws ArithmeticException if a loss is NaN or infinite; the message names step and epoch, the
   *     parameters are those before the step, and the last checkpoint stays
   */
  public List<EpochResult> fit(LongFunction<? extends Iterable<Batch>> epochs) {
    options.listeners.forEach(listener -> listener.started(this));
    List<EpochResult> results = new ArrayList<>();
    try {
      while (progress.epoch() < options.epochs && !stopped) {
        EpochResult result = runEpoch(epochs.apply(progress.epoch()));
        if (result != null) {
          results.add(result);
        }
      }
    } finally {
      stopped = false;
    }
    return results;
  }

  private @Nullable EpochResult runEpoch(Iterable<Batch> data) {
    int number = progress.epoch() + 1;
    options.listeners.forEach(listener -> listener.epochStarted(number, options.epochs));
    List.of(options.metrics).forEach(Metric::reset);
    RunningMean mean = new RunningMean();
    long start = System.nanoTime();
    long examples = 0;
    Device device = Evaluation.deviceOf(model);
    try (BatchFeed feed = new BatchFeed(data)) {
      feed.skip(progress.batch());
      while (feed.hasNext()) {
        if (stopped) {
          return null;
        }
        Batch batch = feed.next();
        try {
          long size = batch.size();
          double batchLoss = step(batch, device);
          examples += size;
          mean.add(batchLoss, (double) size);
          progress = progress.nextBatch();
          report(batchLoss, mean.mean(), examples / seconds(start));
        } finally {
          feed.done(batch);
        }
        if (isCheckpointDue() && feed.hasNext()) {
          writeCheckpoint();
        }
      }
    }
    if (progress.batch() == 0) {
      throw new IllegalArgumentException("training: epoch " + number + " has no batches");
    }
    batches = progress.batch();
    progress = progress.nextEpoch();
    Evaluation training =
        new Evaluation(
            mean.mean(), examples, metrics(), Duration.ofNanos(System.nanoTime() - start));
    writeCheckpoint();
    EpochResult result = new EpochResult(number, options.epochs, training, validate());
    options.listeners.forEach(listener -> listener.epochDone(result));
    return result;
  }

  private boolean isCheckpointDue() {
    return options.checkpointEvery > 0 && progress.step() % options.checkpointEvery == 0;
  }

  private static double seconds(long start) {
    return Math.max(1, System.nanoTime() - start) / 1e9;
  }

  private @Nullable Evaluation validate() {
    return options.validation == null ? null : evaluate(options.validation, options.metrics);
  }

  private void writeCheckpoint() {
    if (options.checkpoint != null) {
      saveCheckpoint(options.checkpoint);
    }
  }

  private Map<String, Double> metrics() {
    Map<String, Double> values = new LinkedHashMap<>();
    for (Metric metric : options.metrics) {
      values.put(metric.name(), metric.value());
    }
    return values;
  }

  private void report(double batchLoss, double meanLoss, double perSecond) {
    if (options.listeners.isEmpty()) {
      return;
    }
    StepResult result =
        new StepResult(
            progress,
            options.epochs,
            batches,
            batchLoss,
            meanLoss,
            metrics(),
            optimizer.learningRate(),
            perSecond);
    options.listeners.forEach(listener -> listener.stepDone(result));
  }

  /** Trains on one batch and gives its loss. */
  private double step(Batch batch, Device device) {
    try (TensorScope _ = TensorScope.open("a training step")) {
      Tensor input = batch.input().to(device);
      Tensor target = batch.target().to(device);
      TrainStep.Outcome outcome = trainStep().forwardBackward(input, target);
      double value = outcome.loss().item();
      if (!Double.isFinite(value)) {
        throw new ArithmeticException(nonFinite(value, input, target));
      }
      Gradients gradients = clip(outcome.gradients());
      if (options.schedule != null) {
        optimizer.learningRate(options.schedule.at(progress.step()));
      }
      trainStep().update(gradients);
      Tape.withoutRecording(
          () -> {
            for (Metric metric : options.metrics) {
              metric.update(outcome.prediction(), target);
            }
            return value;
          });
      return value;
    }
  }

  private TrainStep trainStep() {
    TrainStep step = trainStep;
    if (step == null) {
      step = new TrainStep(model, optimizer, loss, mode(Mode.training(rng)));
      trainStep = step;
    }
    return step;
  }

  private Mode mode(Mode mode) {
    return options.precision == null ? mode : mode.precision(options.precision);
  }

  private Gradients clip(Gradients gradients) {
    Gradients limited = gradients;
    Map<String, Tensor> parameters = optimizer.parameters();
    if (options.clipValue < Double.POSITIVE_INFINITY) {
      limited = replace(limited, Clip.byValue(limited, parameters, options.clipValue));
    }
    if (options.clipNorm < Double.POSITIVE_INFINITY) {
      limited = replace(limited, Clip.byNorm(limited, parameters, options.clipNorm));
    }
    return limited;
  }

  private static Gradients replace(Gradients before, Gradients after) {
    if (before != after) {
      before.close();
    }
    return after;
  }

  private String nonFinite(double value, Tensor input, Tensor target) {
    String where =
        "training: the loss is "
            + value
            + " at step "
            + (progress.step() + 1)
            + " (epoch "
            + (progress.epoch() + 1)
            + ", batch "
            + (progress.batch() + 1)
            + "); ";
    int inInput = firstNonFinite(input);
    int inTarget = firstNonFinite(target);
    if (inInput >= 0) {
      return where
          + "element "
          + inInput
          + " of the input "
          + input.spec()
          + " is not finite; clean the data";
    }
    if (inTarget >= 0) {
      return where
          + "element "
          + inTarget
          + " of the target "
          + target.spec()
          + " is not finite; clean the data";
    }
    return where
        + "input and target are finite; lower the learning rate, warm it up, or clip the"
        + " gradients by norm";
  }

  /** Row-major position of the first element that is NaN or infinite, or -1. */
  private static int firstNonFinite(Tensor tensor) {
    if (tensor.dtype().isFloat()) {
      double[] elements = tensor.toDoubleArray();
      for (int i = 0; i < elements.length; i++) {
        if (!Double.isFinite(elements[i])) {
          return i;
        }
      }
    }
    return -1;
  }
}
