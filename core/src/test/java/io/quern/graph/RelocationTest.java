package io.quern.graph;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Live;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.plan.Compiled;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/** Functions that are traced on the CPU and run elsewhere, with copies of their weights. */
class RelocationTest {
  private static final int SIZE = 1 << 18;

  private static Compiled moved(UnaryOperator<Tensor> function, Tensor x) {
    Relocation relocation = new Relocation(Device.of("remote"));
    return new Compiled(
        Device.cpu(),
        in -> List.of(function.apply(in.getFirst())),
        List.of(x.spec()),
        graph -> relocation.apply(Recognise.apply(graph)));
  }

  @Test
  void shapesShareACopyOfAWeight() throws InterruptedException {
    try (var _ = TensorScope.open()) {
      Device remote = Device.of("remote");
      Tensor weight = Rng.of(1).normal(SIZE);
      Tensor x = Tensor.ones(1, 1).to(remote);
      Tensor longer = Tensor.ones(3, 1).to(remote);
      Compiled compiled = moved(y -> y.mul(weight).sum(), x);
      compiled.run(x).close();
      long before = Live.settled();
      compiled.run(longer).close();
      Live.awaitAtMost(before + 5L * 4 * SIZE); // products of three rows, but no other weight
    }
  }

  /** Not in a scope, which refers to closed tensors for a while. */
  @Test
  void changedWeightsLeaveNoCopiesBehind() throws InterruptedException {
    Tensor weight = Rng.of(1).normal(SIZE);
    Tensor other = Rng.of(2).normal(SIZE);
    Tensor x = Tensor.ones(1).to(Device.of("remote"));
    // The product of the weights is folded before it is moved, the sum is not.
    UnaryOperator<Tensor> function = y -> y.add(weight).mul(weight.mul(other)).sum();
    Compiled compiled = moved(function, x);
    compiled.run(x).close();
    long before = Live.settled();
    for (int i = 0; i < 8; i++) {
      weight.copyFrom(other);
      compiled.run(x).close();
      Live.settled();
    }
    Live.awaitAtMost(before + 4L * SIZE);
    assertThat(compiled.run(x).item()).isEqualTo(function.apply(x.to(Device.cpu())).item());
  }
}
