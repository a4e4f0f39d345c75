package io.quern.cuda;

import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.nn.Conv2d;
import io.quern.nn.Flatten;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.nn.MaxPool2d;
import io.quern.nn.Mode;
import io.quern.nn.Module;
import io.quern.nn.Relu;
import io.quern.nn.Sequential;
import io.quern.op.Window;
import io.quern.optim.Adam;
import io.quern.plan.Compiled;
import java.util.List;

/** Times of a compiled training step of the quickstart's network, as a whole and by kernel. */
final class GpuTraining {
  private GpuTraining() {}

  public static void main(String[] args) {
    for (int batch : new int[] {128, 1024}) {
      train(Device.of("cuda"), batch);
    }
  }

  private static void train(Device device, int batch) {
    Rng rng = Rng.of(1);
    Module model = network(rng).to(device);
    Adam optimizer = Adam.of(model.parameters(), 1e-3);
    Tensor[] in = {rng.uniform(batch, 1, 28, 28).to(device), Tensor.of(new long[batch]).to(device)};
    Compiled step =
        Quern.compile(
            device,
            arguments -> {
              Tensor prediction = model.forward(arguments.get(0), Mode.training(rng));
              Tensor loss = Losses.crossEntropy(prediction, arguments.get(1));
              optimizer.step(loss.backward());
              return List.of(loss);
            },
            List.of(in[0].spec(), in[1].spec()));
    long nanos = GpuBench.time(step, in);
    GpuBench.line("train " + batch, nanos, 1e9 * batch / nanos, "images/s");
    Tensor loss = step.run(in);
    System.out.println(step.plan().describe(step.plan().profile(in, new Tensor[] {loss})));
    step.plan().fallbacks().forEach(fallback -> System.out.println("on the host: " + fallback));
  }

  private static Module network(Rng rng) {
    Window window = Window.of(3).padding(1);
    return Sequential.of(
        Conv2d.of(1, 32, window, rng),
        new Relu(),
        MaxPool2d.of(2),
        Conv2d.of(32, 64, window, rng),
        new Relu(),
        MaxPool2d.of(2),
        Flatten.of(),
        Linear.of(64 * 7 * 7, 128, rng),
        new Relu(),
        Linear.of(128, 10, rng));
  }
}
