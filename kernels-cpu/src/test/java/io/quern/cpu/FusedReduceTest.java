package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.graph.Pass;
import io.quern.op.Reduce;
import io.quern.plan.Compiled;
import io.quern.runtime.Workers;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A chain with its reduction has the bits of both apart, before and after warm-up. */
class FusedReduceTest {
  private static final int THREADS = Workers.shared().threads();

  @AfterEach
  void computeOnAll() {
    Workers.setThreads(THREADS);
  }

  private static Shape shape(String dims) {
    return Shape.of(Stream.of(dims.split("x", -1)).mapToLong(Long::parseLong).toArray());
  }

  private static Tensor random(long seed, String dims) {
    return Rng.of(seed).normal(shape(dims), 0, 1);
  }

  private static Tensor distance(Tensor x, Tensor y, Reduce.Fn fn, List<Integer> axes) {
    Tensor chain = x.sub(y).square().add(0.5);
    return Tensor.apply(new Reduce(fn, axes, false), chain);
  }

  /** Tiles and pieces of runs, runs shorter and longer than a tile, rows and cuts of them. */
  @ParameterizedTest
  @CsvSource({
    "100001, 100001, 0",
    "100001, 1, 0",
    "3x40000, 40000, 1",
    "3x40000, 3x1, 1",
    "3x40000, 40000, 0 1",
    "700x33, 33, 1",
    "700x33, 700x1, 0 1",
    "700x33, 700x33, 0",
    "70x64x1, 64x1, 1 2",
    "300x2047, 2047, 1",
    "300x2049, 300x1, 1",
    "7x5000, 5000, 0",
    "100x5x30, 5x30, 0",
    "40x70x35, 70x1, 1",
    "4x3x50x20, 3x1x1, 0 2 3",
    "6x5x7x300, 7x300, 0 2"
  })
  void fusedReductionHasTheBitsOfBothApart(String dims, String others, String axes) {
    List<Integer> folded = Stream.of(axes.split(" ", -1)).map(Integer::valueOf).toList();
    try (var _ = TensorScope.open()) {
      Tensor x = random(1, dims);
      Tensor y = random(2, others);
      for (Reduce.Fn fn : List.of(Reduce.Fn.SUM, Reduce.Fn.MAX)) {
        byte[] expected = distance(x, y, fn, folded).toByteArray();
        Compiled compiled =
            Quern.compile(
                Device.cpu(),
                in -> List.of(distance(in.get(0), in.get(1), fn, folded)),
                List.of(x.spec(), y.spec()));
        assertThat(compiled.plan().describe()).contains("fused_reduce_f32");
        for (int run = 0; run < 2; run++) {
          for (int threads = 1; threads <= 3; threads++) {
            Workers.setThreads(threads);
            assertThat(compiled.runAll(x, y)[0].toByteArray())
                .as("%s on %d threads", fn, threads)
                .isEqualTo(expected);
          }
          compiled.warmUp();
        }
      }
    }
  }

  /** A view of other strides is gathered. */
  @Test
  void transposedOperandsAreRead() {
    try (var _ = TensorScope.open()) {
      Tensor x = random(1, "130x90");
      Tensor y = random(2, "90x130");
      Compiled compiled =
          Quern.compile(
              Device.cpu(),
              in ->
                  List.of(
                      distance(in.get(0).transpose(0, 1), in.get(1), Reduce.Fn.SUM, List.of(0, 1))),
              List.of(x.spec(), y.spec()));
      assertThat(compiled.plan().describe()).contains("fused_reduce_f32_runs").contains("1 steps");
      byte[] expected = distance(x.transpose(0, 1), y, Reduce.Fn.SUM, List.of(0, 1)).toByteArray();
      assertThat(compiled.runAll(x, y)[0].toByteArray()).isEqualTo(expected);
    }
  }

  /** Where one thread would have all of a long chain, or little at a time, both are done apart. */
  @ParameterizedTest
  @CsvSource({"20000x30, 0", "200x40x10, 0 2"})
  void chainsThatWouldBeSlowerAreNotFused(String dims, String axes) {
    List<Integer> folded = Stream.of(axes.split(" ", -1)).map(Integer::valueOf).toList();
    try (var _ = TensorScope.open()) {
      Tensor x = random(1, dims);
      Compiled compiled =
          Quern.compile(in -> distance(in, in.neg(), Reduce.Fn.SUM, folded), x.spec());
      assertThat(compiled.plan().describe()).doesNotContain("fused_reduce_f32").contains("fused_");
      assertThat(compiled.run(x).toByteArray())
          .isEqualTo(distance(x, x.neg(), Reduce.Fn.SUM, folded).toByteArray());
    }
  }

  @Test
  void passCanBeSwitchedOff() {
    try (var _ = TensorScope.open()) {
      Tensor x = random(1, "100");
      Compiled compiled = Quern.compile(in -> in.square().sum(), x.spec());
      Pass[] others =
          Arrays.stream(Pass.values()).filter(pass -> pass != Pass.REDUCTIONS).toArray(Pass[]::new);
      assertThat(compiled.plan().describe()).contains("fused_reduce_f32");
      assertThat(compiled.with(others).plan().describe()).doesNotContain("fused_reduce_f32");
      assertThat(compiled.with(others).run(x).toByteArray())
          .isEqualTo(compiled.run(x).toByteArray());
    }
  }
}
