package io.quern.serve;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.nn.ModelFile;
import io.quern.op.TensorSpec;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.agrona.concurrent.AgentRunner;
import org.agrona.concurrent.NoOpIdleStrategy;

/**
 * A model that many threads ask for predictions, one example each; what they ask at the same time
 * runs as one batch.
 *
 * <p>A free model runs what is there. While it runs, requests gather for the next batch, up to
 * {@linkplain Builder#maxBatch a limit}. When others than those waiting were active in the last
 * batch, it waits for them, at most {@linkplain Builder#maxDelay a delay} and as long as it took
 * for the last batch; a lone caller never waits.
 *
 * <p>Every request ends exactly once: with its result, with {@link OverloadedException} when the
 * queue is full, {@link IllegalArgumentException} for a wrong dtype or shape, {@link
 * IllegalStateException} after {@link #close}, or {@link ModelFailedException} when the model fails
 * on its example. When a batch fails, its requests run one by one, so that an example on which the
 * model fails is nobody else's trouble.
 *
 * <p>A handle lives until it is closed, even if it is forgotten: its thread holds the model.
 *
 * <p>Thread-safe, for platform and virtual threads. The model itself runs on one thread of the
 * handle, without recording gradients, and inside a {@link io.quern.TensorScope}; it must not keep
 * tensors from one call to the next.
 *
 * {@snippet :
 * try (ModelHandle handle = ModelHandle.load(Path.of("model.safetensors"))) {
 *   float[] logits = handle.predict(pixels);
 *   CompletableFuture<float[]> later = handle.submit(pixels);
 *   System.out.println(handle.metrics().toTable());
 * }
 * }
 */
public final class ModelHandle implements AutoCloseable {
  private final TensorSpec example;
  private final Executor executor;
  private final RequestQueue queue;
  private final Doorbell doorbell;
  private final Batcher batcher;
  private final AgentRunner agent;
  private final Meter meter = new Meter();

  private ModelHandle(Builder builder) {
    example = builder.example;
    executor = builder.executor;
    queue = new RequestQueue(builder.queueCapacity);
    doorbell = new Doorbell(queue);
    BatchRunner runner = new BatchRunner(builder.model, example);
    if (builder.warmUp) {
      warmUp(runner, builder.maxBatch);
    }
    batcher =
        new Batcher(
            builder.name,
            builder.maxBatch,
            queue,
            doorbell,
            new BatchPolicy(builder.maxBatch, builder.maxDelay.toNanos()),
            runner,
            meter);
    agent = new AgentRunner(NoOpIdleStrategy.INSTANCE, Meter::logUnexpected, null, batcher);
    AgentRunner.startOnThread(
        agent, task -> Thread.ofPlatform().daemon().name(builder.name).unstarted(task));
  }

  private void warmUp(BatchRunner runner, int maxBatch) {
    MemorySegment zeros = MemorySegment.ofArray(new byte[Math.toIntExact(example.byteSize())]);
    for (int size : new int[] {1, maxBatch}) {
      try {
        runner.run(Collections.nCopies(size, zeros));
      } catch (RuntimeException e) {
        throw new IllegalArgumentException(
            "model handle: the model fails on a batch of "
                + size
                + " examples "
                + example
                + " of zeros: "
                + e.getMessage(),
            e);
      }
    }
  }

  /**
   * A handle with the defaults for a model that {@link ModelFile} has saved together with the spec
   * of its input.
   *
   * @throws io.quern.io.FormatException if the file is corrupt or no model
   * @throws java.io.UncheckedIOException if the file cannot be read
   * @throws IllegalArgumentException if the file does not tell what an example is
   */
  public static ModelHandle load(Path file) {
    return builder(file).build();
  }

  /** Builds a handle for a saved model; throws as {@link #load}. */
  public static Builder builder(Path file) {
    ModelFile saved = ModelFile.load(file);
    TensorSpec example =
        saved
            .input()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        file
                            + ": does not tell what an example is; save it with"
                            + " ModelFile.save(model, path, spec), or give a function and a"
                            + " shape"));
    return new Builder(saved.module()::forward, example);
  }

  /** A handle with the defaults for a function on batches, see {@link #builder}. */
  public static ModelHandle of(UnaryOperator<Tensor> model, DType dtype, long... exampleShape) {
    return builder(model, dtype, exampleShape).build();
  }

  /**
   * Builds a handle for a function on batches, such as {@code module::forward}.
   *
   * @param model gets [n, ...example shape...] and gives a tensor whose first dimension is n
   * @param dtype element type of an example
   * @param exampleShape shape of one example, without the batch dimension
   */
  public static Builder builder(UnaryOperator<Tensor> model, DType dtype, long... exampleShape) {
    return new Builder(model, new TensorSpec(dtype, Shape.of(exampleShape)));
  }

  /** Dtype and shape of an example. */
  public TensorSpec exampleSpec() {
    return example;
  }

  /**
   * Waits for the prediction for one example.
   *
   * @param elements of an F32 example in row-major order
   * @return the elements of its result in row-major order, converted to float
   * @throws java.util.concurrent.CancellationException if the caller is interrupted
   */
  public float[] predict(float[] elements) {
    check(elements);
    return await(MemorySegment.ofArray(elements)).toFloatArray();
  }

  /**
   * Waits for the prediction for one example, which has no batch dimension.
   *
   * @return a fresh tensor on the CPU, without batch dimension
   * @throws java.util.concurrent.CancellationException if the caller is interrupted
   */
  public Tensor predict(Tensor input) {
    return await(copy(input)).toTensor();
  }

  /**
   * Asks for the prediction for one example, whose elements are copied. Cancelling the future takes
   * the request back if the model has not run yet. The future ends on the {@linkplain
   * Builder#executor executor}.
   */
  public CompletableFuture<float[]> submit(float[] elements) {
    check(elements);
    return submit(MemorySegment.ofArray(elements.clone()), Row::toFloatArray);
  }

  /** As {@link #submit(float[])}, for any dtype; the example is copied. */
  public CompletableFuture<Tensor> submit(Tensor input) {
    return submit(copy(input), Row::toTensor);
  }

  /** What was done so far. */
  public ServeMetrics metrics() {
    return meter.snapshot();
  }

  /**
   * Takes no more requests, answers those that wait, and ends the handle's thread. Called by the
   * model itself, it returns at once.
   */
  @Override
  public void close() {
    queue.close();
    doorbell.ring();
    if (Thread.currentThread() != agent.thread()) {
      boolean interrupted = batcher.awaitDrained();
      agent.close();
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private void check(float[] elements) {
    if (example.dtype() != DType.F32 || elements.length != example.shape().size()) {
      throw invalid("float[" + elements.length + "]");
    }
  }

  private MemorySegment copy(Tensor input) {
    if (!input.spec().equals(example)) {
      throw invalid(input.spec().toString());
    }
    return MemorySegment.ofArray(input.toByteArray());
  }

  private IllegalArgumentException invalid(String found) {
    meter.invalid();
    return new IllegalArgumentException(
        batcher.roleName() + ": expected one example " + example + ", found " + found);
  }

  private Row await(MemorySegment elements) {
    if (Thread.currentThread() == agent.thread()) {
      throw new IllegalStateException(
          batcher.roleName() + ": the model waits for a prediction of its own handle");
    }
    Request.Blocking request = new Request.Blocking(elements);
    enqueue(request);
    return request.await();
  }

  private <T> CompletableFuture<T> submit(MemorySegment elements, Function<Row, T> convert) {
    CompletableFuture<T> future = new CompletableFuture<>();
    enqueue(new Request.Asynchronous<>(elements, future, convert, executor));
    return future;
  }

  private void enqueue(Request request) {
    switch (queue.offer(request)) {
      case ACCEPTED -> doorbell.ring();
      case FULL -> {
        meter.rejected();
        throw new OverloadedException(
            batcher.roleName()
                + ": "
                + queue.capacity()
                + " requests are waiting already; try"
                + " again later, or raise queueCapacity");
      }
      case CLOSED ->
          throw new IllegalStateException(batcher.roleName() + ": the model handle was closed");
    }
  }

  /** Options of a handle. */
  public static final class Builder {
    private final UnaryOperator<Tensor> model;
    private final TensorSpec example;
    private String name = "quern-serve";
    private int maxBatch = 32;
    private Duration maxDelay = Duration.ofMillis(1);
    private int queueCapacity = 1024;
    private boolean warmUp = true;
    private Executor executor = Thread::startVirtualThread;

    private Builder(UnaryOperator<Tensor> model, TensorSpec example) {
      this.model = model;
      this.example = example;
    }

    /** What the handle's thread is called, and messages start with; {@code quern-serve}. */
    public Builder name(String value) {
      name = value;
      return this;
    }

    /** Most examples in one run of the model; 32. */
    public Builder maxBatch(int value) {
      require(value >= 1, "maxBatch", "1 or more", value);
      long bytes = example.dtype().byteSize(Math.max(1, example.shape().size()));
      require(
          value <= (Integer.MAX_VALUE - 8) / bytes,
          "maxBatch",
          "a batch of examples " + example + " below 2 GiB",
          value);
      maxBatch = value;
      return this;
    }

    /**
     * Longest time that a free model waits for more requests; 1 ms. Zero runs at once whatever is
     * there.
     */
    public Builder maxDelay(Duration value) {
      require(
          !value.isNegative() && value.compareTo(Duration.ofHours(1)) <= 0,
          "maxDelay",
          "0 to 1 h",
          value);
      maxDelay = value;
      return this;
    }

    /** Most requests that wait, without those that the model is running; 1024. */
    public Builder queueCapacity(int value) {
      require(value >= 1, "queueCapacity", "1 or more", value);
      queueCapacity = value;
      return this;
    }

    /**
     * Whether {@link #build} runs the model on zeros, in the smallest and the largest batch; yes.
     * It shows early whether model and example fit, and spares the first caller the model's start.
     */
    public Builder warmUp(boolean value) {
      warmUp = value;
      return this;
    }

    /**
     * Ends the futures that {@code submit} gave; a virtual thread for each. An executor that runs
     * tasks at once on the calling thread saves time, but then what hangs on a future holds up the
     * model.
     */
    public Builder executor(Executor value) {
      executor = Objects.requireNonNull(value, "model handle: the executor");
      return this;
    }

    /**
     * Starts the handle.
     *
     * @throws IllegalArgumentException if the model fails on zeros
     */
    public ModelHandle build() {
      maxBatch(maxBatch);
      return new ModelHandle(this);
    }

    private static void require(boolean holds, String option, String expected, Object found) {
      if (!holds) {
        throw new IllegalArgumentException(
            "model handle: " + option + " must be " + expected + ", found " + found);
      }
    }
  }
}
