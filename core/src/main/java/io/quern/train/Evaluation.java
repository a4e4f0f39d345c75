package io.quern.train;

import io.quern.Batch;
import io.quern.Device;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.grad.Tape;
import io.quern.nn.Loss;
import io.quern.nn.Mode;
import io.quern.nn.Module;
import java.time.Duration;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How well a model does on some data.
 *
 * @param loss mean over the examples
 * @param examples how many there were
 * @param metrics the metrics' values by name, in their order
 * @param time how long it took, loading included
 */
public record Evaluation(double loss, long examples, Map<String, Double> metrics, Duration time) {
  /** Copies the metrics. */
  public Evaluation {
    metrics = Collections.unmodifiableMap(new LinkedHashMap<>(metrics));
  }

  /**
   * Runs a model over all batches in inference mode. The metrics are reset first and may be asked
   * for more afterwards. Batches are closed after use, unless the data is a {@code Collection}.
   */
  public static Evaluation of(Module model, Loss loss, Iterable<Batch> data, Metric... metrics) {
    return of(model, loss, Mode.INFERENCE, data, metrics);
  }

  /** Evaluates in a mode of inference that may have a precision. */
  static Evaluation of(
      Module model, Loss loss, Mode mode, Iterable<Batch> data, Metric... metrics) {
    long start = System.nanoTime();
    RunningMean mean = new RunningMean();
    List.of(metrics).forEach(Metric::reset);
    long examples = 0;
    Device device = deviceOf(model);
    try (BatchFeed feed = new BatchFeed(data)) {
      while (feed.hasNext()) {
        Batch batch = feed.next();
        try (TensorScope _ = TensorScope.open("an evaluation")) {
          Tensor target = batch.target().to(device);
          Tensor input = batch.input().to(device);
          Tensor prediction = Tape.withoutRecording(() -> TrainStep.predict(model, input, mode));
          mean.add(loss.of(prediction, target).item(), (double) batch.size());
          examples += batch.size();
          for (Metric metric : metrics) {
            metric.update(prediction, target);
          }
        } finally {
          feed.done(batch);
        }
      }
    }
    Map<String, Double> values = new LinkedHashMap<>();
    for (Metric metric : metrics) {
      values.put(metric.name(), metric.value());
    }
    return new Evaluation(
        mean.mean(), examples, values, Duration.ofNanos(System.nanoTime() - start));
  }

  /** Where the weights of a model lie. */
  static Device deviceOf(Module model) {
    Iterator<Tensor> parameters = model.parameters().values().iterator();
    return parameters.hasNext() ? parameters.next().device() : Device.cpu();
  }
}
